/** The words around a definition: its signature, and what the comment before it says. */
import type { LanguageTraits } from "../traits.ts";
import type { Lines } from "./lines.ts";

const MAX_SIGNATURE_CHARS = 300;
const MAX_BODILESS_CHARS = 160;
const MAX_DOC_CHARS = 200;
const MAX_DOC_LINES = 60;
/** Of a docstring: what lies beyond cannot be in its first sentence. */
const MAX_DOCSTRING_CHARS = 2_000;

/** What ends a declaration before its body, in one language or another. */
const TRAILING = /\s*(\{|,|=>|->|=|:|\bdo|\bthen|\bis|\bbegin|\bwhere|\()?\s*$/;

function bounded(text: string, max: number): string {
  if (text.length <= max) return text;
  // A pair of surrogates is not cut in two.
  const cut = /[\ud800-\udbff]/.test(text[max - 2] ?? "") ? max - 2 : max - 1;
  return `${text.slice(0, cut)}…`;
}

const oneLine = (text: string) => text.replace(/\s+/g, " ").trim();

export interface Extent {
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  readonly body: number | null;
}

/** Kinds whose first line says what they are; what follows is their value. */
const FIRST_LINE_KINDS = new Set([
  "constant",
  "variable",
  "field",
  "table",
  "id",
  "test",
  "anchor",
]);

/** The declaration of a definition on one line, up to its body where it has one. */
export function signatureOf(
  text: string,
  { kind, start, end, body }: Extent,
  { lineComments }: Pick<LanguageTraits, "lineComments">,
): string {
  if (body === null || body <= start) {
    const declaration = text.slice(start, Math.min(end, start + 4 * MAX_BODILESS_CHARS));
    const [first = "", ...rest] = declaration.split("\n");
    const isCut = rest.length > 0 && FIRST_LINE_KINDS.has(kind);
    return bounded(oneLine(isCut ? first.replace(TRAILING, "") : declaration), MAX_BODILESS_CHARS);
  }
  const head = text.slice(start, Math.min(body, start + 4 * MAX_SIGNATURE_CHARS));
  const isComment = (line: string) => lineComments.some((mark) => line.trim().startsWith(mark));
  const code = head.split("\n").filter((line, index) => index === 0 || !isComment(line));
  return bounded(oneLine(code.join("\n").replace(TRAILING, "")), MAX_SIGNATURE_CHARS);
}

const MARKERS =
  /^(\/\*+!?|\/\/[/!]?|\*+\/?|#+|--+\[*|<!--|@(?:module)?doc\s*"*|;+|"{3})\s?|(\*+\/|-->|\]\]|"+)$/g;
const MARKUP = /<\/?[a-z]+(?:\s[^<>]{0,80})?\/?>/gi;
const STOP =
  /^(@\w|\\\w|:param|Args:|Returns:|Parameters|-{3,}|={3,}|eslint-|biome-|noqa|TODO\b|FIXME\b|#region)/;

/** The first sentence of a comment's lines, without what marks them as a comment. */
export function firstSentence(lines: readonly string[]): string | null {
  const words: string[] = [];
  for (const line of lines) {
    const said = oneLine(line.trim().replace(MARKERS, "").replace(MARKUP, ""));
    if (STOP.test(said)) break;
    if (said === "" && words.length > 0) break;
    if (said !== "") words.push(said);
  }
  const said = words.join(" ");
  const sentence = /^.*?[.!?](?=\s+[^a-z]|$)/.exec(said)?.[0] ?? said;
  return sentence === "" ? null : bounded(sentence, MAX_DOC_CHARS);
}

/** The comment that ends right above a line, nearest lines last. */
function commentAbove(lines: Lines, row: number, traits: LanguageTraits): string[] {
  const found: string[] = [];
  let block: string | null = null;
  for (let at = row - 1; at >= 0 && row - at <= MAX_DOC_LINES; at -= 1) {
    const line = lines.line(at).trim();
    if (block !== null) {
      found.unshift(line);
      if (line.startsWith(block)) return found;
      continue;
    }
    const closed = traits.blockComments.find(([, close]) => line.endsWith(close));
    if (closed !== undefined && found.length === 0) {
      const [open, close] = closed;
      if (line.startsWith(open) && line.length >= open.length + close.length) return [line];
      // Code before a trailing comment is not a description.
      if (line.includes(open) && !line.startsWith(open)) return found;
      block = open;
      found.unshift(line);
    } else if (traits.lineComments.some((prefix) => line.startsWith(prefix))) {
      if (/^#!|^#\[/.test(line)) break;
      found.unshift(line);
    } else if (found.length > 0 || !traits.attributes.some((mark) => line.startsWith(mark))) {
      break;
    }
  }
  // A block that does not begin within reach is some other text.
  return block === null ? found : [];
}

const DOCSTRING = /^[rRuUbB]{0,2}("""|'''|"|')/;

function docstringAt(text: string, body: number): string[] {
  const head = text.slice(body, body + MAX_DOCSTRING_CHARS).trimStart();
  const quote = DOCSTRING.exec(head);
  if (quote === null) return [];
  const [opening, mark = '"'] = quote;
  const close = head.indexOf(mark, opening.length);
  return head.slice(opening.length, close < 0 ? undefined : close).split("\n");
}

/** The first sentence that describes a definition; null when nothing does. */
export function docOf(
  lines: Lines,
  row: number,
  body: number | null,
  traits: LanguageTraits,
): string | null {
  if (traits.docstrings && body !== null) {
    const said = firstSentence(docstringAt(lines.text, body));
    if (said !== null) return said;
  }
  return firstSentence(commentAbove(lines, row, traits));
}
