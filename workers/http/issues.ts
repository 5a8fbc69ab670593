/** Turns what zod found into the issues of a problem response: every one, each with its path. */
import type { z } from "zod";
import type { Issue } from "./errors.ts";
import { isMismatch, REQUIRED, UNKNOWN_FIELD } from "./wording.ts";

export const MAX_REPORTED_ISSUES = 100;
const MAX_SEGMENT_CHARACTERS = 100;
const PLAIN_NAME = /^[\w$-]+$/;

/** `["tasks", 2, "files", "a.txt"]` is `tasks[2].files["a.txt"]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const segment of path) {
    if (typeof segment === "number") {
      text += `[${segment}]`;
      continue;
    }
    const name = String(segment).slice(0, MAX_SEGMENT_CHARACTERS);
    if (!PLAIN_NAME.test(name)) text += `[${JSON.stringify(name)}]`;
    else text += text === "" ? name : `.${name}`;
  }
  return text;
}

/**
 * Flattens a zod error; a union contributes the branch that came closest to a match.
 * `prefixes` renames the first segment of a path, or drops it when the new name is empty.
 */
export function toIssues(
  error: z.core.$ZodError,
  prefixes: Readonly<Record<string, string>> = {},
): readonly Issue[] {
  const issues: Issue[] = [];
  for (const issue of telling(error.issues)) {
    const [first, ...rest] = issue.path;
    const prefix = typeof first === "string" ? prefixes[first] : undefined;
    const path = prefix === undefined ? issue.path : prefix === "" ? rest : [prefix, ...rest];
    if (prefix === "" && rest.length === 0 && issue.code === "invalid_type") {
      issues.push({ path: "", message: wrongBody(issue) });
    } else {
      collect({ ...issue, path }, [], issues);
    }
  }
  return capped(issues);
}

function wrongBody(issue: z.core.$ZodIssueInvalidType): string {
  if (issue.expected !== "object" && issue.expected !== "record") return issue.message;
  return issue.message === REQUIRED
    ? "A body is required: send a JSON object."
    : "Send a JSON object.";
}

/**
 * Without what is said twice. A value of another type is held against the bounds all the same where it
 * has a length, and a whole number past what can be counted is past its schema's own bound too, which
 * says more.
 */
function telling(issues: readonly z.core.$ZodIssue[]): readonly z.core.$ZodIssue[] {
  const mistyped = issues.filter(({ code }) => code === "invalid_type");
  return issues.filter((issue, index) => {
    const isBound = issue.code === "too_big" || issue.code === "too_small";
    if (!isBound) return true;
    const next = issues[index + 1];
    if (next?.code === issue.code && samePath(issue.path, next.path)) return false;
    return !mistyped.some(({ path }) => samePath(path, issue.path));
  });
}

function samePath(left: readonly PropertyKey[], right: readonly PropertyKey[]): boolean {
  return left.length === right.length && left.every((part, index) => part === right[index]);
}

/** Bounds a list of issues, saying how many were left out. */
export function capped(issues: readonly Issue[]): readonly Issue[] {
  if (issues.length <= MAX_REPORTED_ISSUES) return issues;
  const left = issues.length - MAX_REPORTED_ISSUES;
  return [
    ...issues.slice(0, MAX_REPORTED_ISSUES),
    { path: "", message: `${left} more problems were found; correct those listed first.` },
  ];
}

function collect(issue: z.core.$ZodIssue, prefix: readonly PropertyKey[], issues: Issue[]): void {
  const path = [...prefix, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    const messages = issue.message.split("\n");
    const ours = messages.length === issue.keys.length && messages.every(isAboutField);
    issue.keys.forEach((key, index) => {
      const message = (ours ? messages[index] : undefined) ?? UNKNOWN_FIELD;
      issues.push({ path: formatPath([...path, key]), message });
    });
    return;
  }
  if (issue.code === "invalid_union") {
    const closest = closestBranch(issue.errors);
    if (closest) {
      for (const inner of telling(closest)) collect(inner, path, issues);
      return;
    }
  }
  if (
    (issue.code === "invalid_key" || issue.code === "invalid_element") &&
    issue.issues.length > 0
  ) {
    const reasons = issue.issues.map((inner) => inner.message).join(" ");
    const message = issue.code === "invalid_key" ? `The name is not valid. ${reasons}` : reasons;
    issues.push({ path: formatPath(path), message });
    return;
  }
  issues.push({ path: formatPath(path), message: issue.message });
}

/** A parser without our error map says something of its own. */
function isAboutField(message: string): boolean {
  return message.startsWith("Unknown field; ");
}

/**
 * Of the branches that are for the value's type the one whose problems lie deepest, since its outer
 * shape matched; null when there is none, or none got inside.
 */
function closestBranch(all: readonly z.core.$ZodIssue[][]): z.core.$ZodIssue[] | null {
  const branches = all.filter((branch) => !branch.some(isMismatch));
  let best: z.core.$ZodIssue[] | null = null;
  let bestDepth = 0;
  for (const branch of branches) {
    const depth = Math.max(0, ...branch.map(depthOf));
    if (
      depth > bestDepth ||
      (depth === bestDepth && best !== null && branch.length < best.length)
    ) {
      best = branch;
      bestDepth = depth;
    }
  }
  if (best !== null) return best;
  return branches.length === 1 ? (branches[0] ?? null) : null;
}

function depthOf(issue: z.core.$ZodIssue): number {
  return issue.code === "unrecognized_keys" ? issue.path.length + 1 : issue.path.length;
}
