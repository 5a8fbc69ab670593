/** Plans how the trigram index narrows a search: a formula that every matching file satisfies, or a scan. */
import { RegExpParser, RegExpSyntaxError } from "@eslint-community/regexpp";
import { coverOf, foldText } from "./folded-trigrams.ts";
import { ANY, bounded, expressionOf, type Formula, trigramsOfFormula } from "./formula.ts";
import type { Pattern } from "./query.ts";
import { rewriteForParser } from "./regex-dialect.ts";
import { requirementOf, UnreadableRegex } from "./regex-requirements.ts";

/** What to ask the index for; `none` when nothing can match. */
export type TrigramPlan =
  | {
      readonly kind: "match";
      /** An FTS5 MATCH expression of single quoted trigrams. */
      readonly expression: string;
      /** Each trigram of it once. */
      readonly trigrams: readonly string[];
    }
  | { readonly kind: "scan"; readonly why: string }
  | { readonly kind: "none" };

export interface TrigramFormula {
  readonly formula: Formula;
  /** Why the formula is `any`; empty when it is not. */
  readonly why: string;
}

/** What every text that contains a match of the pattern satisfies, in any case mode. */
export function trigramFormula(pattern: Pattern): TrigramFormula {
  if (pattern.kind === "literal") {
    const formula = bounded(coverOf(foldText(pattern.text)));
    return explained(formula, "the text has no three ASCII characters in a row");
  }
  const { source, obstacle } = rewriteForParser(pattern.source);
  if (source === null) return { formula: ANY, why: obstacle };
  try {
    const tree = new RegExpParser({ ecmaVersion: 2025 }).parsePattern(source, 0, source.length, {
      unicode: true,
    });
    return explained(
      bounded(requirementOf(tree)),
      "the expression requires no three ASCII characters in a row",
    );
  } catch (error) {
    if (error instanceof RegExpSyntaxError || error instanceof UnreadableRegex) {
      return { formula: ANY, why: "the expression cannot be read for trigrams without guessing" };
    }
    throw error;
  }
}

function explained(formula: Formula, why: string): TrigramFormula {
  return { formula, why: formula.kind === "any" ? why : "" };
}

export function planTrigrams(pattern: Pattern): TrigramPlan {
  const { formula, why } = trigramFormula(pattern);
  return toTrigramPlan(formula, why);
}

/** A formula as a request to the index. */
export function toTrigramPlan(formula: Formula, why: string): TrigramPlan {
  if (formula.kind === "any") return { kind: "scan", why };
  if (formula.kind === "none") return { kind: "none" };
  return {
    kind: "match",
    expression: expressionOf(formula),
    trigrams: [...new Set(trigramsOfFormula(formula))],
  };
}
