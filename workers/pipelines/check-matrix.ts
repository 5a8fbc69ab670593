/** What can be said of a matrix before its expressions are resolved. */
import type { Issue } from "../http/errors.ts";
import { formatPath } from "../http/issues.ts";
import type { Json } from "../http/json.ts";
import { hasExpression } from "../runs/expressions-template.ts";
import type { StepDefinition } from "./definition-schema.ts";
import { expandMatrix } from "./matrix.ts";

type Matrix = NonNullable<StepDefinition["strategy"]>["matrix"];

export interface MatrixCheck {
  readonly issues: readonly Issue[];
  /** Items that it certainly has; 0 when expressions decide. */
  readonly items: number;
}

const PATH = ["strategy", "matrix"];

export function checkMatrix(matrix: Matrix): MatrixCheck {
  if (typeof matrix === "string") {
    if (hasExpression(matrix)) return { issues: [], items: 0 };
    return refuse([], "Give an object of axes, or an expression that comes to one.");
  }
  const issues: Issue[] = [];
  for (const [name, value] of Object.entries<Json>(matrix)) {
    const problem = axisProblem(value);
    if (problem !== null) issues.push({ path: formatPath([...PATH, name]), message: problem });
  }
  if (Object.keys(matrix).length === 0) return refuse([], "Give the matrix at least one axis.");
  if (issues.length > 0 || Object.values<Json>(matrix).some(isExpression)) {
    return { issues, items: 0 };
  }
  const { items, problem } = expandMatrix(matrix);
  if (problem !== null) {
    return refuse(problem.member === "" ? [] : [problem.member], problem.message);
  }
  if (items.length > 0) return { issues: [], items: items.length };
  return refuse(["exclude"], "It leaves no item over; exclude less.");
}

/** Names that items of a matrix may have; null when expressions decide. */
export function matrixNames(matrix: Matrix): readonly string[] | null {
  if (typeof matrix === "string") return null;
  const { include = [], exclude: _, ...axes } = matrix;
  if (!Array.isArray(include)) return null;
  const included: readonly Json[] = include;
  if (included.some(isExpression)) return null;
  return [...Object.keys(axes), ...included.flatMap((entry) => Object.keys(entry ?? {}))];
}

function axisProblem(value: Json): string | null {
  if (isExpression(value)) return null;
  if (!Array.isArray(value)) return "Give an array of values, or an expression that comes to one.";
  return value.length === 0 ? "Give at least one value." : null;
}

function isExpression(value: Json | undefined): boolean {
  return typeof value === "string" && hasExpression(value);
}

function refuse(path: readonly string[], message: string): MatrixCheck {
  return { issues: [{ path: formatPath([...PATH, ...path]), message }], items: 0 };
}
