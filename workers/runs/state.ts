/** What can be said of a run's state without changing it, and the states that runs begin with. */
import type { StopReason } from "../executors/port.ts";
import type {
  AttemptResult,
  RunIndex,
  RunPlan,
  RunState,
  StepError,
  StepPlan,
  StepState,
  StopCause,
} from "./types.ts";

/** A detached attempt that has not reported for this long is lost. */
export const LEASE_MS = 10_000;
/** A durable backend that has not reported for this long is asked. */
export const DURABLE_SILENCE_MS = 60_000;
/** A kill that nobody confirms within this time is reported as unconfirmed. */
export const KILL_GRACE_MS = 10_000;
/** A detached dispatch that no backend has taken up for this long is sent again. */
export const RESEND_MS = 30_000;
/** An attempt that the infrastructure loses this many times in a row fails with reason `lost`. */
export const MAX_LOSSES = 5;
/** Steps of a run, items of its groups included. */
export const MAX_STEPS = 10_000;

export type Failure = Extract<AttemptResult, { status: "failed" }>;

export function isTerminal(state: RunState): boolean {
  return state.status === "completed" || state.status === "failed" || state.status === "cancelled";
}

/** Whether all that the run still does is to stop what is in flight. */
export function isEnding(state: RunState): boolean {
  return state.expired || state.cancel_requested_at !== null;
}

/** Whether a step has ended, for good. */
export function hasEnded(step: StepState): boolean {
  return step.completed_at !== null;
}

/** What an executor is told of why it is to stop. */
export function stopReasonOf(cause: StopCause): StopReason {
  return cause === "timeout" || cause === "run_timeout" ? "timeout" : "cancel";
}

/** Whether a dispatch of the step is out. */
export function isInFlight(step: StepState): boolean {
  return step.status === "queued" || step.status === "running";
}

/** A step that has not begun. */
export function newStep(openNeeds: number, group: number | null, item: number | null): StepState {
  return {
    status: "pending",
    open_needs: openNeeds,
    blocked: false,
    failed_above: false,
    cancelled_above: false,
    deciding: false,
    abandoned: false,
    group,
    item,
    items: null,
    reused_from: null,
    attempt: 0,
    epoch: 0,
    retry_at: null,
    gate_until: null,
    deadline_at: null,
    lease_until: null,
    resting: false,
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
}

/** The state of a run that has not begun. `seed` spreads its retry delays. */
export function createRun(plan: RunPlan, seed: number): RunState {
  return runOf(
    plan.steps.map((step) => newStep(step.needs.length, null, null)),
    seed,
  );
}

/** A run that has not begun, with the steps given, of which some may have ended. */
export function runOf(steps: StepState[], seed: number): RunState {
  return {
    status: "queued",
    steps,
    ready: [],
    timed: new Set(),
    deciding: 0,
    begun: false,
    in_flight: 0,
    resting: 0,
    open_steps: steps.filter((step) => !hasEnded(step)).length,
    failures: 0,
    suspects: 0,
    slot: "none",
    signals: [],
    concluding: false,
    remaining_ms: null,
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

/** What is stored of a run beside its steps. */
export type StoredHead = Omit<RunState, "steps" | RunIndex>;

export function headOf(state: RunState): StoredHead {
  const { steps: _steps, ready: _ready, timed: _timed, deciding: _deciding, ...rest } = state;
  const { in_flight: _inFlight, resting: _resting, open_steps: _openSteps, ...head } = rest;
  return head;
}

/** The state from what was stored, with what follows from it. */
export function restore(head: StoredHead, steps: StepState[]): RunState {
  const ready: number[] = [];
  const timed = new Set<number>();
  let deciding = 0;
  let inFlight = 0;
  let openSteps = 0;
  let resting = 0;
  steps.forEach((step, index) => {
    if (step.deciding) deciding += 1;
    if (isOut(step)) inFlight += 1;
    if (!hasEnded(step)) openSteps += 1;
    if (step.resting) resting += 1;
    if (isTimed(step)) timed.add(index);
    if (head.begun && step.status === "pending" && !step.deciding && isReleased(steps, step)) {
      ready.push(index);
    }
  });
  const counts = { deciding, in_flight: inFlight, open_steps: openSteps, resting };
  return { ...head, steps, ready, timed, ...counts };
}

/** Whether nothing but a free place keeps a pending step from starting. */
function isReleased(steps: readonly StepState[], step: StepState): boolean {
  if (step.group === null) return step.open_needs === 0;
  return (step.item ?? 0) < (steps[step.group]?.items?.next ?? 0);
}

/** Whether a step is one that the clock may have to look at. */
export function isTimed(step: StepState): boolean {
  return step.status === "waiting" || isOut(step);
}

/** Whether a step counts as in flight: a group does not, its items do. */
function isOut(step: StepState): boolean {
  return isInFlight(step) && step.items === null;
}

/** The plan of a step; of an item its group's. */
export function planOf(plan: RunPlan, state: RunState, index: number): StepPlan {
  const found = plan.steps[state.steps[index]?.group ?? index];
  if (!found) throw new RangeError(`the plan has no step ${index}`);
  return found;
}

/** The name of a step; of an item its group's with its place. */
export function nameOf(plan: RunPlan, state: Pick<RunState, "steps">, index: number): string {
  const step = state.steps[index];
  const name = plan.steps[step?.group ?? index]?.name ?? String(index);
  return step?.item === null || step === undefined ? name : `${name}[${step.item}]`;
}

/** The index of the step of that name; null when there is none. */
export function indexOf(
  plan: RunPlan,
  state: Pick<RunState, "steps">,
  name: string,
): number | null {
  const [, group = name, item] = /^(.+)\[(\d+)\]$/.exec(name) ?? [];
  const index = plan.steps.findIndex((step) => step.name === group);
  if (index < 0) return null;
  if (item === undefined) return index;
  const items = state.steps[index]?.items;
  return items && Number(item) < items.count ? items.first + Number(item) : null;
}

/** Steps that wait for somebody's approval. */
export function openApprovals({ plan, state }: { plan: RunPlan; state: RunState }): number[] {
  return [...state.timed].filter((index) => {
    const { gate } = planOf(plan, state, index);
    return state.steps[index]?.status === "waiting" && gate?.type === "approval";
  });
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
  if (state.deadline_at !== null && !isEnding(state)) earliest = state.deadline_at;
  for (const index of state.timed) {
    const step = state.steps[index];
    if (!step) continue;
    if (step.stopping) earliest = Math.min(earliest, step.stopping.give_up_at);
    else if (step.deadline_at !== null) earliest = Math.min(earliest, step.deadline_at);
    if (step.lease_until !== null) earliest = Math.min(earliest, step.lease_until);
    if (step.gate_until !== null) earliest = Math.min(earliest, step.gate_until);
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

/** What a run says whose step was cancelled by itself. */
export const STEP_CANCELLED: StepError = {
  code: "step_cancelled",
  message: "A step was cancelled by itself, and not the whole run. Retry the run to go on.",
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
