/** Texts with expressions in them: `"a ${{ x }} b"`, and conditions, where the braces may be left out. */
import { type Expression, type ExpressionProblem, parseExpression } from "./expressions-parse.ts";

const OPEN = "${{";
const CLOSE = "}}";
/** Parsed templates are kept by their text; longer texts are parsed each time. */
const MAX_CACHED = 2_000;
const MAX_CACHED_CHARS = 4_000;

/** An expression in a text; `offset` is where what stands between the braces begins. */
export interface Placed {
  readonly expression: Expression;
  readonly offset: number;
}

/** Texts and expressions in turn; a template without an expression is one text. */
export interface Template {
  readonly parts: readonly (string | Placed)[];
  readonly problems: readonly ExpressionProblem[];
}

const cache = new Map<string, Template>();

/** Whether a text has to be parsed at all. */
export function hasExpression(text: string): boolean {
  return text.includes(OPEN);
}

/** Parses a text; what is wrong with its expressions is in `problems`, and then it cannot be evaluated. */
export function parseTemplate(text: string): Template {
  return cached(`t${text}`, () => split(text));
}

/**
 * Parses a condition: one expression, with or without `${{ }}` around it. Text beside the braces is
 * refused, since the whole would be a text, and so always true.
 */
export function parseCondition(text: string): Template {
  return cached(`c${text}`, () => {
    if (!hasExpression(text)) return single(text, 0);
    const template = split(text);
    const [alone, ...others] = template.parts.filter(
      (part) => typeof part !== "string" || part.trim() !== "",
    );
    if (template.problems.length > 0 || (typeof alone === "object" && others.length === 0)) {
      return { ...template, parts: alone === undefined ? [] : [alone] };
    }
    const message = "Put the whole condition between ${{ and }}, or leave the braces out.";
    return { parts: [], problems: [{ offset: 0, message }] };
  });
}

/** The only expression of a template that is nothing else; null for any other. */
export function soleExpression(template: Template): Expression | null {
  const [only, ...others] = template.parts;
  return typeof only === "object" && others.length === 0 ? only.expression : null;
}

function cached(key: string, parse: () => Template): Template {
  const known = cache.get(key);
  if (known !== undefined) return known;
  const template = parse();
  if (key.length <= MAX_CACHED_CHARS) {
    if (cache.size >= MAX_CACHED) forgetOldest();
    cache.set(key, template);
  }
  return template;
}

function forgetOldest(): void {
  for (const key of cache.keys()) {
    cache.delete(key);
    return;
  }
}

function single(text: string, offset: number): Template {
  const { expression, problem } = parseExpression(text);
  if (problem) {
    return { parts: [], problems: [{ ...problem, offset: problem.offset + offset }] };
  }
  return { parts: [{ expression, offset }], problems: [] };
}

function split(text: string): Template {
  const parts: (string | Placed)[] = [];
  const problems: ExpressionProblem[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf(OPEN, at);
    if (open < 0) break;
    if (open > at) parts.push(text.slice(at, open));
    const start = open + OPEN.length;
    const close = findClose(text, start);
    if (close < 0) {
      const message =
        "The expression is not closed; end it with }}, and text in it with a single quote.";
      return { parts, problems: [...problems, { offset: open, message }] };
    }
    const inner = single(text.slice(start, close), start);
    parts.push(...inner.parts);
    problems.push(...inner.problems);
    at = close + CLOSE.length;
  }
  if (at < text.length || parts.length === 0) parts.push(text.slice(at));
  return { parts, problems };
}

/** The braces that close an expression are those outside of its quoted texts. */
function findClose(text: string, start: number): number {
  let quoted = false;
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === "'") quoted = !quoted;
    else if (!quoted && text.startsWith(CLOSE, at)) return at;
  }
  return -1;
}
