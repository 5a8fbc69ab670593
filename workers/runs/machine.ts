/**
 * The run machine: a function of (plan, state, event, now) and nothing else. It decides what
 * starts, what stops and what ends; the coordinator stores what it says and performs the effects.
 *
 * Readiness is by counters: the end of a step costs its out-degree, not the size of the graph.
 * The state handed to `reduce` is consumed: the transition's state is the same object, changed.
 */
import { attemptTimer, died, dispatch, refuse, regain, report } from "./machine/attempts.ts";
import { Change } from "./machine/change.ts";
import { carryOn, giveBackSlot, hasSlot, rest, slotLost } from "./machine/clock.ts";
import { approve, gateTimedOut, signal } from "./machine/gates.ts";
import { abandonUnstarted, considerStep, decided, releaseItems } from "./machine/steps.ts";
import { stop } from "./machine/stop.ts";
import { hasEnded, isEnding, isInFlight, isTerminal } from "./state.ts";
import { oneRunsAttached, takeReady } from "./suspects.ts";
import type { RunEvent, RunPlan, RunState, StepError, StopCause, Transition } from "./types.ts";

export { createRun, isTerminal, nextDeadline } from "./state.ts";

/** Applies one event. An event that no longer applies leaves the state as it is. */
export function reduce(plan: RunPlan, state: RunState, event: RunEvent, now: number): Transition {
  const change = new Change(plan, state, now);
  if (!isTerminal(state)) {
    apply(change, event);
    settle(change);
  } else if ("epoch" in event) refuse(change, event);
  return { state, effects: change.effects, touched: change.touched };
}

function apply(change: Change, event: RunEvent): void {
  switch (event.type) {
    case "start":
      start(change);
      break;
    case "cancel":
      cancel(change);
      break;
    case "pause":
      pause(change, event.mode);
      break;
    case "resume":
      resume(change);
      break;
    case "timer":
      timer(change);
      break;
    case "recovered":
      recovered(change);
      break;
    case "decided":
      decided(change, event.step, event.verdict);
      break;
    case "concluded":
      concluded(change, event.error);
      break;
    case "slot_granted":
      if (change.state.slot === "asked") change.state.slot = "held";
      break;
    case "slot_lost":
      slotLost(change);
      break;
    case "approve":
      approve(change, event);
      break;
    case "signal":
      signal(change, event);
      break;
    default:
      report(change, event);
      break;
  }
}

function start(change: Change): void {
  const { state } = change;
  if (state.begun || state.cancel_requested_at !== null) return;
  state.begun = true;
  change.emit({ type: "run.queued" });
  // Chosen first, since what ends at once makes others ready that must not be considered twice.
  const first = change.plan.steps.flatMap((_, index) => {
    const step = state.steps[index];
    return step && !hasEnded(step) && (step.items || step.open_needs === 0) ? [index] : [];
  });
  for (const index of first) {
    const step = state.steps[index];
    if (!step || hasEnded(step)) continue;
    // A group that an earlier run expanded goes on with what is left of it.
    if (step.items) {
      step.started_at = change.now;
      releaseItems(change, index, step.items);
    } else considerStep(change, index, step);
  }
}

function cancel(change: Change): void {
  const { state } = change;
  if (state.cancel_requested_at !== null) return;
  state.cancel_requested_at = change.now;
  change.emit({ type: "run.cancelling" });
  stopAll(change, "cancel", "cancelled");
}

/** Ends every step that has not started and stops every one that has. */
function stopAll(change: Change, reason: StopCause, status: "cancelled" | "skipped"): void {
  abandonUnstarted(change, status);
  for (const index of [...change.state.timed]) {
    const step = change.state.steps[index];
    if (step && isInFlight(step)) stop(change, index, step, reason);
  }
}

function pause(change: Change, mode: "boundary" | "now"): void {
  const { state } = change;
  if (state.cancel_requested_at !== null || state.expired) return;
  if (!state.pause_requested) {
    state.pause_requested = true;
    change.emit({ type: "run.pausing" });
  }
  if (mode === "boundary") return;
  for (const index of [...state.timed]) {
    const step = state.steps[index];
    if (step && isInFlight(step) && !step.stopping) stop(change, index, step, "pause");
  }
}

