/**
 * Regular expressions of queries, by RE2: a query can be a user's, and a pattern on V8 can take
 * longer than anyone waits. Tree-sitter's own predicates are renamed, so that it hands them over.
 */
import { RE2JS } from "re2js";
import type { Query, QueryMatch } from "web-tree-sitter";

const MATCH = /#(not-)?(any-)?(not-)?match\?/g;
const OURS = "re2?";

/** A query's text with its `#match?` predicates under names that tree-sitter leaves to its caller. */
export function handOver(query: string): string {
  return query.replaceAll(MATCH, `#$1$2$3${OURS}`);
}

interface Predicate {
  readonly capture: string;
  readonly pattern: RE2JS;
  readonly isNegated: boolean;
  readonly isAny: boolean;
}

/** The predicates of each pattern. Throws when one is not a regular expression of RE2. */
export function readPredicates(query: Query): Predicate[][] {
  return Array.from({ length: query.patternCount() }, (_, index) =>
    query.predicatesForPattern(index).flatMap(({ operator, operands }) => {
      if (!operator.endsWith(OURS)) return [];
      const [capture, pattern] = operands;
      if (capture?.type !== "capture" || pattern?.type !== "string") {
        throw new Error(`#${operator.replace(OURS, "match?")} takes a capture and a string`);
      }
      return [
        {
          capture: capture.name,
          pattern: RE2JS.compile(pattern.value),
          isNegated: operator.includes("not-"),
          isAny: operator.includes("any-"),
        },
      ];
    }),
  );
}

const MAX_SUBJECT_CHARS = 1_000;

/** True when the match satisfies every predicate of its pattern. */
export function satisfies(
  match: QueryMatch,
  predicates: readonly (readonly Predicate[])[],
  text: string,
): boolean {
  return (predicates[match.patternIndex] ?? []).every(({ capture, pattern, isNegated, isAny }) => {
    const subjects = match.captures
      .filter(({ name }) => name === capture)
      .map(({ node }) => node)
      .map(({ startIndex, endIndex }) =>
        text.slice(startIndex, Math.min(endIndex, startIndex + MAX_SUBJECT_CHARS)),
      );
    const holds = (subject: string) => pattern.matcher(subject).find() !== isNegated;
    return isAny ? subjects.some(holds) : subjects.every(holds);
  });
}
