/** Works out which indexes narrow the files that a query has to read. */
import type { Check } from "./checks.ts";
import { allOf, anyOf, bounded, type Formula } from "./formula.ts";
import type { DiffLeaf, FactLeaf, FileTrait } from "./query.ts";
import { wordsOfPattern } from "./structure.ts";
import { toTrigramPlan, trigramFormula } from "./trigrams.ts";

/** What an index answers exactly: a file outside of it does not satisfy the leaf, one inside does. */
export type ExactIndex =
  | { readonly index: "language"; readonly language: string }
  | { readonly index: "trait"; readonly trait: FileTrait }
  | { readonly index: "path" | "repository"; readonly check: Check & { kind: "file" | "repo" } }
  | { readonly index: "fact"; readonly leaf: FactLeaf | DiffLeaf };

/** A superset of the files that match: `exact` and its complement from tables, `match` from FTS5. */
export type Candidates =
  | { readonly kind: "all" }
  | { readonly kind: "none" }
  | { readonly kind: "exact"; readonly source: ExactIndex; readonly negated: boolean }
  /** Files whose path may match a text; paths are few enough to test each. */
  | { readonly kind: "path_text"; readonly check: Check & { kind: "text" } }
  | {
      readonly kind: "match";
      /** Trigrams of contents, or of the names of symbols. */
      readonly index: "content" | "symbol";
      readonly formula: Formula;
      readonly expression: string;
      readonly trigrams: readonly string[];
    }
  | { readonly kind: "and" | "or"; readonly operands: readonly Candidates[] };

const ALL: Candidates = { kind: "all" };
const NO_FILE: Candidates = { kind: "none" };

export function candidatesOf(check: Check, negated = false): Candidates {
  switch (check.kind) {
    case "and":
    case "or": {
      const operands = check.operands.map((operand) => candidatesOf(operand, negated));
      return (check.kind === "and") !== negated ? intersection(operands) : union(operands);
    }
    case "not":
      return candidatesOf(check.operand, !negated);
    case "always":
      return negated ? NO_FILE : ALL;
    case "text": {
      // That a file has a trigram does not say that it has the text, so the index cannot tell who lacks it.
      if (negated) return ALL;
      const content = matching("content", trigramFormula(check.matcher.pattern).formula);
      return check.scope === "content" ? content : union([content, { kind: "path_text", check }]);
    }
    case "symbol":
      return negated ? ALL : matching("symbol", trigramFormula(check.matcher.pattern).formula);
    case "file":
      return {
        kind: "exact",
        source: { index: "path", check: { ...check, kind: "file" } },
        negated,
      };
    case "repo":
      return {
        kind: "exact",
        source: { index: "repository", check: { ...check, kind: "repo" } },
        negated,
      };
    case "lang":
      return { kind: "exact", source: { index: "language", language: check.language }, negated };
    case "is":
      return { kind: "exact", source: { index: "trait", trait: check.trait }, negated };
    case "fact":
      if (check.leaf.kind === "ast") return negated ? ALL : holdingWords(check.leaf.value);
      return { kind: "exact", source: { index: "fact", leaf: check.leaf }, negated };
  }
}

/** Files with the words that code of a pattern has. */
function holdingWords(pattern: string): Candidates {
  const words = [...new Set(wordsOfPattern(pattern))];
  return intersection(
    words.map((text) => matching("content", trigramFormula({ kind: "literal", text }).formula)),
  );
}

function matching(index: "content" | "symbol", formula: Formula): Candidates {
  const plan = toTrigramPlan(bounded(formula), "");
  if (plan.kind === "scan") return ALL;
  if (plan.kind === "none") return NO_FILE;
  return { kind: "match", index, formula, expression: plan.expression, trigrams: plan.trigrams };
}

function intersection(operands: readonly Candidates[]): Candidates {
  return junction("and", operands, "all", "none");
}

function union(operands: readonly Candidates[]): Candidates {
  return junction("or", operands, "none", "all");
}

function junction(
  kind: "and" | "or",
  operands: readonly Candidates[],
  neutral: "all" | "none",
  absorbing: "all" | "none",
): Candidates {
  const flat = operands.flatMap((operand) =>
    operand.kind === kind ? operand.operands : [operand],
  );
  if (flat.some((operand) => operand.kind === absorbing)) return { kind: absorbing };
  const merged = [
    ...mergedMatches(kind, "content", flat),
    ...mergedMatches(kind, "symbol", flat),
    ...flat.filter((operand) => operand.kind !== neutral && operand.kind !== "match"),
  ];
  const [first, ...rest] = merged;
  if (first === undefined) return { kind: neutral };
  return rest.length === 0 ? first : { kind, operands: merged };
}

/** Questions to one index become one expression. */
function mergedMatches(
  kind: "and" | "or",
  index: "content" | "symbol",
  operands: readonly Candidates[],
): Candidates[] {
  const formulas = operands.flatMap((operand) =>
    operand.kind === "match" && operand.index === index ? [operand.formula] : [],
  );
  if (formulas.length === 0) return [];
  // Two symbols may be two names, so an AND of names is not an AND of trigrams of one row.
  if (kind === "and" && index === "symbol")
    return formulas.map((formula) => matching(index, formula));
  const merged = matching(index, kind === "and" ? allOf(formulas) : anyOf(formulas));
  // Too many alternatives for one expression stay several.
  return merged.kind === "match" ? [merged] : formulas.map((formula) => matching(index, formula));
}
