/** Why a resource is in the state it is in, and what its owner can do about it. */
import type { Waiting } from "../executors/detached.ts";
import type { StoredRun } from "./run-table.ts";
import type { RunStatus, StepState } from "./types.ts";

export type ResourceState = "pending" | RunStatus;

export interface Explanation {
  readonly state: ResourceState;
  /** One sentence for a person. */
  readonly reason: string;
  readonly waiting_for: {
    readonly type: "execute" | "slot" | "retry" | "attempt" | "quarantine" | "stop";
    /** When it ends by itself, ms since 1970; null when that depends on the work. */
    readonly until: number | null;
    /** Place in the queue, from 1. */
    readonly position: number | null;
  } | null;
  readonly allowed: readonly string[];
}

/** What may be asked for in each state, for one kind of resource. */
export type Actions = Readonly<Record<ResourceState, readonly string[]>>;

export function stateOf(newest: StoredRun | null): ResourceState {
  return newest?.state.status ?? "pending";
}

/** What may be asked for in a state; `mayRetry` says whether retries are left. */
export function allowedActions(
  actions: Actions,
  state: ResourceState,
  mayRetry: boolean,
): readonly string[] {
  return actions[state].filter((action) => action !== "retry" || mayRetry);
}

export function explain(
  newest: StoredRun | null,
  actions: Actions,
  mayRetry: boolean,
  queued: Waiting | null,
  now: number,
): Explanation {
  const state = stateOf(newest);
  const allowed = allowedActions(actions, state, mayRetry);
  const step = newest?.state.steps[0];
  if (!newest || !step) {
    const reason = "It has not been started. POST its /execute.";
    return { state, reason, waiting_for: waiting("execute"), allowed };
  }
  if (newest.state.completed_at !== null) {
    return { state, reason: ended(newest), waiting_for: null, allowed };
  }
  return { state, allowed, ...live(step, queued, now) };
}

function ended(run: StoredRun): string {
  const error = run.state.error ?? run.state.steps[0]?.error;
  const attempts = run.state.steps[0]?.attempt ?? 0;
  if (run.state.status === "completed") return `Run ${run.run} completed at attempt ${attempts}.`;
  if (run.state.status === "cancelled") return `Run ${run.run} was cancelled on request.`;
  return `Run ${run.run} failed at attempt ${attempts}: ${error?.message ?? "no reason was recorded"}`;
}

function live(
  step: StepState,
  queued: Waiting | null,
  now: number,
): Pick<Explanation, "reason" | "waiting_for"> {
  if (step.stopping) {
    const reason = `It is being stopped (${step.stopping.reason}); the backend has yet to confirm.`;
    return { reason, waiting_for: waiting("stop", step.stopping.give_up_at) };
  }
  if (step.status === "waiting") {
    const seconds = Math.max(0, ((step.retry_at ?? now) - now) / 1000).toFixed(1);
    const why = step.error?.message ?? "it failed";
    const reason = `Attempt ${step.attempt} failed (${why}); the next one starts in ${seconds} s.`;
    return { reason, waiting_for: waiting("retry", step.retry_at) };
  }
  if (step.status === "running") {
    const reason = `Attempt ${step.attempt} is running.`;
    return { reason, waiting_for: waiting("attempt", step.deadline_at) };
  }
  const position = queued?.position ?? null;
  if (step.alone) {
    const reason =
      "It was in flight when its process died, so it is tried again with no other suspect beside it.";
    return { reason, waiting_for: waiting("quarantine", null, position) };
  }
  const reason = queued?.reason ?? "It is about to start.";
  return { reason, waiting_for: waiting("slot", null, position) };
}

function waiting(
  type: NonNullable<Explanation["waiting_for"]>["type"],
  until: number | null = null,
  position: number | null = null,
): Explanation["waiting_for"] {
  return { type, until, position };
}
