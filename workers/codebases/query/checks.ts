/** The tree that a file is verified against: leaves with what they match by. */
import { globToRegex } from "./glob.ts";
import type { QueryProblem } from "./problem.ts";
import {
  type CaseMode,
  type DiffLeaf,
  type FactLeaf,
  type FileLeaf,
  type FileTrait,
  isFact,
  type NameLeaf,
  type Pattern,
  type Query,
  type Span,
  type TextScope,
} from "./query.ts";
import { type CompileOptions, compilePattern, type Matcher } from "./regex.ts";

export type Check =
  | { readonly kind: "and" | "or"; readonly operands: readonly Check[] }
  | { readonly kind: "not"; readonly operand: Check }
  /** A setting, which every file satisfies. */
  | { readonly kind: "always" }
  | {
      readonly kind: "text";
      readonly scope: TextScope;
      readonly matcher: Matcher;
      readonly path: Matcher;
    }
  | { readonly kind: "file"; readonly matcher: Matcher; readonly withSlash: boolean }
  | { readonly kind: "symbol" | "repo"; readonly matcher: Matcher }
  | { readonly kind: "lang"; readonly language: string }
  | { readonly kind: "is"; readonly trait: FileTrait }
  | { readonly kind: "fact"; readonly leaf: FactLeaf | DiffLeaf };

/** Compiles every pattern, in the case mode of its group; problems are added where one is not RE2. */
export function compileChecks(query: Query, mode: CaseMode, problems: QueryProblem[]): Check {
  switch (query.kind) {
    case "and": {
      const setting = query.operands.find((operand) => operand.kind === "case");
      const inner = setting?.mode ?? mode;
      return {
        kind: "and",
        operands: query.operands.map((operand) => compileChecks(operand, inner, problems)),
      };
    }
    case "or":
      return {
        kind: "or",
        operands: query.operands.map((operand) => compileChecks(operand, mode, problems)),
      };
    case "not":
      return { kind: "not", operand: compileChecks(query.operand, mode, problems) };
    case "case":
    case "type":
      return { kind: "always" };
    case "text": {
      const matcher = compile(query.pattern, { mode }, query, problems);
      const path = compile(query.pattern, { mode, multiline: false }, query, problems);
      if (matcher === null || path === null) return { kind: "always" };
      return { kind: "text", scope: query.scope, matcher, path };
    }
    case "file":
      return fileCheck(query, mode, problems);
    case "symbol":
    case "repo":
      return namedCheck(query, mode, problems);
    case "lang":
      return { kind: "lang", language: query.language };
    case "is":
      return { kind: "is", trait: query.trait };
    default:
      return isFact(query) || query.kind === "diff"
        ? { kind: "fact", leaf: query }
        : { kind: "always" };
  }
}

function fileCheck(leaf: FileLeaf, mode: CaseMode, problems: QueryProblem[]): Check {
  const { pattern } = leaf;
  const plain: Pattern =
    pattern.kind === "glob" ? { kind: "regex", source: globToRegex(pattern.glob) } : pattern;
  // The case of a glob is that of its text; its expression has no capitals of its own.
  const matcher = compile(plain, { mode, multiline: false }, leaf, problems);
  if (matcher === null) return { kind: "always" };
  // A text that begins with a slash means the beginning of a folder's name, at the root too.
  const withSlash = pattern.kind === "literal" && pattern.text.startsWith("/");
  return { kind: "file", matcher, withSlash };
}

function namedCheck(leaf: NameLeaf, mode: CaseMode, problems: QueryProblem[]): Check {
  const matcher = compile(leaf.pattern, { mode, multiline: false }, leaf, problems);
  return matcher === null ? { kind: "always" } : { kind: leaf.kind, matcher };
}

function compile(
  pattern: Pattern,
  options: CompileOptions,
  { start, end }: Span,
  problems: QueryProblem[],
): Matcher | null {
  const { matcher, problem } = compilePattern(pattern, options);
  if (problem !== null && !problems.some((known) => known.start === start && known.end === end)) {
    problems.push({ message: problem.message, hint: problem.hint, start, end });
  }
  return matcher;
}
