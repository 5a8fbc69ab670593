/** What must hold between the members of a task, beyond the shape of each. */
import type { Config } from "../config.ts";
import { executorStates } from "../executors/availability.ts";
import { outputsSchemaProblem } from "../executors/outputs-schema.ts";
import type { Language, TaskType } from "../executors/port.ts";
import { ApiError, type Issue } from "../http/errors.ts";
import { MAX_LOCAL_TIMEOUT_SECONDS } from "./fields.ts";
import type { TaskSpec } from "./schemas.ts";

const SECRET_REFERENCE = /^\$\{\{\s*secrets\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}$/;
const RESERVED_VARIABLE = /^PIPELZR_/;

/** The members of a task, or of a step that executes code, that rules relate to each other. */
export type CodeSpec = Pick<
  TaskSpec,
  | "task_type"
  | "command"
  | "script"
  | "language"
  | "timeout_seconds"
  | "retry"
  | "outputs"
  | "working_directory"
  | "sandbox"
  | "executors"
>;

/** The language that runs: a command is bash, a script is JavaScript unless said. */
export function languageOf(spec: Pick<CodeSpec, "command" | "language">): Language {
  return spec.command === null ? (spec.language ?? "javascript") : "bash";
}

/** Name of the secret that an environment value stands for as a whole; null for any other value. */
export function secretOf(value: string): string | null {
  return SECRET_REFERENCE.exec(value)?.[1] ?? null;
}

/** Throws `validation_failed` with every problem, or `executor_unavailable` for a type without one. */
export function checkSpec(spec: TaskSpec, config: Config): void {
  const issues = [...codeSpecIssues(spec, config), ...environmentIssues(spec)];
  const { task_type, executors } = spec;
  const unavailable = executorIssues(task_type, executors, config);
  if (issues.length > 0 || unavailable.some(({ path }) => path === "executors")) {
    throw new ApiError("validation_failed", "The task is not valid; correct what is listed.", {
      issues: [...issues, ...unavailable],
    });
  }
  const [problem] = unavailable;
  if (problem) {
    throw new ApiError("executor_unavailable", problem.message, { issues: [problem] });
  }
}

/** Null is what was not given; a list of executors says it by its first. */
export function executorIssues(
  taskType: TaskType | null,
  executors: readonly TaskType[],
  config: Config,
): Issue[] {
  const [first = taskType ?? "local"] = executors;
  if (taskType !== null && taskType !== first) {
    const message = `The first of executors is the task_type, which is "${taskType}". Put it first, or leave task_type out.`;
    return [{ path: "executors", message }];
  }
  const states = executorStates(config);
  const usable = states.flatMap((state) => (state.usable ? [state.type] : []));
  const wanted = executors.length > 0 ? executors : [first];
  if (wanted.some((type) => usable.includes(type))) return [];
  const reason = states.find((state) => state.type === first)?.reason ?? "";
  const message = `The executor "${first}" is not to be had here. ${reason} Use one of: ${usable.join(", ")}.`;
  return [{ path: "task_type", message }];
}

/** What is wrong between the members of code to execute, its environment apart. */
export function codeSpecIssues(spec: CodeSpec, config: Config): Issue[] {
  const issues = [...codeIssues(spec), ...localIssues(spec, config)];
  const schemaProblem = spec.outputs === null ? null : outputsSchemaProblem(spec.outputs);
  if (schemaProblem) issues.push({ path: "outputs", message: schemaProblem });
  issues.push(...retryIssues(spec.retry), ...sandboxIssues(spec));
  if (spec.working_directory !== null && !isRelative(spec.working_directory)) {
    issues.push({ path: "working_directory", message: RELATIVE_ONLY });
  }
  return issues;
}

function sandboxIssues({ sandbox, task_type, executors }: CodeSpec): Issue[] {
  if (sandbox === null || [task_type, ...executors].includes("e2b")) return [];
  const message = `Only tasks in sandboxes have one to share, and this one is of the type "${task_type}". Set task_type to "e2b", or leave sandbox out.`;
  return [{ path: "sandbox", message }];
}

export function retryIssues(retry: CodeSpec["retry"]): Issue[] {
  if (!retry || retry.max_seconds >= retry.initial_seconds) return [];
  return [{ path: "retry.max_seconds", message: "It must not be below initial_seconds." }];
}

function codeIssues(spec: CodeSpec): Issue[] {
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

function localIssues(spec: CodeSpec, config: Config): Issue[] {
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
    const problem = variableProblem(name, value);
    if (problem) issues.push({ path, message: problem });
    if (value.includes("${{") && secretOf(value) === null) {
      const message = `An expression must be the whole value and name a secret: \${{ secrets.NAME }}.`;
      issues.push({ path, message });
    }
  }
  return issues;
}

/** What forbids an environment variable, whatever else its value may be; null when nothing does. */
export function variableProblem(name: string, value: string): string | null {
  if (RESERVED_VARIABLE.test(name)) return "Names that begin with PIPELZR_ are the service's own.";
  if (value.includes("\0")) return "A variable cannot hold a NUL.";
  return null;
}

export const RELATIVE_ONLY = 'Give a path relative to the workspace, without ".." parts.';

export function isRelative(path: string): boolean {
  return !path.startsWith("/") && !path.includes("\0") && !path.split("/").includes("..");
}
