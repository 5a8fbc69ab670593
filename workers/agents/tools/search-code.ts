import { z } from "zod";
import type { CodebaseAnswer } from "../../codebases/cross-search.ts";
import type { SearchAnswer } from "../../codebases/index/search/search-types.ts";
import { cutToBudget, type RenderedResult } from "../../codebases/query/budget.ts";
import { MAX_QUERY_CHARS } from "../../codebases/query/parse.ts";
import { renderResults } from "../../codebases/render.ts";
import { FIRST_PAGE } from "../../http/page.ts";
import { isShadowed } from "../workspace/overlay.ts";
import { codebaseName, type Place, placeOf } from "./code.ts";
import { success } from "./results.ts";
import type { SessionCodebase } from "./setup.ts";
import { defineTool, READS, type ToolSession } from "./tool.ts";

const DEADLINE_MS = 10_000;
const MAX_TOKENS = 12_000;
const MAX_CODEBASES = 100;

const input = z.strictObject({
  query: z
    .string()
    .min(1)
    .max(MAX_QUERY_CHARS)
    .describe(
      'Terms, "phrases" and /expressions/ with path: lang: sym: content: is: ref: calls: calledby:, OR, NOT and parentheses.',
    ),
  codebase: codebaseName,
  limit: z.int().min(1).max(50).default(10).describe("Files of each codebase."),
  max_matches: z.int().min(1).max(100).default(10).describe("Matches of each file."),
  context_lines: z.int().min(0).max(20).default(0).describe("Lines around each match."),
});
type Wanted = z.output<typeof input>;
type Found = Extract<SearchAnswer, { status: "found" }>;

interface Searched {
  readonly results: readonly RenderedResult[];
  /** What may be missing from the answer, and why. */
  readonly notes: readonly string[];
}

export const searchCode = defineTool({
  name: "search_code",
  description:
    "Searches code: text, regular expressions, symbols and references. Searches the session's codebase, or all codebases of the project when it has none. The best files come first; read_file reads them.",
  scopes: ["codebases:read"],
  ...READS,
  input,
  async run(session, wanted) {
    const place = await placeOf(session, wanted.codebase);
    const { results, notes } =
      place.codebase === null
        ? await searchAll(session, wanted)
        : await searchOne(session, place, place.codebase, wanted);
    const { text } = cutToBudget(results, MAX_TOKENS);
    const found = text === "" ? "Nothing matches." : text;
    return success([found, ...notes].join("\n\n"));
  },
});

async function searchOne(
  { principal, deps }: ToolSession,
  { overlay }: Place,
  codebase: SessionCodebase,
  { query, ...wanted }: Wanted,
): Promise<Searched> {
  const { codebase_id, name, snapshot, folder } = codebase;
  const { limit, max_matches, context_lines } = wanted;
  const found = await deps.services.reading.search(principal, codebase_id, {
    query: folder === "" ? query : `(${query}) path:/^${pattern(folder)}\\//`,
    ...{ syntax: "github", snapshot: String(snapshot), limit, max_matches, context_lines },
    ...{ cursor: null, explain: false, deadline_ms: DEADLINE_MS },
  });
  const below = folder === "" ? 0 : folder.length + 1;
  const items = found.items.map((item) => ({ ...item, path: item.path.slice(below) }));
  const stale = items.filter(({ path }) => overlay !== null && isShadowed(overlay, path));
  const notes = stale.map(({ path }) => `${path} is shown as it was before you changed it.`);
  return {
    results: renderResults({ ...found, items }),
    notes: [...notes, ...missing(name, found)],
  };
}

async function searchAll(
  { principal, project_id, deps }: ToolSession,
  { query, limit, max_matches, context_lines }: Wanted,
): Promise<Searched> {
  const { answers, rows } = await deps.services.crossSearch.search(
    principal,
    {
      ...{ query, syntax: "github", snapshot: null, project_id, limit, max_matches },
      ...{ context_lines, explain: false, deadline_ms: DEADLINE_MS },
    },
    { ...FIRST_PAGE, limit: MAX_CODEBASES },
  );
  const searched = answers.map(toSearched);
  const left =
    rows.length > MAX_CODEBASES
      ? [`Only ${MAX_CODEBASES} codebases were searched; name another by "codebase".`]
      : [];
  return {
    results: searched.flatMap(({ results }) => results),
    notes: [...searched.flatMap(({ notes }) => notes), ...left],
  };
}

function toSearched(answer: CodebaseAnswer): Searched {
  const { name, status } = answer;
  if (status === "empty") return { results: [], notes: [] };
  if (status !== "searched") return { results: [], notes: [`${name} did not answer.`] };
  const results = renderResults(answer.found).map(({ provenance, text }) => ({
    provenance: `${name}: ${provenance}`,
    text,
  }));
  return { results, notes: missing(name, answer.found) };
}

function missing(name: string, { next_cursor, receipt }: Found): string[] {
  if (next_cursor !== null) return [`${name} has more: narrow the query, or raise the limit.`];
  return receipt.reason === null ? [] : [`${name}: ${receipt.reason}`];
}

function pattern(text: string): string {
  return text.replaceAll(/[\\^$.|?*+()[\]{}/]/g, "\\$&");
}
