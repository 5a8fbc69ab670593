/** Tries a grammar on a small text, where it can do no harm, before anything is indexed with it. */
import { ApiError } from "../../http/errors.ts";
import type { ParsedFile } from "../languages/parsed-file.ts";
import { parseWith } from "../languages/parser.ts";
import type { GrammarCheck } from "./schemas.ts";
import { type GrammarContent, toGrammar } from "./store.ts";

const TRIAL_MS = 30_000;
const MAX_SYMBOLS = 100;
/** Parses in every language, with errors or without. */
const SAMPLE = "a\n";

/** Throws `validation_failed` with what the compiler, the grammar or its query says. */
export async function tryGrammar(
  loader: WorkerLoader,
  projectId: string,
  content: GrammarContent,
  sample: string | undefined,
): Promise<GrammarCheck> {
  const text = sample ?? SAMPLE;
  // Without a query first: what fails then is the grammar's own.
  const bare = await parse(loader, projectId, { ...content, query: "" }, SAMPLE);
  if (bare.problem !== null) {
    throw refusal("wasm", bare.problem.message, 'Send what "tree-sitter build --wasm" writes.');
  }
  const parsed = await parse(loader, projectId, content, text);
  if (parsed.problem !== null) {
    const path = parsed.problem.code === "parse_failed" ? "tags" : "sample";
    const remedy = 'Try it with "tree-sitter query", and send it again.';
    throw refusal(path, parsed.problem.message, path === "tags" ? remedy : "Send a shorter one.");
  }
  const { symbols, references, parse: figures } = parsed;
  return {
    errors: sample === undefined ? 0 : figures.errors,
    symbols: symbols.slice(0, MAX_SYMBOLS).map(({ kind, name, line }) => ({ kind, name, line })),
    references: references.length,
  };
}

async function parse(
  loader: WorkerLoader,
  projectId: string,
  content: GrammarContent,
  text: string,
): Promise<Pick<ParsedFile, "problem" | "symbols" | "references" | "parse">> {
  const file = { oid: "", path: `sample.${content.name}`, text };
  const signal = AbortSignal.timeout(TRIAL_MS);
  const options = { signal, tenant: projectId };
  try {
    const [parsed] = await parseWith(loader, toGrammar(content), [file], options);
    if (parsed !== undefined) return parsed;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  throw refusal("wasm", `It took longer than ${TRIAL_MS} ms.`, "Simplify the grammar.");
}

function refusal(path: string, said: string, remedy: string): ApiError {
  const message = `${said.replace(/\.? Correct it\.$/, ".")} ${remedy}`;
  const detail = `The grammar was tried on a small text and cannot be used. ${message}`;
  return new ApiError("validation_failed", detail, { issues: [{ path, message }] });
}