function resume(change: Change): void {
  const { state } = change;
  if (!state.pause_requested) return;
  state.pause_requested = false;
  if (state.status === "paused") state.status = state.started_at === null ? "queued" : "running";
  change.emit({ type: "run.resumed" });
  wake(change);
}

function timer(change: Change): void {
  const { state } = change;
  if (change.due(state.deadline_at) && !isEnding(state)) {
    state.expired = true;
    state.error ??= {
      code: "run_timeout",
      message: `The run was stopped after ${(change.plan.timeout_ms ?? 0) / 1000} s, its timeout_seconds.`,
    };
    stopAll(change, "run_timeout", "skipped");
  }
  for (const index of [...state.timed]) {
    const step = state.steps[index];
    if (!step || hasEnded(step)) continue;
    if (isInFlight(step)) attemptTimer(change, index, step);
    else if (change.due(step.gate_until)) gateTimedOut(change, index, step);
  }
  if (!state.pause_requested) wake(change);
}

/** Makes waiting steps ready whose time has come. */
function wake(change: Change): void {
  const { state } = change;
  for (const index of [...state.timed].sort((a, b) => a - b)) {
    const step = state.steps[index];
    if (step?.status !== "waiting" || !change.due(step.retry_at)) continue;
    step.status = "pending";
    step.retry_at = null;
    change.touch(index, step);
    state.ready.push(index);
  }
}

function recovered(change: Change): void {
  const { plan, state } = change;
  const isSole = oneRunsAttached(plan, state);
  const asked = state.steps.flatMap((step, index) => (step.deciding ? [index] : []));
  // From the last to the first, so that what goes back to the head of the queue keeps its order.
  for (const index of [...state.timed].sort((a, b) => b - a)) {
    const step = state.steps[index];
    if (!step || !isInFlight(step)) continue;
    if (change.planOf(index).attached) died(change, index, step, isSole);
    else regain(change, index, step);
  }
  for (const step of asked) {
    if (state.steps[step]?.deciding) change.effects.push({ type: "decide", step });
  }
  if (state.concluding) change.effects.push({ type: "conclude" });
  if (state.slot !== "none") {
    state.slot = "asked";
    change.effects.push({ type: "acquire_slot" });
  }
}

/** Dispatches what may start, then ends, pauses or rests the run if nothing is left to do. */
function settle(change: Change): void {
  const { plan, state } = change;
  if (isTerminal(state)) return;
  if (change.stopsStarting) abandonUnstarted(change, "skipped");
  if (state.open_steps === 0) {
    finish(change);
    return;
  }
  if (!isEnding(state)) carryOn(change);
  const isHeld =
    state.pause_requested || state.expired || state.cancel_requested_at !== null || !state.begun;
  if (!isHeld && hasSlot(change)) {
    while (state.in_flight < plan.max_parallel) {
      const index = takeReady(plan, state);
      if (index === undefined) break;
      dispatch(change, index);
    }
  }
  if (state.pause_requested && state.in_flight === 0 && state.status !== "paused") {
    state.status = "paused";
    change.emit({ type: "run.paused" });
  }
  rest(change);
}

function finish(change: Change): void {
  const { plan, state } = change;
  const hasFailed = state.failures > 0 || state.expired;
  if (state.cancel_requested_at === null && !hasFailed && plan.concludes) {
    if (!state.concluding) change.effects.push({ type: "conclude" });
    state.concluding = true;
    return;
  }
  close(change, hasFailed);
}

function concluded(change: Change, error: StepError | null): void {
  const { state } = change;
  if (!state.concluding || state.cancel_requested_at !== null) return;
  state.error ??= error;
  close(change, error !== null);
}

function close(change: Change, hasFailed: boolean): void {
  const { state } = change;
  state.completed_at = change.now;
  state.pause_requested = false;
  state.concluding = false;
  giveBackSlot(change);
  if (state.cancel_requested_at !== null) {
    state.status = "cancelled";
    change.emit({ type: "run.cancelled" });
  } else if (hasFailed) {
    state.status = "failed";
    change.emit({ type: "run.failed", error: state.error });
  } else {
    state.status = "completed";
    change.emit({ type: "run.completed" });
  }
}
