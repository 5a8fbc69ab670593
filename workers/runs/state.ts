/** What can be said of a run's state without changing it, and the state that a run begins with. */
import type { AttemptResult, RunPlan, RunState, StepError } from "./types.ts";

/** A detached attempt that has not reported for this long is lost. */
export const LEASE_MS = 10_000;
/** A kill that nobody confirms within this time is reported as unconfirmed. */
export const KILL_GRACE_MS = 10_000;
/** A detached dispatch that no backend has taken up for this long is sent again. */
export const RESEND_MS = 30_000;
/** An attempt that the infrastructure loses this many times in a row fails with reason `lost`. */
export const MAX_LOSSES = 5;

export type Failure = Extract<AttemptResult, { status: "failed" }>;

export function isTerminal(state: RunState): boolean {
  return state.status === "completed" || state.status === "failed" || state.status === "cancelled";
}

/** The state of a run that has not begun. `seed` spreads its retry delays. */
export function createRun(plan: RunPlan, seed: number): RunState {
  return {
    status: "queued",
    steps: plan.steps.map((step) => ({
      status: "pending",
      open_needs: step.needs.length,
      blocked: false,
      attempt: 0,
      epoch: 0,
      retry_at: null,
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
    })),
    ready: [],
    in_flight: 0,
    open_steps: plan.steps.length,
    failures: 0,
    suspects: 0,
    started_at: null,
    completed_at: null,
    deadline_at: null,
    cancel_requested_at: null,
    pause_requested: false,
    expired: false,
    error: null,
    seed,
  };
}

const dependentsOf = new WeakMap<RunPlan, readonly (readonly number[])[]>();

/** For each step, the steps that need it. */
export function dependents(plan: RunPlan): readonly (readonly number[])[] {
  const known = dependentsOf.get(plan);
  if (known) return known;
  const lists: number[][] = plan.steps.map(() => []);
  plan.steps.forEach((step, index) => {
    for (const need of step.needs) lists[need]?.push(index);
  });
  dependentsOf.set(plan, lists);
  return lists;
}

/** The earliest time at which a `timer` event changes something; null when only a report can. */
export function nextDeadline(state: RunState): number | null {
  let earliest = Number.POSITIVE_INFINITY;
  if (isTerminal(state)) return null;
  if (state.deadline_at !== null && !state.expired) earliest = state.deadline_at;
  for (const step of state.steps) {
    if (step.stopping) earliest = Math.min(earliest, step.stopping.give_up_at);
    else if (step.deadline_at !== null) earliest = Math.min(earliest, step.deadline_at);
    if (step.lease_until !== null) earliest = Math.min(earliest, step.lease_until);
    if (step.retry_at !== null && !state.pause_requested) {
      earliest = Math.min(earliest, step.retry_at);
    }
  }
  return earliest === Number.POSITIVE_INFINITY ? null : earliest;
}

export const UNCONFIRMED: StepError = {
  code: "stop_unconfirmed",
  message: "The backend did not confirm in time that the code has stopped; it may have run on.",
};

/** The failure of an attempt that its backend stopped of its own accord. */
export const STOPPED_BY_BACKEND: Failure = {
  status: "failed",
  reason: "error",
  exit_code: null,
  code: "stopped_by_backend",
  message:
    "The backend stopped the attempt although nobody asked for it. Retry, or look at its logs.",
};

export const LOST: Failure = {
  status: "failed",
  reason: "lost",
  exit_code: null,
  code: "lost",
  message:
    `The infrastructure lost this attempt ${MAX_LOSSES} times in a row. Look for code that takes ` +
    "down what it runs on, such as by using up its memory, and at the health of the backend.",
};

/** The failure of an attempt that was stopped for its time, confirmed or not. */
export function timedOut(
  reason: "timeout" | "run_timeout",
  timeoutMs: number,
  unconfirmed: boolean,
): Failure {
  const message =
    reason === "timeout"
      ? `The attempt was stopped after ${timeoutMs / 1000} s, its timeout_seconds.`
      : "The attempt was stopped because its run used up its time.";
  return {
    status: "failed",
    reason: "timeout",
    exit_code: null,
    code: reason,
    message: unconfirmed ? `${message} ${UNCONFIRMED.message}` : message,
  };
}
