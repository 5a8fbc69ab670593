/** Renders answers as text for a reader with a budget, such as a model. */
import { ApiError } from "../http/errors.ts";
import type { FileResult, MatchDocument, SearchAnswer } from "./index/search/search-types.ts";
import type { RenderedResult } from "./query/budget.ts";

type Found = Extract<SearchAnswer, { status: "found" }>;

const SHORT_OID = 8;

/** Each file of an answer with the lines that match. */
export function renderResults({ items, receipt }: Found): RenderedResult[] {
  return items.map((item) => ({
    provenance: `${item.path} @ ${receipt.root.slice(0, SHORT_OID)}`,
    text: linesOf(item).join("\n"),
  }));
}

function linesOf({ matches, truncated, path }: FileResult): string[] {
  const lines = new Map<number, string>();
  for (const match of matches) {
    if (match.kind === "path") continue;
    for (const [line, text] of numbered(match)) if (!lines.has(line)) lines.set(line, text);
  }
  const shown = [...lines]
    .sort(([left], [right]) => left - right)
    .map(([line, text]) => `${line}: ${text}`);
  if (shown.length === 0) return [path];
  return truncated ? [...shown, "… more matches in this file"] : shown;
}

function* numbered({
  line,
  end_line,
  text,
  before,
  after,
}: MatchDocument): Generator<[number, string]> {
  for (const [index, each] of before.entries()) yield [line - before.length + index, each];
  for (const [index, each] of text.split("\n").entries()) yield [line + index, each];
  for (const [index, each] of after.entries()) yield [end_line + 1 + index, each];
}

/** A file that is listed without its content. */
export function contentNotHeld(path: string, size: number): ApiError {
  const why =
    size > 0
      ? `It has ${size} bytes; files of more than 8 MiB are listed with their digests alone.`
      : "It is a submodule, whose files belong to another repository.";
  return new ApiError("not_found", `The content of "${path.slice(0, 200)}" is not held. ${why}`);
}
