/** What must hold between the members of one step. */
import type { Config } from "../config.ts";
import type { Issue } from "../http/errors.ts";
import { hasExpression } from "../runs/expressions-template.ts";
import {
  codeSpecIssues,
  directoryProblem,
  executorIssues,
  retryIssues,
  variableProblem,
} from "../tasks/rules.ts";
import { agentIssues } from "./agents.ts";
import type { StepGraph } from "./check-graph.ts";
import {
  kindsOf,
  type StepDefinition,
  type StepKind,
  taskTypeOf,
  WORK_MEMBERS,
} from "./definition-schema.ts";

const WAYS: Readonly<Record<StepKind, string>> = {
  work: "a command or a script",
  approval: "approval",
  wait: "wait",
  pipeline: "pipeline",
  skill: "skill",
  agent: "agent",
};

/** Issues of a step, with paths within it. */
export function stepIssues(
  step: StepDefinition,
  index: number,
  graph: StepGraph,
  config: Config,
): Issue[] {
  const [kind, ...others] = kindsOf(step);
  if (kind === undefined) {
    const ways = Object.values(WAYS).join(", ");
    return [{ path: "", message: `Say what the task does: give one of ${ways}.` }];
  }
  if (others.length > 0) {
    const given = [kind, ...others].map((each) => WAYS[each]).join(" and ");
    return [{ path: "", message: `A task is one thing, and this has ${given}; keep one of them.` }];
  }
  if (kind === "work") return workIssues(step, index, graph, config);
  const issues = [...strayMembers(step, kind), ...retryIssues(step.retry ?? null)];
  if (kind === "agent") issues.push(...agentIssues(step));
  if (kind === "wait") issues.push(...waitIssues(step.wait ?? {}));
  return issues;
}

/** Members that have no meaning for a step that runs no code of its own. */
function strayMembers(step: StepDefinition, kind: StepKind): Issue[] {
  const strays: string[] = WORK_MEMBERS.filter((member) => isGiven(step[member]));
  const isGate = kind === "approval" || kind === "wait";
  if (isGate) {
    strays.push(
      ...(["inputs", "retry", "strategy"] as const).filter((member) => isGiven(step[member])),
    );
  }
  const issues = strays.map((path) => ({
    path,
    message: `A task with ${WAYS[kind]} has no ${path}; remove it, or move it to a task of its own.`,
  }));
  if (isGate && isGiven(step.timeout_seconds)) {
    const message = `Put timeout_seconds into ${kind}, where it says how long to wait at most.`;
    issues.push({ path: "timeout_seconds", message });
  }
  return issues;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function waitIssues({
  seconds,
  signal,
  timeout_seconds,
}: NonNullable<StepDefinition["wait"]>): Issue[] {
  if (isGiven(seconds) === isGiven(signal)) {
    return [{ path: "wait", message: "Give either seconds or a signal, and only one." }];
  }
  const issues: Issue[] = [];
  if (isGiven(seconds) && isGiven(timeout_seconds)) {
    const message = "A wait of some seconds ends by itself; remove timeout_seconds.";
    issues.push({ path: "wait.timeout_seconds", message });
  }
  if (typeof seconds === "string" && !hasExpression(seconds)) {
    issues.push({
      path: "wait.seconds",
      message: "Give a number, or an expression that comes to one.",
    });
  }
  return issues;
}

function workIssues(
  step: StepDefinition,
  index: number,
  graph: StepGraph,
  config: Config,
): Issue[] {
  const taskType = taskTypeOf(step);
  const issues = codeSpecIssues(
    {
      task_type: taskType,
      command: step.command ?? null,
      script: step.script ?? null,
      language: step.language ?? null,
      timeout_seconds: step.timeout_seconds ?? 1,
      retry: step.retry ?? null,
      outputs: step.outputs ?? null,
      working_directory: step.working_directory ?? null,
      artifacts: step.artifacts ?? [],
      environment: step.environment ?? {},
      secrets: step.secrets ?? [],
      runs_on: step.runs_on ?? [],
      image: step.image ?? null,
      template: step.template ?? null,
      sandbox: step.sandbox ?? null,
      network: step.network ?? { allow: [] },
      isolation: step.isolation ?? "shared",
      executors: step.executors ?? [],
    },
    config,
    hasExpression,
  );
  issues.push(...executorIssues(step.task_type ?? null, step.executors ?? [], config));
  issues.push(...environmentIssues(step.environment ?? {}));
  step.use_artifacts?.forEach(({ from, path }, at) => {
    const place = `use_artifacts[${at}]`;
    const source = graph.findExactly(from);
    if (source === undefined) {
      issues.push({ path: `${place}.from`, message: graph.unknownMessage(from) });
    } else if (source === index || !graph.isUpstream(source, index)) {
      const message = `"${from}" has not ended when this task begins; add it to needs.`;
      issues.push({ path: `${place}.from`, message });
    } else if (keepsNothing(graph.stepAt(source))) {
      const message = `"${from}" keeps no files. Say in its artifacts which it keeps, or take them from another task.`;
      issues.push({ path: `${place}.from`, message });
    }
    const problem = path ? directoryProblem(path.replace(/\/+$/, "")) : null;
    if (problem !== null) issues.push({ path: `${place}.path`, message: problem });
  });
  return issues;
}

/** False for a step whose shape is wrong: what it keeps is not known. */
function keepsNothing(step: StepDefinition | null): boolean {
  return step !== null && (step.artifacts ?? []).length === 0;
}

/** Issues of variables, of a step or of the pipeline. */
export function environmentIssues(environment: Readonly<Record<string, string>>): Issue[] {
  return Object.entries(environment).flatMap(([name, value]) => {
    const message = variableProblem(name, value);
    return message === null ? [] : [{ path: `environment.${name}`, message }];
  });
}
