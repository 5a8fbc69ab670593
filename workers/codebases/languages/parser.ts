/** Parses batches of files in the isolate of their language. */
import { emptyAnswer } from "./empty-answer.ts";
import { type Grammar, grammarOf } from "./grammars.ts";
import type { Isolate } from "./isolates.ts";
import {
  type Answer,
  answerSchema,
  lastLineSchema,
  type ParsedFile,
  type ParseRequest,
  type Problem,
  type SourceFile,
} from "./parsed-file.ts";
import { parserChild } from "./parser-children.ts";
import { readLines } from "./read-lines.ts";
import { type LanguageId, registeredLanguage } from "./registry.ts";
import { pathWords } from "./words.ts";

export type {
  CodeImport,
  CodeReference,
  CodeSymbol,
  ParsedFile,
  SourceFile,
} from "./parsed-file.ts";

/** Isolates that a batch may lose before its remaining files are given up. */
const MAX_LOST_ISOLATES = 5;

export interface ParseOptions {
  readonly signal?: AbortSignal;
  /** Which isolate of the language; default 0. Lanes parse side by side where there are cores. */
  readonly lane?: number;
  /** Whose grammar it is: what two projects have sent alike shares no isolate. */
  readonly tenant?: string;
}

/** How one request to the child ended. */
type Ending =
  | { readonly type: "done" }
  /** Wasm trapped in the last file that has an answer. */
  | { readonly type: "trapped" }
  /** The isolate is gone; the first file without an answer was at work. */
  | { readonly type: "lost"; readonly reason: string }
  /** The grammar cannot be used for any file. */
  | { readonly type: "refused"; readonly reason: string };

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

const failed = (message: string): Problem => ({ code: "parse_failed", message });

function readLine(line: string, answers: Map<number, Answer>, waiting: ReadonlySet<number>) {
  const value: unknown = JSON.parse(line);
  const last = lastLineSchema.safeParse(value);
  if (last.success) return last.data;
  const answer = answerSchema.parse(value);
  if (!waiting.has(answer.index)) throw new Error(`it answers for file ${answer.index}, unasked`);
  answers.set(answer.index, answer);
  return null;
}

async function ask(
  child: Isolate,
  files: readonly SourceFile[],
  indexes: readonly number[],
  answers: Map<number, Answer>,
  signal: AbortSignal | undefined,
): Promise<Ending> {
  const request: ParseRequest = {
    files: indexes.flatMap((index) => {
      const file = files[index];
      return file === undefined ? [] : [{ index, text: file.text }];
    }),
  };
  const waiting = new Set(indexes);
  try {
    const response = await child.fetch(JSON.stringify(request), signal);
    if (response.body === null) return { type: "lost", reason: "the parser answered nothing" };
    for await (const line of readLines(response.body)) {
      const last = readLine(line, answers, waiting);
      if (last === null) continue;
      if ("refused" in last) return { type: "refused", reason: last.refused };
      return { type: "trapped" in last ? "trapped" : "done" };
    }
    return { type: "lost", reason: "the parser ended in the middle of its answer" };
  } catch (error) {
    signal?.throwIfAborted();
    return { type: "lost", reason: messageOf(error) };
  }
}

/**
 * Answers for every index. An isolate that goes down can take answers with it that were on their
 * way, so that the files left over go one by one: the one that is alone when it happens is to blame.
 */
async function parseAll(
  child: Isolate,
  files: readonly SourceFile[],
  signal: AbortSignal | undefined,
): Promise<Map<number, Answer>> {
  const answers = new Map<number, Answer>();
  const left = () => [...files.keys()].filter((index) => !answers.has(index));
  const fail = (indexes: readonly number[], message: string) => {
    for (const index of indexes) {
      if (!answers.has(index)) answers.set(index, emptyAnswer(index, failed(message)));
    }
  };
  let lost = 0;
  let reason = "it trapped";
  for (let waiting = left(); waiting.length > 0; waiting = left()) {
    if (lost >= MAX_LOST_ISOLATES) {
      fail(
        waiting,
        `Other files ended the parser ${lost} times (${reason}). Index the snapshot again without them.`,
      );
      break;
    }
    const asked = lost === 0 ? waiting : waiting.slice(0, 1);
    const ending = await ask(child, files, asked, answers, signal);
    if (ending.type === "done") {
      fail(asked, "The parser has no answer for this file.");
      continue;
    }
    child.retire();
    if (ending.type === "refused") {
      fail(waiting, `The grammar or its query cannot be used: ${ending.reason}. Correct it.`);
      break;
    }
    lost += 1;
    if (ending.type === "trapped") continue;
    reason = ending.reason;
    if (asked.length > 1) continue;
    fail(asked, `The parser was lost on this file: ${reason}. It is searched as text alone.`);
  }
  return answers;
}

/** Parses files with a grammar, such as a user's. Problems are each file's own. */
export async function parseWith(
  loader: WorkerLoader,
  grammar: Grammar,
  files: readonly SourceFile[],
  { signal, lane = 0, tenant = "" }: ParseOptions = {},
): Promise<ParsedFile[]> {
  if (files.length === 0) return [];
  const answers = await parseAll(parserChild(loader, grammar, `${tenant}:${lane}`), files, signal);
  return files.map(({ oid, path }, index) => {
    const { index: _, chunks, ...parsed } = answers.get(index) ?? emptyAnswer(index, null);
    const words = pathWords(path);
    return { oid, path, ...parsed, chunks: chunks.map((chunk) => ({ ...chunk, path: words })) };
  });
}

/** True when files of a language have symbols, references and imports. */
export function isParsed(language: string): language is LanguageId {
  return registeredLanguage(language) !== undefined;
}

/**
 * Parses files of one language. They come back in order, each with its own problem or none; the
 * promise rejects only when `signal` aborts.
 */
export function parseBatch(
  loader: WorkerLoader,
  language: LanguageId,
  files: readonly SourceFile[],
  options: ParseOptions = {},
): Promise<ParsedFile[]> {
  return parseWith(loader, grammarOf(language), files, options);
}
