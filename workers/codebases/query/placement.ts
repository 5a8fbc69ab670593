/** Checks where settings stand: `case:` and `type:` are about a group or the query, not alternatives. */
import type { QueryProblem } from "./problem.ts";
import type { CaseLeaf, Query, TypeLeaf } from "./query.ts";

export function checkPlacement(query: Query): QueryProblem[] {
  const problems: QueryProblem[] = [];
  const types: TypeLeaf[] = [];
  visit(query, { isAlternative: false, isInner: false }, problems, types);
  for (const leaf of types.slice(1)) {
    if (leaf.type !== types[0]?.type) {
      problems.push(problemAt(leaf, "A query has one type: of results.", "Keep one of them."));
    }
  }
  return problems;
}

interface Place {
  /** Directly under a negation or an OR. */
  readonly isAlternative: boolean;
  /** Somewhere under a negation or an OR. */
  readonly isInner: boolean;
}

function visit(query: Query, place: Place, problems: QueryProblem[], types: TypeLeaf[]): void {
  switch (query.kind) {
    case "and": {
      checkCases(query.operands, problems);
      for (const operand of query.operands) {
        visit(operand, { ...place, isAlternative: false }, problems, types);
      }
      return;
    }
    case "or":
      for (const operand of query.operands) {
        visit(operand, { isAlternative: true, isInner: true }, problems, types);
      }
      return;
    case "not":
      visit(query.operand, { isAlternative: true, isInner: true }, problems, types);
      return;
    case "case":
      if (place.isAlternative) {
        const hint =
          "Write it beside the terms it is about, in brackets if need be: (case:yes Foo).";
        problems.push(
          problemAt(
            query,
            "case: is about a group of terms, and is no term to negate or choose.",
            hint,
          ),
        );
      }
      return;
    case "type":
      types.push(query);
      if (place.isInner) {
        const hint = "Write it once, outside of OR and negations.";
        problems.push(problemAt(query, "type: is about the whole query.", hint));
      }
  }
}

function checkCases(operands: readonly Query[], problems: QueryProblem[]): void {
  const leaves = operands.filter((operand): operand is CaseLeaf => operand.kind === "case");
  for (const leaf of leaves.slice(1)) {
    if (leaf.mode !== leaves[0]?.mode) {
      problems.push(problemAt(leaf, "A group has one case: setting.", "Keep one of them."));
    }
  }
}

function problemAt({ start, end }: Query, message: string, hint: string): QueryProblem {
  return { message, hint, start, end };
}
