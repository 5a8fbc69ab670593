/** What tests of pipelines build upon: definitions that are valid, and runs in any state. */
import { loadConfig } from "../config.ts";
import type { Json } from "../http/json.ts";
import { ResultNotLoaded, type RunView } from "../runs/ports.ts";
import { runOf as newRun, newStep } from "../runs/state.ts";
import type { StepState } from "../runs/types.ts";
import { compile } from "./compile.ts";
import { parseDefinition } from "./definition.ts";
import type { PipelineDefinition } from "./definition-schema.ts";
import { writeDocument } from "./document.ts";

export const config = loadConfig({
  ENVIRONMENT: "local",
  DAGGER_ENABLED: "true",
  SUBPROCESS_ENABLED: "true",
});

export type TaskInput = { readonly name: string; readonly [member: string]: unknown };

/** A valid definition; throws with its issues when it is not. */
export function definitionOf(
  tasks: readonly TaskInput[],
  members: Readonly<Record<string, unknown>> = {},
): PipelineDefinition {
  const whole = tasks.map((task) => (isWhole(task) ? task : { command: "true", ...task }));
  const { definition, issues } = parseDefinition(
    { name: "p", ...members, tasks: whole },
    { config },
  );
  if (definition === null) throw new Error(JSON.stringify(issues, null, 2));
  return definition;
}

function isWhole(task: TaskInput): boolean {
  return ["command", "script", "approval", "wait", "pipeline"].some((member) => member in task);
}

/** A step that ran once, and completed. */
const RAN: StepState = { ...newStep(0, null, null), status: "completed", attempt: 1, epoch: 1 };

export interface RunParts {
  readonly inputs?: Json;
  readonly step_inputs?: RunView["step_inputs"];
  /** Results of the plan's steps by name. */
  readonly results?: Readonly<Record<string, Json>>;
  /** Matrix values of groups by name, and each item's result. */
  readonly items?: Readonly<Record<string, readonly { matrix: Json; result: Json }[]>>;
  readonly states?: Readonly<Record<string, Partial<StepState>>>;
  /** Indexes of results that lie in the blob store, and have not been loaded. */
  readonly stored?: ReadonlySet<number>;
}

/** A run whose steps have completed unless `states` says otherwise; `reads` counts looks at results. */
export function runOf(definition: PipelineDefinition, parts: RunParts = {}) {
  const plan = compile(definition, { default_timeout_ms: null });
  const steps: StepState[] = plan.steps.map(({ name }) => ({
    ...RAN,
    ...parts.states?.[name],
  }));
  const results = new Map<number, string>();
  const index = new Map(plan.steps.map(({ name }, at) => [name, at]));
  for (const [name, value] of Object.entries(parts.results ?? {})) {
    results.set(index.get(name) ?? -1, JSON.stringify(value));
  }
  for (const [name, items] of Object.entries(parts.items ?? {})) {
    const group = index.get(name) ?? -1;
    const state = steps[group];
    if (!state) throw new Error(`there is no step ${name}`);
    const first = steps.length;
    state.items = {
      first,
      count: items.length,
      open: 0,
      active: 0,
      next: 0,
      failed: 0,
      cancelled: 0,
    };
    results.set(group, JSON.stringify(items.map(({ matrix }) => matrix)));
    items.forEach(({ result }, item) => {
      results.set(first + item, JSON.stringify(result));
      steps.push({ ...RAN, group, item });
    });
  }
  const reads = new Map<number, number>();
  const view: RunView = {
    resource: {
      id: "pipeline-1",
      kind: "pipeline",
      project_id: "default",
      document: "",
      version: 1,
      run: 2,
      retry_count: 0,
      created_at: 0,
      updated_at: 0,
      changed_seq: 0,
    },
    pins: null,
    document: writeDocument({ definition, created_by: "test", files: {}, triggered_by: null }),
    run: 2,
    plan,
    state: { ...newRun(steps, 1), status: "running", begun: true, slot: "held", started_at: 0 },
    inputs: parts.inputs === undefined ? null : JSON.stringify(parts.inputs),
    step_inputs: parts.step_inputs ?? null,
    result(step) {
      reads.set(step, (reads.get(step) ?? 0) + 1);
      if (parts.stored?.has(step)) throw new ResultNotLoaded(step);
      return results.get(step) ?? null;
    },
    resultBytes: (step) => results.get(step)?.length ?? 0,
  };
  const find = (name: string) => index.get(name) ?? -1;
  return { view, reads, find };
}
