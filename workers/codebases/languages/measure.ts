/** Measures parsing as a caller meets it: the isolate's start, and what it does when it is warm. */
import type { SourceFile } from "./parsed-file.ts";
import { parseBatch } from "./parser.ts";
import type { LanguageId } from "./registry.ts";

export interface ParsingFigures {
  readonly language: LanguageId;
  readonly files: number;
  readonly bytes: number;
  /** Of a lane that has never been used, for one empty file: inflate, compile, start, answer. */
  readonly cold_ms: number;
  /** The same once more. */
  readonly warm_ms: number;
  /** All files in batches, in one isolate, with what goes between host and isolate. */
  readonly parse_ms: number;
  readonly mb_per_second: number;
  readonly symbols: number;
  readonly references: number;
  readonly failed: number;
}

const BATCH_CHARS = 1 << 20;

/** Batches of about a MiB, as the intake makes them. */
function batches(files: readonly SourceFile[]): SourceFile[][] {
  const made: SourceFile[][] = [];
  let chars = Number.POSITIVE_INFINITY;
  for (const file of files) {
    if (chars + file.text.length > BATCH_CHARS) {
      made.push([]);
      chars = 0;
    }
    made.at(-1)?.push(file);
    chars += file.text.length;
  }
  return made;
}

/** Parses `files` in a lane of its own, which must not have been used before, and says how it went. */
export async function measureParsing(
  loader: WorkerLoader,
  language: LanguageId,
  files: readonly SourceFile[],
  lane: number,
): Promise<ParsingFigures> {
  const timed = async <T>(work: () => Promise<T>): Promise<[ms: number, result: T]> => {
    const began = performance.now();
    const result = await work();
    return [performance.now() - began, result];
  };
  const empty = [{ oid: "", path: "empty", text: "" }];
  const [cold_ms] = await timed(() => parseBatch(loader, language, empty, { lane }));
  const [warm_ms] = await timed(() => parseBatch(loader, language, empty, { lane }));
  let symbols = 0;
  let references = 0;
  let failed = 0;
  const [parse_ms] = await timed(async () => {
    for (const batch of batches(files)) {
      for (const parsed of await parseBatch(loader, language, batch, { lane })) {
        symbols += parsed.symbols.length;
        references += parsed.references.length;
        if (parsed.problem !== null) failed += 1;
      }
    }
  });
  const bytes = files.reduce((sum, { text }) => sum + new TextEncoder().encode(text).byteLength, 0);
  const mb_per_second = bytes / 1e3 / parse_ms;
  return {
    language,
    files: files.length,
    bytes,
    cold_ms,
    warm_ms,
    parse_ms,
    mb_per_second,
    symbols,
    references,
    failed,
  };
}
