/** What the demo says when something is other than Node computed it. */
import { isDeepStrictEqual } from "node:util";

export function demand(condition: boolean, problem: string): void {
  if (!condition) throw new Error(problem);
}

export function equal(actual: unknown, expected: unknown, what: string): void {
  const shown = (value: unknown) => JSON.stringify(value)?.slice(0, 300);
  demand(
    isDeepStrictEqual(actual, expected),
    `${what} is ${shown(actual)}, but Node computed ${shown(expected)}`,
  );
}
