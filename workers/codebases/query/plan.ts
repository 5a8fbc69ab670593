/** Plans a query: what the indexes narrow, what is verified file by file, and what has to be scanned. */
import { type Candidates, candidatesOf } from "./candidates.ts";
import { type Check, compileChecks } from "./checks.ts";
import { printQuery } from "./print.ts";
import type { QueryProblem } from "./problem.ts";
import {
  type CaseMode,
  type DiffLeaf,
  type FactLeaf,
  isFact,
  type Leaf,
  leavesOf,
  type Query,
  type ResultType,
  type Syntax,
} from "./query.ts";
import { wordsOfPattern } from "./structure.ts";
import { planTrigrams } from "./trigrams.ts";

export interface PlanOptions {
  /** Decides the default of `case:`, which is `no` in GitHub's syntax and `auto` in Zoekt's. */
  readonly syntax: Syntax;
}

export interface QueryPlan {
  readonly query: Query;
  readonly resultType: ResultType;
  /** What every file in the answer satisfies. */
  readonly check: Check;
  /** A superset of the files in the answer. */
  readonly candidates: Candidates;
  /** What others must answer before files are verified. */
  readonly facts: readonly (FactLeaf | DiffLeaf)[];
  readonly leaves: readonly LeafPlan[];
}

/** How one leaf takes part; this is what receipts show. */
export interface LeafPlan {
  readonly leaf: string;
  readonly start: number;
  readonly end: number;
  readonly negated: boolean;
  readonly narrows_by:
    | "content"
    | "symbols"
    | "paths"
    | "languages"
    | "traits"
    | "repositories"
    | "facts"
    | null;
  readonly verified: boolean;
  readonly trigrams: readonly string[];
  /** Why it narrows nothing; null when it does, or when it is a setting. */
  readonly scan: string | null;
}

export type PlannedQuery =
  | { readonly plan: QueryPlan; readonly problems: null }
  | { readonly plan: null; readonly problems: readonly QueryProblem[] };

const DEFAULT_CASE: Readonly<Record<Syntax, CaseMode>> = { github: "no", zoekt: "auto" };

export function planQuery(query: Query, options: PlanOptions): PlannedQuery {
  const problems: QueryProblem[] = [];
  const own = query.kind === "case" ? query.mode : DEFAULT_CASE[options.syntax];
  const check = compileChecks(query, own, problems);
  if (problems.length > 0) return { plan: null, problems };
  const all = [...leavesOf(query)];
  const type = all.map(({ leaf }) => leaf).find((leaf) => leaf.kind === "type");
  const plan: QueryPlan = {
    query,
    resultType: type?.type ?? "file",
    check,
    candidates: candidatesOf(check),
    facts: all.flatMap(({ leaf }) => (isFact(leaf) || leaf.kind === "diff" ? [leaf] : [])),
    leaves: all.map(({ leaf, negated }) => leafPlan(leaf, negated)),
  };
  return { plan, problems: null };
}

const NARROWS_BY = {
  text: "content",
  symbol: "symbols",
  file: "paths",
  lang: "languages",
  is: "traits",
  repo: "repositories",
} as const;

function leafPlan(leaf: Leaf, negated: boolean): LeafPlan {
  const base = { leaf: printQuery(leaf), start: leaf.start, end: leaf.end, negated };
  switch (leaf.kind) {
    case "case":
    case "type":
      return { ...base, narrows_by: null, verified: false, trigrams: [], scan: null };
    case "text":
    case "symbol": {
      const plan = planTrigrams(leaf.pattern);
      const why = plan.kind === "scan" ? plan.why : null;
      const scan = negated ? "a negated text is looked for in every candidate" : why;
      return {
        ...base,
        narrows_by: scan === null ? NARROWS_BY[leaf.kind] : null,
        verified: true,
        trigrams: plan.kind === "match" && !negated ? plan.trigrams : [],
        scan,
      };
    }
    case "file":
    case "lang":
    case "is":
    case "repo":
      return {
        ...base,
        narrows_by: NARROWS_BY[leaf.kind],
        verified: true,
        trigrams: [],
        scan: null,
      };
    case "ast": {
      const words = wordsOfPattern(leaf.value);
      const plans = words.map((text) => planTrigrams({ kind: "literal", text }));
      const trigrams = plans.flatMap((plan) => (plan.kind === "match" ? plan.trigrams : []));
      const why = negated
        ? "a negated pattern is looked for in every candidate"
        : "the pattern requires no word of three characters";
      const isNarrow = trigrams.length > 0 && !negated;
      return {
        ...base,
        narrows_by: isNarrow ? "content" : null,
        verified: true,
        trigrams: isNarrow ? [...new Set(trigrams)] : [],
        scan: isNarrow ? null : why,
      };
    }
    default:
      return { ...base, narrows_by: "facts", verified: true, trigrams: [], scan: null };
  }
}

/** A plan as plain JSON. */
export interface Explanation {
  readonly query: string;
  readonly result_type: ResultType;
  /** Every file is a candidate. */
  readonly scan: boolean;
  readonly candidates: CandidateExplanation;
  readonly leaves: readonly LeafPlan[];
}

export type CandidateExplanation =
  | { readonly all: true }
  | { readonly none: true }
  | { readonly index: string; readonly of: string; readonly negated?: true }
  | { readonly and: readonly CandidateExplanation[] }
  | { readonly or: readonly CandidateExplanation[] };

export function explain(plan: QueryPlan): Explanation {
  return {
    query: printQuery(plan.query),
    result_type: plan.resultType,
    scan: plan.candidates.kind === "all",
    candidates: explainCandidates(plan.candidates),
    leaves: plan.leaves,
  };
}

function explainCandidates(candidates: Candidates): CandidateExplanation {
  switch (candidates.kind) {
    case "all":
      return { all: true };
    case "none":
      return { none: true };
    case "and":
      return { and: candidates.operands.map(explainCandidates) };
    case "or":
      return { or: candidates.operands.map(explainCandidates) };
    case "match":
      return { index: candidates.index, of: candidates.expression };
    case "path_text":
      return { index: "path", of: patternText(candidates.check) };
    case "exact": {
      const { source, negated } = candidates;
      return { index: source.index, of: exactText(candidates), ...(negated && { negated: true }) };
    }
  }
}

function exactText({ source }: Candidates & { kind: "exact" }): string {
  switch (source.index) {
    case "language":
      return source.language;
    case "trait":
      return source.trait;
    case "fact":
      return printQuery(source.leaf);
    default:
      return patternText(source.check);
  }
}

function patternText({ matcher }: Check & { kind: "text" | "file" | "repo" }): string {
  const { pattern } = matcher;
  return pattern.kind === "literal" ? pattern.text : `/${pattern.source}/`;
}
