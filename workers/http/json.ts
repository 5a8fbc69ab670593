/** JSON text as it arrives from outside: bounds that the language's parser does not keep. */
import type { Issue } from "./errors.ts";
import { capped, formatPath } from "./issues.ts";

/** Any JSON value. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** Deeper documents would exhaust the stack of code that walks them recursively. */
export const MAX_JSON_DEPTH = 100;

/**
 * Finds what parses as JSON but cannot be stored and returned unchanged: nesting past
 * `MAX_JSON_DEPTH`, numbers that overflow, half surrogate pairs, and the key `__proto__`.
 */
export function findUnsafeJson(root: unknown): readonly Issue[] {
  const issues: Issue[] = [];
  visit(root, [], issues);
  return capped(issues);
}

function visit(value: unknown, path: PropertyKey[], issues: Issue[]): void {
  if (typeof value === "string") {
    if (!value.isWellFormed()) report(issues, path, "The text holds half of a surrogate pair.");
    return;
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) report(issues, path, "The number is out of range.");
    return;
  }
  if (typeof value !== "object" || value === null) return;
  if (path.length >= MAX_JSON_DEPTH) {
    report(issues, path.slice(0, 8), `The document nests deeper than ${MAX_JSON_DEPTH} levels.`);
    return;
  }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      path.push(index);
      visit(value[index], path, issues);
      path.pop();
    }
    return;
  }
  for (const [key, inner] of Object.entries(value)) {
    path.push(key);
    if (key === "__proto__") report(issues, path, "This name is reserved; choose another.");
    else if (!key.isWellFormed()) report(issues, path, "The name holds half of a surrogate pair.");
    else visit(inner, path, issues);
    path.pop();
  }
}

function report(issues: Issue[], path: readonly PropertyKey[], message: string): void {
  issues.push({ path: formatPath(path), message });
}

/** Writes JSON with sorted keys and no spaces, so that equal documents are equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}
