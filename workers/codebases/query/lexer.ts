/** Splits a query into tokens: operators, brackets, words, and fields with their values. */
import { type Field, fieldNames, fieldOf } from "./fields.ts";
import type { QueryProblem } from "./problem.ts";
import type { Span, Syntax } from "./query.ts";
import { nearestField } from "./suggest-field.ts";
import { isBlank, isEnd, type Value, ValueReader } from "./value-reader.ts";

export type Token =
  | ({ readonly kind: "open" | "close" | "and" | "or" | "not" } & Span)
  | ({ readonly kind: "word"; readonly value: Value } & Span)
  | ({
      readonly kind: "field";
      readonly name: string;
      readonly field: Field;
      readonly value: Value;
    } & Span)
  /** What a problem was reported for; it stands where an operand would. */
  | ({ readonly kind: "faulty" } & Span);

const FIELD_NAME = /^[A-Za-z][A-Za-z0-9_.-]*:(?!:)/;
const GITHUB_NEGATED = /^-(?=[\p{L}\p{N}_("/])/u;
const GITHUB_KEYWORDS: ReadonlyMap<string, "and" | "or" | "not"> = new Map([
  ["AND", "and"],
  ["OR", "or"],
  ["NOT", "not"],
]);
/** In Zoekt's syntax `and` is a word to find, as is everything in capitals. */
const ZOEKT_KEYWORDS: ReadonlyMap<string, "and" | "or" | "not"> = new Map([["or", "or"]]);

export function tokenize(text: string, syntax: Syntax, problems: QueryProblem[]): Token[] {
  const tokens: Token[] = [];
  const reader = new ValueReader(text, syntax, problems);
  let at = 0;
  while (at < text.length) {
    if (isBlank(text.charAt(at))) {
      at += 1;
      continue;
    }
    const token = tokenAt(text, at, syntax, reader, problems);
    tokens.push(token);
    at = Math.max(token.end, at + 1);
  }
  return tokens;
}

function tokenAt(
  text: string,
  start: number,
  syntax: Syntax,
  reader: ValueReader,
  problems: QueryProblem[],
): Token {
  const first = text.charAt(start);
  if (first === ")") return { kind: "close", start, end: start + 1 };
  if (first === "(" && (syntax === "github" || reader.opensGroup(start))) {
    return { kind: "open", start, end: start + 1 };
  }
  if (isNegation(text, start, syntax)) return { kind: "not", start, end: start + 1 };
  const name = FIELD_NAME.exec(text.slice(start, start + MAX_FIELD_NAME_CHARS))?.[0].slice(0, -1);
  if (name !== undefined) return fieldAt(text, start, name, syntax, reader, problems);
  const value = reader.read(start, "word");
  if (value === null) return { kind: "faulty", start, end: reader.resumeAt };
  const keywords = syntax === "github" ? GITHUB_KEYWORDS : ZOEKT_KEYWORDS;
  const keyword = keywords.get(text.slice(value.start, value.end));
  const { end } = value;
  return keyword === undefined
    ? { kind: "word", value, start, end }
    : { kind: keyword, start, end };
}

const MAX_FIELD_NAME_CHARS = 64;

function isNegation(text: string, start: number, syntax: Syntax): boolean {
  if (text.charAt(start) !== "-") return false;
  if (syntax === "github") return GITHUB_NEGATED.test(text.slice(start, start + 3));
  return !isEnd(text, start + 1);
}

function fieldAt(
  text: string,
  start: number,
  name: string,
  syntax: Syntax,
  reader: ValueReader,
  problems: QueryProblem[],
): Token {
  const field = fieldOf(name, syntax);
  const after = start + name.length + 1;
  if (field === undefined) {
    const found = reader.silently().read(after, "field");
    const end = found?.end ?? after;
    problems.push(unknownField(name, text.slice(start, end), syntax, start, after));
    return { kind: "faulty", start, end };
  }
  if (isEnd(text, after)) {
    problems.push({
      message: `The field ${name}: has no value.`,
      hint: `Write the value right after the colon, without a blank: ${name}:value.`,
      start,
      end: after,
    });
    return { kind: "faulty", start, end: after };
  }
  const value = reader.read(after, "field");
  if (value === null) return { kind: "faulty", start, end: reader.resumeAt };
  return { kind: "field", name, field, value, start, end: value.end };
}

function unknownField(
  name: string,
  text: string,
  syntax: Syntax,
  start: number,
  end: number,
): QueryProblem {
  const meant = nearestField(name, syntax);
  const quoted = `To find it as text, quote it: ${JSON.stringify(text)}.`;
  const hint =
    meant === null
      ? `Fields are ${fieldNames(syntax).join(", ")}. ${quoted}`
      : `Did you mean ${meant}:? ${quoted}`;
  return { message: `There is no field ${name}:.`, hint, start, end };
}
