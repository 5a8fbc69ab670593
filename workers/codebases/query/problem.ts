/** What is wrong with a query, as values: where, and what to do about it. */
import type { Span } from "./query.ts";

export interface QueryProblem extends Span {
  readonly message: string;
  /** How to say what was probably meant. */
  readonly hint: string;
}

/** What is legal and still worth saying, such as that a query reads every file. */
export interface QueryNote extends Span {
  readonly message: string;
}
