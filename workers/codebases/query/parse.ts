/** Reads the text of a query into its tree, or into everything that is wrong with it. */
import { LeafReader } from "./leaves.ts";
import { type Token, tokenize } from "./lexer.ts";
import { checkPlacement } from "./placement.ts";
import type { QueryNote, QueryProblem } from "./problem.ts";
import { leavesOf, type Query, type Syntax } from "./query.ts";

export const MAX_QUERY_CHARS = 4_096;
export const MAX_QUERY_DEPTH = 40;
export const MAX_QUERY_LEAVES = 100;

export type ParsedQuery =
  | { readonly query: Query; readonly problems: null; readonly notes: readonly QueryNote[] }
  /** By position; never empty. */
  | {
      readonly query: null;
      readonly problems: readonly QueryProblem[];
      readonly notes: readonly [];
    };

/** Parses a query; `github` reads bare words as text, `zoekt` as RE2 expressions. Never throws. */
export function parseQuery(text: string, syntax: Syntax = "github"): ParsedQuery {
  if (text.length > MAX_QUERY_CHARS) {
    return refused([
      {
        message: `A query has at most ${MAX_QUERY_CHARS} characters; this one has ${text.length}.`,
        hint: "Split it into several queries.",
        start: MAX_QUERY_CHARS,
        end: text.length,
      },
    ]);
  }
  const problems: QueryProblem[] = [];
  const tokens = tokenize(text, syntax, problems);
  if (tokens.length === 0) {
    return refused([
      {
        message: "The query is empty.",
        hint: "Write what to find, such as parseQuery, path:src/*.ts or symbol:main.",
        start: 0,
        end: text.length,
      },
    ]);
  }
  const query = new Parser(tokens, syntax, problems, text.length).parse();
  if (query !== null) problems.push(...checkPlacement(query));
  if (query === null || problems.length > 0) return refused(problems);
  return { query, problems: null, notes: notesOn(query) };
}

function refused(problems: readonly QueryProblem[]): ParsedQuery {
  const byPosition = problems.toSorted((left, right) => left.start - right.start);
  return { query: null, problems: byPosition, notes: [] };
}

/** Whether the query asks for something to be there; without that every file is a candidate. */
export function restricts(query: Query): boolean {
  if (query.kind === "and") return query.operands.some(restricts);
  if (query.kind === "or") return query.operands.every(restricts);
  return query.kind !== "not" && query.kind !== "case" && query.kind !== "type";
}

function notesOn(query: Query): QueryNote[] {
  if (restricts(query)) return [];
  const negative = [...leavesOf(query)].some(({ negated }) => negated);
  const message = negative
    ? "The query only says what must not be there, so every file is read; add a term that must match to make it fast."
    : "The query names nothing to find, so every file matches.";
  return [{ message, start: query.start, end: query.end }];
}

