import { z } from "zod";
import type { CodebaseAnswer } from "../../codebases/cross-search.ts";
import type { FileResult } from "../../codebases/index/search/search-types.ts";
import { MAX_QUERY_CHARS } from "../../codebases/query/parse.ts";
import { SYNTAXES } from "../../codebases/query/query.ts";
import { compareRanked } from "../../codebases/query/rank.ts";
import { idSchema } from "../../http/schemas.ts";
import type { Caller } from "../caller.ts";
import { defineOperation, READS } from "../operation.ts";
import { pageOf } from "../paging.ts";

const DEADLINE_MS = 10_000;
const MAX_CODEBASES = 100;

const input = z.strictObject({
  query: z
    .string()
    .min(1)
    .max(MAX_QUERY_CHARS)
    .describe(
      'Terms, "phrases" and /expressions/ with path: lang: sym: content: is: ref: calls: calledby:, OR, NOT and parentheses.',
    ),
  syntax: z.enum(SYNTAXES).default("github"),
  codebase_id: idSchema.optional().describe("One codebase; all of the project unless said."),
  snapshot: z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe("A snapshot's number, ref or commit; the newest unless said."),
  limit: z.int().min(1).max(50).default(10).describe("Files of each codebase."),
  max_matches: z.int().min(1).max(100).default(10).describe("Matches of each file."),
  context_lines: z.int().min(0).max(20).default(0).describe("Lines around each match."),
});

const output = z.object({
  items: z.array(
    z.object({
      codebase_id: z.string(),
      codebase: z.string(),
      path: z.string(),
      language: z.string().nullable(),
      matches: z.array(
        z.object({
          line: z.int(),
          kind: z.string(),
          text: z.string(),
          before: z.array(z.string()),
          after: z.array(z.string()),
        }),
      ),
      truncated: z.boolean(),
    }),
  ),
  complete: z.boolean().describe("Nothing that matches is missing from the answer."),
  incomplete_because: z.array(z.string()),
});
type Output = z.input<typeof output>;

interface Found {
  readonly id: string;
  readonly name: string;
  readonly items: readonly FileResult[];
  /** Null when all of it was searched to the end. */
  readonly missing: string | null;
}

export const searchCode = defineOperation({
  name: "pipelzr_search_code",
  title: "Search code",
  description:
    "Searches the code of one codebase, or of all codebases of the project: text, regular expressions, symbols and references. The best files come first; read them with pipelzr_read_code_file.",
  scope: "codebases:read",
  annotations: READS,
  input,
  output,
  async run(caller, { codebase_id, ...query }) {
    const found =
      codebase_id === undefined
        ? await searchAll(caller, query)
        : [await searchOne(caller, codebase_id, query)];
    return { output: toOutput(found) };
  },
});

type Query = Omit<z.output<typeof input>, "codebase_id">;

async function searchOne(
  { principal, services }: Caller,
  id: string,
  query: Query,
): Promise<Found> {
  const { name } = (await services.codebases.get(principal, id)).document;
  const { items, receipt, next_cursor } = await services.reading.search(principal, id, {
    ...query,
    ...{ snapshot: query.snapshot ?? null, cursor: null },
    ...{ explain: false, deadline_ms: DEADLINE_MS },
  });
  return { id, name, items, missing: missingOf(name, receipt.reason, next_cursor) };
}

async function searchAll(
  { principal, project_id, services, url }: Caller,
  query: Query,
): Promise<Found[]> {
  const { answers, rows } = await services.crossSearch.search(
    principal,
    {
      ...query,
      ...{ snapshot: query.snapshot ?? null, project_id },
      ...{ explain: false, deadline_ms: DEADLINE_MS },
    },
    pageOf({ limit: MAX_CODEBASES }, url),
  );
  const found = answers.map(toFound);
  if (rows.length <= MAX_CODEBASES) return found;
  const missing = `Only the first ${MAX_CODEBASES} codebases were searched; name others by codebase_id.`;
  return [...found, { id: "", name: "", items: [], missing }];
}

function toFound(answer: CodebaseAnswer): Found {
  const { id, name, status } = answer;
  if (status === "empty") return { id, name, items: [], missing: null };
  if (status !== "searched") return { id, name, items: [], missing: `${name} did not answer.` };
  const { items, receipt, next_cursor } = answer.found;
  return { id, name, items, missing: missingOf(name, receipt.reason, next_cursor) };
}

function missingOf(name: string, reason: string | null, next_cursor: string | null) {
  if (next_cursor !== null) return `${name} has more: narrow the query, or raise the limit.`;
  return reason === null ? null : `${name}: ${reason}`;
}

function toOutput(found: readonly Found[]): Output {
  const items = found
    .flatMap(({ id, name, items }) =>
      items.map((item) => ({ ...item, codebase_id: id, codebase: name })),
    )
    .toSorted(compareRanked)
    .map(({ codebase_id, codebase, path, language, matches, truncated }) => ({
      ...{ codebase_id, codebase, path, language, truncated },
      matches: matches.map(({ line, kind, text, before, after }) => ({
        ...{ line, kind, text, before: [...before], after: [...after] },
      })),
    }));
  const incomplete_because = found.flatMap(({ missing }) => missing ?? []);
  return { items, complete: incomplete_because.length === 0, incomplete_because };
}
