/** What must hold between the members of a task, beyond the shape of each. */
import type { Config } from "../config.ts";
import { executorStates } from "../executors/availability.ts";
import { outputsSchemaProblem } from "../executors/outputs-schema.ts";
import type { Language } from "../executors/port.ts";
import { ApiError, type Issue } from "../http/errors.ts";
import { MAX_LOCAL_TIMEOUT_SECONDS, type TaskSpec } from "./schemas.ts";

const SECRET_REFERENCE = /^\$\{\{\s*secrets\.[A-Za-z_][A-Za-z0-9_]*\s*\}\}$/;
const RESERVED_VARIABLE = /^PIPELZR_/;

/** The language that runs: a command is bash, a script is JavaScript unless said. */
export function languageOf(spec: TaskSpec): Language {
  return spec.command === null ? (spec.language ?? "javascript") : "bash";
}

/** Throws `validation_failed` with every problem, or `executor_unavailable` for a type without one. */
export function checkSpec(spec: TaskSpec, config: Config): void {
  const issues = [...codeIssues(spec), ...environmentIssues(spec), ...localIssues(spec, config)];
  const schemaProblem = spec.outputs === null ? null : outputsSchemaProblem(spec.outputs);
  if (schemaProblem) issues.push({ path: "outputs", message: schemaProblem });
  if (spec.retry && spec.retry.max_seconds < spec.retry.initial_seconds) {
    issues.push({ path: "retry.max_seconds", message: "It must not be below initial_seconds." });
  }
  if (spec.working_directory !== null && !isRelative(spec.working_directory)) {
    const message = 'Give a path relative to the workspace, without ".." parts.';
    issues.push({ path: "working_directory", message });
  }
  if (issues.length > 0) {
    throw new ApiError("validation_failed", "The task is not valid; correct what is listed.", {
      issues,
    });
  }
  const states = executorStates(config);
  const wanted = states.find(({ type }) => type === spec.task_type);
  if (!wanted?.usable) {
    const usable = states.filter((state) => state.usable).map(({ type }) => type);
    const remedy = `Use one of: ${usable.join(", ")}.`;
    throw new ApiError(
      "executor_unavailable",
      `The executor "${spec.task_type}" is not to be had here. ${wanted?.reason ?? ""} ${remedy}`,
      { issues: [{ path: "task_type", message: remedy }] },
    );
  }
}

function codeIssues(spec: TaskSpec): Issue[] {
  if ((spec.command === null) === (spec.script === null)) {
    const message = "Give either a command (a shell line) or a script (source text), and only one.";
    return [{ path: "command", message }];
  }
  if (spec.command !== null && spec.language !== null && spec.language !== "bash") {
    const message =
      "A command is a shell line. Put source text into script, or leave language out.";
    return [{ path: "language", message }];
  }
  return [];
}

/** Names the executors that could do it, or what else can be done when there are none. */
function elsewhere(config: Config, otherwise: string): string {
  const others = executorStates(config).filter(({ type, usable }) => usable && type !== "local");
  if (others.length === 0) return otherwise;
  return `Set task_type to ${others.map(({ type }) => `"${type}"`).join(" or ")}, or: ${otherwise}`;
}

function localIssues(spec: TaskSpec, config: Config): Issue[] {
  if (spec.task_type !== "local") return [];
  const issues: Issue[] = [];
  if (spec.language === "python") {
    const message = `The local executor has no Python. ${elsewhere(config, "Write it in javascript, typescript or bash.")}`;
    issues.push({ path: "language", message });
  }
  if (spec.timeout_seconds > MAX_LOCAL_TIMEOUT_SECONDS) {
    const message = `A local task may take ${MAX_LOCAL_TIMEOUT_SECONDS} s at most. ${elsewhere(config, "Part it into shorter tasks.")}`;
    issues.push({ path: "timeout_seconds", message });
  }
  return issues;
}

function environmentIssues(spec: TaskSpec): Issue[] {
  const issues: Issue[] = [];
  for (const [name, value] of Object.entries(spec.environment)) {
    const path = `environment.${name}`;
    if (RESERVED_VARIABLE.test(name)) {
      issues.push({ path, message: "Names that begin with PIPELZR_ are the service's own." });
    }
    if (value.includes("${{") && !SECRET_REFERENCE.test(value)) {
      const message = `An expression must be the whole value and name a secret: \${{ secrets.NAME }}.`;
      issues.push({ path, message });
    }
    if (value.includes("\0")) issues.push({ path, message: "A variable cannot hold a NUL." });
  }
  return issues;
}

function isRelative(path: string): boolean {
  return !path.startsWith("/") && !path.includes("\0") && !path.split("/").includes("..");
}
