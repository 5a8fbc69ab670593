/** What tests of pipelines build upon: definitions that are valid, and runs in any state. */
import { loadConfig } from "../config.ts";
import type { Json } from "../http/json.ts";
import { ResultNotLoaded, type RunView } from "../runs/ports.ts";
import type { RunState, StepState } from "../runs/types.ts";
import { compile } from "./compile.ts";
import { parseDefinition } from "./definition.ts";
import type { PipelineDefinition } from "./definition-schema.ts";
import { writeDocument } from "./document.ts";

export const config = loadConfig({ ENVIRONMENT: "local" });

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

const NEW_STEP: StepState = {
  status: "completed",
  open_needs: 0,
  blocked: false,
  failed_above: false,
  cancelled_above: false,
  deciding: false,
  abandoned: false,
  group: null,
  item: null,
  items: null,
  reused_from: null,
  attempt: 1,
  epoch: 1,
  retry_at: null,
  gate_until: null,
  deadline_at: null,
  lease_until: null,
  stopping: null,
  suspicion: 0,
  alone_deaths: 0,
  alone: false,
  losses: 0,
  started_at: null,
  completed_at: null,
  exit_code: null,
  error: null,
};

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
    ...NEW_STEP,
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
      steps.push({ ...NEW_STEP, group, item });
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
    document: writeDocument({ definition, created_by: "test", files: {}, triggered_by: null }),
    run: 2,
    plan,
    state: { ...NEW_RUN, steps },
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

const NEW_RUN: Omit<RunState, "steps"> = {
  status: "running",
  ready: [],
  timed: new Set(),
  deciding: 0,
  begun: true,
  in_flight: 0,
  open_steps: 0,
  failures: 0,
  suspects: 0,
  slot: "held",
  signals: [],
  concluding: false,
  remaining_ms: null,
  started_at: 0,
  completed_at: null,
  deadline_at: null,
  cancel_requested_at: null,
  pause_requested: false,
  expired: false,
  error: null,
  seed: 1,
};
