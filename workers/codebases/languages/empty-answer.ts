import type { Answer, Problem } from "./parsed-file.ts";

/** Why nothing can be said about a file; its symbols are then empty. */
export function emptyAnswer(index: number, problem: Problem | null): Answer {
  return {
    index,
    problem,
    symbols: [],
    references: [],
    imports: [],
    chunks: [],
    parse: { errors: 0, ms: 0, truncated: false, line_scan: false },
  };
}
