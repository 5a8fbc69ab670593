/** Test support: a run of a few steps, as its coordinator would tell of it. */
import { newStep, runOf } from "./state.ts";
import type { RunInspection } from "./store-types.ts";
import type { RunPlan, RunState, StepPlan, StepState } from "./types.ts";

const PLAN: Omit<StepPlan, "name"> = {
  needs: [],
  condition: null,
  matrix: null,
  gate: null,
  continue_on_error: false,
  timeout_ms: 60_000,
  retry: { max_attempts: 1, backoff: "fixed", initial_ms: 0, max_ms: 0, jitter: false, on: [] },
  attached: true,
  durable: false,
};

/** A step of the plan with its state; of an item of a group its state alone. */
export interface FixtureStep {
  readonly name: string;
  readonly plan?: Partial<StepPlan>;
  readonly state?: Partial<StepState>;
}

/** A step that took `[from, to]`. */
export function ran(name: string, needs: readonly number[], from: number, to: number): FixtureStep {
  const state = { status: "completed", started_at: from, completed_at: to, attempt: 1 } as const;
  return { name, plan: { needs }, state };
}

export interface FixtureRun {
  readonly steps: readonly FixtureStep[];
  /** Behind the steps of the plan. */
  readonly items?: readonly FixtureStep[];
  readonly state?: Partial<RunState>;
  readonly plan?: Partial<RunPlan>;
  readonly queued?: RunInspection["queued"];
  readonly slot_position?: number;
}

export function inspection(run: FixtureRun): RunInspection {
  const all = [...run.steps, ...(run.items ?? [])];
  const plan: RunPlan = {
    steps: run.steps.map(({ name, plan: its }) => ({ ...PLAN, name, ...its })),
    max_parallel: 5,
    stop_on_failure: true,
    timeout_ms: null,
    slotted: true,
    concludes: false,
    ...run.plan,
  };
  const steps = all.map(({ state: its }) => ({ ...newStep(0, null, null), ...its }));
  const state: RunState = {
    ...runOf(steps, 1),
    status: "running",
    begun: true,
    slot: "held",
    started_at: 0,
    ...run.state,
  };
  return {
    resource: {
      id: "p",
      kind: "pipeline",
      project_id: "default",
      document: "{}",
      version: 1,
      run: 2,
      retry_count: 0,
      created_at: 0,
      updated_at: 0,
      changed_seq: 1,
    },
    summary: {
      run: 2,
      status: state.status,
      trigger: "execute",
      triggered_by: null,
      retry_of: null,
      created_at: 0,
      started_at: state.started_at,
      completed_at: state.completed_at,
      cancel_requested_at: state.cancel_requested_at,
      attempt: 0,
      exit_code: null,
      error: state.error,
      version: 1,
      parent: null,
      counts: {
        pending: 0,
        waiting: 0,
        queued: 0,
        running: 0,
        completed: 0,
        failed: 0,
        cancelled: 0,
        skipped: 0,
      },
      reused: 0,
      failed_steps: [],
    },
    document: "{}",
    inputs: null,
    pins: null,
    plan,
    state,
    names: all.map(({ name }) => name),
    slot_position: run.slot_position ?? null,
    queued: run.queued ?? {},
    questions: {},
  };
}
