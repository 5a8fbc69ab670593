/** What must hold between the members of a task, beyond the shape of each. */
import type { Config } from "../config.ts";
import { executorStates } from "../executors/availability.ts";
import { MAX_LOCAL_TREE_BYTES } from "../executors/local/frames.ts";
import { outputsSchemaProblem } from "../executors/outputs-schema.ts";
import type { Language, TaskType } from "../executors/port.ts";
import { isInTree } from "../executors/tree-archive.ts";
import { isWorkspacePath } from "../executors/workspace-path.ts";
import { ApiError, type Issue } from "../http/errors.ts";
import { globProblem } from "./artifact-globs.ts";
import {
  type BackendSpec,
  backendIssues,
  imageProblem,
  templateProblem,
} from "./backend-members.ts";
import { MAX_LOCAL_TIMEOUT_SECONDS } from "./fields.ts";
import type { TaskSpec } from "./schemas.ts";

const SECRET_REFERENCE = /^\$\{\{\s*secrets\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}$/;
const RESERVED_VARIABLE = /^PIPELZR_/;
const MAX_BLOCKING = 20;

/** The members of a task, or of a step that executes code, that rules relate to each other. */
export type CodeSpec = BackendSpec &
  Pick<
    TaskSpec,
    | "command"
    | "script"
    | "language"
    | "timeout_seconds"
    | "retry"
    | "outputs"
    | "working_directory"
    | "artifacts"
    | "environment"
    | "secrets"
  >;

/** Whether a text is not known yet, as one with expressions in a step of a pipeline. */
export type IsOpen = (text: string) => boolean;
const ALL_KNOWN: IsOpen = () => false;

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
  const { task_type, executors } = spec;
  const issues = [
    ...codeSpecIssues(spec, config),
    ...environmentIssues(spec),
    ...orderIssues(task_type, executors),
  ];
  const unavailable = unavailableIssues(task_type, executors, config);
  if (issues.length > 0) {
    throw new ApiError("validation_failed", "The task is not valid; correct what is listed.", {
      issues: [...issues, ...unavailable],
    });
  }
  const [problem] = unavailable;
  if (problem) {
    throw new ApiError("executor_unavailable", problem.message, { issues: [problem] });
  }
}

/** What is wrong with where it is to run. Null is what was not given; a list says it by its first. */
export function executorIssues(
  taskType: TaskType | null,
  executors: readonly TaskType[],
  config: Config,
): Issue[] {
  const issues = orderIssues(taskType, executors);
  return issues.length > 0 ? issues : unavailableIssues(taskType, executors, config);
}

function orderIssues(taskType: TaskType | null, executors: readonly TaskType[]): Issue[] {
  const [first] = executors;
  if (taskType === null || first === undefined || taskType === first) return [];
  const message = `The first of executors is the task_type, which is "${taskType}". Put it first, or leave task_type out.`;
  return [{ path: "executors", message }];
}

/** Of a list one is enough: the others are skipped. */
function unavailableIssues(
  taskType: TaskType | null,
  executors: readonly TaskType[],
  config: Config,
): Issue[] {
  const states = executorStates(config);
  const usable = states.flatMap((state) => (state.usable ? [state.type] : []));
  const wanted = executors.length > 0 ? executors : [taskType ?? "local"];
  if (wanted.some((type) => usable.includes(type))) return [];
  const [path, subject] =
    executors.length > 1
      ? ["executors", "None of these executors is to be had here."]
      : ["task_type", `The executor "${wanted[0]}" is not to be had here.`];
  const reasons = states.flatMap(({ type, reason }) =>
    wanted.includes(type) && reason !== null ? [reason] : [],
  );
  const message = [subject, ...reasons, `Use one of: ${usable.join(", ")}.`].join(" ");
  return [{ path, message }];
}

/**
 * What is wrong between the members of code to execute, and with texts that a backend reads. Values
 * of the environment are the caller's to check.
 */
export function codeSpecIssues(
  spec: CodeSpec,
  config: Config,
  isOpen: IsOpen = ALL_KNOWN,
): Issue[] {
  const issues = [...codeIssues(spec), ...localIssues(spec, config)];
  const schemaProblem = spec.outputs === null ? null : outputsSchemaProblem(spec.outputs);
  if (schemaProblem) issues.push({ path: "outputs", message: schemaProblem });
  issues.push(...retryIssues(spec.retry), ...backendIssues(spec), ...textIssues(spec, isOpen));
  const twice = spec.secrets.filter((name) => Object.hasOwn(spec.environment, name));
  for (const name of new Set(twice)) {
    const message = `secrets names ${name} too, and a variable has one value. Keep one of the two.`;
    issues.push({ path: `environment.${name}`, message });
  }
  return issues;
}

/** What is wrong with texts of their own form, as far as they are known. */
function textIssues(spec: CodeSpec, isOpen: IsOpen): Issue[] {
  const issues: Issue[] = [];
  const check = (path: string, text: string | null, problemOf: (text: string) => string | null) => {
    const message = text === null || isOpen(text) ? null : problemOf(text);
    if (message !== null) issues.push({ path, message });
  };
  check("working_directory", spec.working_directory, directoryProblem);
  check("image", spec.image, imageProblem);
  check("template", spec.template, templateProblem);
  spec.artifacts.forEach((glob, at) => {
    check(`artifacts[${at}]`, glob, globProblem);
  });
  return issues;
}

/** What is wrong with a folder of the workspace; null for one that can be. */
export function directoryProblem(path: string): string | null {
  return path === "." || isWorkspacePath(path) ? null : RELATIVE_ONLY;
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

/** Why a task of this type cannot mount a codebase; null when it can. */
export function mountProblem(
  { task_type }: Pick<CodeSpec, "task_type">,
  { bytes }: { readonly bytes: number },
): string | null {
  if (task_type !== "local" || bytes <= MAX_LOCAL_TREE_BYTES) return null;
  const size = (count: number) => `${Math.ceil(count / (1024 * 1024))} MiB`;
  return `It takes ${size(bytes)}, and a local task holds ${size(MAX_LOCAL_TREE_BYTES)} of a codebase. Mount a folder of it, or use another task_type.`;
}

/** Issues of files that would stand in the folder of a codebase, or in its way. */
export function blockingFiles(path: string, files: readonly { readonly path: string }[]): Issue[] {
  const blocking = files.filter(
    (file) => isInTree(file.path, { path }) || path.startsWith(`${file.path}/`),
  );
  return blocking.slice(0, MAX_BLOCKING).map((file) => ({
    path: `files.${file.path}`,
    message: `It stands in the way of the codebase at "${path}". Put it, or the codebase, at another path.`,
  }));
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

const RELATIVE_ONLY =
  'Give a path relative to the workspace, without slashes at its ends, and without empty, "." and ".." parts.';
