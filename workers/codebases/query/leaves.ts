/** Turns words and fields into leaves of the tree, and says what is wrong with their values. */
import { RE2JS } from "re2js";
import { nearestName } from "../../http/suggest.ts";
import { languageName, TRAIT_ALIASES, TYPE_ALIASES } from "./fields.ts";
import type { Token } from "./lexer.ts";
import type { QueryProblem } from "./problem.ts";
import {
  CASE_MODES,
  FILE_TRAITS,
  type Leaf,
  type PathPattern,
  type Pattern,
  type Query,
  RESULT_TYPES,
  type Span,
  type Syntax,
} from "./query.ts";
import { checkRegex, MAX_PATTERN_CHARS } from "./regex.ts";
import { scanRegex } from "./regex-scan.ts";
import type { Value } from "./value-reader.ts";

type Operand = Token & { kind: "word" | "field" };

const META_CHARACTER = /^[.^$*+?()|]$/;

export class LeafReader {
  readonly #syntax: Syntax;
  readonly #problems: QueryProblem[];

  constructor(syntax: Syntax, problems: QueryProblem[]) {
    this.#syntax = syntax;
    this.#problems = problems;
  }

  /** The leaf of a token, or its negation for `archived:no`; null when the value is faulty, which is then reported. */
  read(token: Operand): Query | null {
    const span = { start: token.start, end: token.end };
    const { value } = token;
    if (value.text === "") {
      return this.#fail(
        span,
        "There is nothing between the delimiters.",
        "Write what to find, or remove them.",
      );
    }
    if (token.kind === "word") return this.#text(value, "either", span);
    const { kind, trait } = token.field;
    switch (kind) {
      case "content":
        return this.#text(value, "content", span);
      case "regex":
        return this.#text(value, "either", span);
      case "file":
        return this.#file(value, span);
      case "symbol":
      case "repo":
        return this.#named(kind, value, span);
      case "owner":
        return {
          kind: "repo",
          pattern: { kind: "regex", source: `^${RE2JS.quote(value.text)}/` },
          ...span,
        };
      case "lang":
        return { kind: "lang", language: languageName(value.text), ...span };
      case "type": {
        const type = this.#choice(value, RESULT_TYPES, TYPE_ALIASES, token.name);
        return type === null ? null : { kind: "type", type, ...span };
      }
      case "is": {
        const chosen = this.#choice(value, FILE_TRAITS, TRAIT_ALIASES, token.name);
        return chosen === null ? null : { kind: "is", trait: chosen, ...span };
      }
      case "case": {
        const mode = this.#choice(value, CASE_MODES, {}, token.name);
        return mode === null ? null : { kind: "case", mode, ...span };
      }
      case "flag": {
        const answer = this.#choice(value, ["yes", "no"], { true: "yes", false: "no" }, token.name);
        if (answer === null || trait === undefined) return null;
        const leaf: Leaf = { kind: "is", trait, ...span };
        return answer === "yes" ? leaf : { kind: "not", operand: leaf, ...span };
      }
      case "diff":
        return this.#diff(value, span);
      default:
        return { kind, value: value.text, ...span };
    }
  }

  #text(value: Value, scope: "content" | "either", span: Span): Leaf | null {
    const pattern = this.#pattern(value);
    return pattern === null ? null : { kind: "text", scope, pattern, ...span };
  }

  #named(kind: "symbol" | "repo", value: Value, span: Span): Leaf | null {
    const pattern = this.#pattern(value);
    return pattern === null ? null : { kind, pattern, ...span };
  }

  #file(value: Value, span: Span): Leaf | null {
    const isGlob = this.#syntax === "github" && value.form === "bare" && /[*?]/.test(value.text);
    const pattern: PathPattern | null = isGlob
      ? { kind: "glob", glob: value.text }
      : this.#pattern(value);
    if (isGlob && value.text.length > MAX_PATTERN_CHARS) {
      return this.#fail(span, `A glob has at most ${MAX_PATTERN_CHARS} characters.`, "Shorten it.");
    }
    return pattern === null ? null : { kind: "file", pattern, ...span };
  }

  #pattern(value: Value): Pattern | null {
    if (this.#syntax === "github" && value.form !== "regex") {
      if (value.text.length <= MAX_PATTERN_CHARS) return { kind: "literal", text: value.text };
      const message = `A term has at most ${MAX_PATTERN_CHARS} characters; this one has ${value.text.length}.`;
      return this.#fail(value, message, "Shorten it, or split it into terms that must all match.");
    }
    const problem = checkRegex(value.text);
    if (problem !== null) {
      const start = value.offsets[problem.start] ?? value.start;
      const end = value.offsets[problem.end] ?? value.end;
      return this.#fail({ start, end }, problem.message, problem.hint);
    }
    const source = value.text.replaceAll(/\\([\s\S])/g, (pair, next) =>
      next === "/" ? "/" : pair,
    );
    return this.#syntax === "zoekt" ? plainOrRegex(source) : { kind: "regex", source };
  }

  #diff(value: Value, span: Span): Leaf | null {
    const parts = value.text.split(/\.{2,3}/);
    const [first = "", second] = parts;
    if (parts.length > 2 || first === "" || second === "") {
      return this.#fail(
        value,
        "The range of revisions has a fault.",
        "Write diff:main..feature, or diff:feature for one revision.",
      );
    }
    if (second === undefined) return { kind: "diff", base: null, head: first, ...span };
    return { kind: "diff", base: first, head: second, ...span };
  }

  #choice<Name extends string>(
    value: Value,
    names: readonly Name[],
    aliases: Readonly<Record<string, string>>,
    field: string,
  ): Name | null {
    const wanted = value.text.toLowerCase();
    const known = Object.hasOwn(aliases, wanted) ? aliases[wanted] : wanted;
    const found = names.find((name) => name === known);
    if (found !== undefined) return found;
    const meant = nearestName(wanted, names);
    const remedy = meant === null ? "" : `Did you mean ${field}:${meant}? `;
    return this.#fail(
      value,
      `${field}: has no value ${JSON.stringify(value.text)}.`,
      `${remedy}Use one of ${names.join(", ")}.`,
    );
  }

  #fail({ start, end }: Span, message: string, hint: string): null {
    this.#problems.push({ message, hint, start, end });
    return null;
  }
}

/** An expression that says one text is that text, which is found faster. */
function plainOrRegex(source: string): Pattern {
  let text = "";
  for (const piece of scanRegex(source)) {
    if (piece.kind === "quoted") text += piece.literal;
    else if (piece.kind === "character" && !META_CHARACTER.test(piece.text)) text += piece.text;
    else if (piece.kind === "escape" && /^\\[!-/:-@[-`{-~ ]$/.test(piece.text))
      text += piece.text.slice(1);
    else return { kind: "regex", source };
  }
  return text === "" ? { kind: "regex", source } : { kind: "literal", text };
}
