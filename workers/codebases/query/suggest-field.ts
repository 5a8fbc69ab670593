/** Finds the field that somebody meant. */
import { nearestName } from "../../http/suggest.ts";
import { fieldNames } from "./fields.ts";
import type { Syntax } from "./query.ts";

/** What other search engines call these. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  filename: "file",
  extension: "file",
  ext: "file",
  in: "content",
  text: "content",
  commit: "rev",
  tag: "rev",
  at: "rev",
  refs: "ref",
  references: "ref",
  callers: "calls",
  callees: "calledby",
  def: "symbol",
  function: "symbol",
  class: "symbol",
  repository: "repo",
  import: "imports",
};

export function nearestField(name: string, syntax: Syntax): string | null {
  const long = fieldNames(syntax).filter((field) => field.length > 1);
  return ELSEWHERE[name.toLowerCase()] ?? nearestName(name, long);
}