class TooDeep extends Error {}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #problems: QueryProblem[];
  readonly #leafReader: LeafReader;
  readonly #length: number;
  #next = 0;
  #leafCount = 0;

  constructor(tokens: readonly Token[], syntax: Syntax, problems: QueryProblem[], length: number) {
    this.#tokens = tokens;
    this.#problems = problems;
    this.#length = length;
    this.#leafReader = new LeafReader(syntax, problems);
  }

  /** Null when no part of the query can be read. */
  parse(): Query | null {
    const parts: Query[] = [];
    try {
      while (this.#peek() !== undefined) {
        const part = this.#alternatives(0);
        if (part !== null) parts.push(part);
        const stray = this.#take();
        if (stray === undefined) break;
        this.#report(stray, "The ) closes nothing.", "Remove it, or quote it to find it as text.");
      }
    } catch (error) {
      if (!(error instanceof TooDeep)) throw error;
      return null;
    }
    return junction("and", parts);
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  #take(): Token | undefined {
    const token = this.#peek();
    this.#next += 1;
    return token;
  }

  #alternatives(depth: number): Query | null {
    const operands: Query[] = [];
    let operator: Token | undefined;
    for (;;) {
      const before = this.#next;
      const operand = this.#conjunction(depth);
      if (operand !== null) operands.push(operand);
      const empty = this.#next === before;
      const following = this.#peek();
      const another = following?.kind === "or";
      if (empty && (operator !== undefined || another)) this.#missing(operator ?? following);
      if (!another) return junction("or", operands);
      operator = this.#take();
    }
  }

  #conjunction(depth: number): Query | null {
    const operands: Query[] = [];
    for (;;) {
      const token = this.#peek();
      if (token === undefined || token.kind === "close" || token.kind === "or") break;
      if (token.kind === "and") {
        this.#take();
        const previous = this.#tokens[this.#next - 2]?.kind;
        const following = this.#peek()?.kind;
        const noLeft =
          previous === undefined || previous === "open" || previous === "or" || previous === "and";
        const noRight = following === undefined || following === "close" || following === "or";
        if (noLeft || noRight) this.#missing(token);
        continue;
      }
      const operand = this.#negatable(depth);
      if (operand !== null) operands.push(operand);
    }
    return junction("and", operands);
  }

  #negatable(depth: number): Query | null {
    const token = this.#peek();
    this.#limitDepth(depth, token);
    if (token?.kind !== "not") return this.#primary(depth);
    this.#take();
    const following = this.#peek()?.kind;
    if (
      following === undefined ||
      following === "close" ||
      following === "or" ||
      following === "and"
    ) {
      this.#missing(token);
      return null;
    }
    const operand = this.#negatable(depth + 1);
    return operand === null ? null : { kind: "not", operand, start: token.start, end: operand.end };
  }

  #primary(depth: number): Query | null {
    const token = this.#take();
    if (token?.kind === "open") return this.#group(token, depth);
    if (token?.kind !== "word" && token?.kind !== "field") return null;
    this.#leafCount += 1;
    if (this.#leafCount === MAX_QUERY_LEAVES + 1) {
      this.#report(
        token,
        `A query has at most ${MAX_QUERY_LEAVES} terms.`,
        "Split it, or use one regular expression for many words.",
      );
    }
    return this.#leafReader.read(token);
  }

  #group(open: Token, depth: number): Query | null {
    const first = this.#next;
    const query = this.#alternatives(depth + 1);
    const close = this.#take();
    if (close?.kind !== "close") {
      this.#report(
        open,
        "The ( is not closed.",
        "Add a ), or quote the text to find the bracket itself.",
      );
    } else if (this.#next === first + 1) {
      this.#report(
        { start: open.start, end: close.end },
        "The brackets are empty.",
        "Write a query into them, or remove them.",
      );
    }
    return query === null ? null : { ...query, start: open.start, end: close?.end ?? this.#length };
  }

  #limitDepth(depth: number, token: Token | undefined): void {
    if (depth <= MAX_QUERY_DEPTH) return;
    const at = token ?? { start: this.#length, end: this.#length };
    this.#report(
      at,
      `The query nests deeper than ${MAX_QUERY_DEPTH} levels.`,
      "Remove brackets that change nothing.",
    );
    throw new TooDeep();
  }

  #missing(operator: Token | undefined): void {
    if (operator === undefined) return;
    const name = operator.kind.toUpperCase();
    this.#report(
      operator,
      `${name} has nothing to work on.`,
      `Write a term beside it, or quote the word to find it as text.`,
    );
  }

  #report({ start, end }: { start: number; end: number }, message: string, hint: string): void {
    this.#problems.push({ message, hint, start, end });
  }
}

function junction(kind: "and" | "or", operands: readonly Query[]): Query | null {
  const [first, ...rest] = operands;
  const last = rest.at(-1);
  if (first === undefined) return null;
  if (last === undefined) return first;
  return { kind, operands, start: first.start, end: last.end };
}
