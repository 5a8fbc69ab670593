/** The error of a query that cannot be searched. */
import { ApiError } from "../http/errors.ts";
import type { QueryProblem } from "./query/problem.ts";

/** Names every problem; `problems` says where in the query each is. */
export function invalidQuery(problems: readonly QueryProblem[]): ApiError {
  const message = "The query cannot be searched; correct what is listed.";
  return new ApiError("validation_failed", message, {
    issues: problems.map(({ message, hint }) => ({ path: "q", message: `${message} ${hint}` })),
    members: { problems },
  });
}
