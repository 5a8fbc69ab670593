/** The life of one dispatch: sent, started, stopped, lost or finished, and tried again. */
import type { Usage } from "../../executors/detached.ts";
import { fraction, retryDelayMs } from "../retry.ts";
import {
  DURABLE_SILENCE_MS,
  type Failure,
  isInFlight,
  LEASE_MS,
  LOST,
  MAX_LOSSES,
  RESEND_MS,
  STOPPED_BY_BACKEND,
  timedOut,
  UNCONFIRMED,
} from "../state.ts";
import { earnsProbation, POISON_DEATHS, POISONED } from "../suspects.ts";
import type { AttemptResult, MachineEvent, RunEvent, StepState, StopCause } from "../types.ts";
import type { Change } from "./change.ts";
import { markStarted, noteRest, startClock } from "./clock.ts";
import { abandon, end } from "./steps.ts";
import { stop } from "./stop.ts";

type Report = Extract<RunEvent, { epoch: number }>;
type LossCause = Extract<MachineEvent, { type: "attempt.lost" }>["cause"];

/** What names one dispatch of a step. */
function dispatchOf(index: number, step: StepState) {
  return { step: index, attempt: step.attempt, epoch: step.epoch };
}

/** Records a report that came too late, or for a dispatch that never was. */
export function refuse(change: Change, event: Report): void {
  change.emit({
    type: "attempt.refused",
    step: event.step,
    epoch: event.epoch,
    current_epoch: change.state.steps[event.step]?.epoch ?? 0,
    report: event.type,
  });
}

/** Applies what a backend says of a dispatch. */
export function report(change: Change, event: Report): void {
  const step = change.state.steps[event.step];
  if (!step || step.items || !isInFlight(step) || step.epoch !== event.epoch) {
    refuse(change, event);
    return;
  }
  switch (event.type) {
    case "attempt_started":
      started(change, event.step, step);
      break;
    case "heartbeat":
      started(change, event.step, step);
      if (event.resting !== undefined) noteRest(change, event.step, step, event.resting);
      renew(change, event.step, step);
      break;
    case "probation_passed":
      if (earnsProbation(step)) step.alone = false;
      change.touched.add(event.step);
      break;
    case "attempt_moved":
      moved(change, event.step, step);
      break;
    case "attempt_lost":
      lost(change, event.step, step, "backend", event);
      break;
    case "attempt_finished":
      if (event.result.status !== "cancelled" || !step.stopping) started(change, event.step, step);
      finished(change, event.step, step, event.result, event.usage);
      break;
  }
}

/** Begins a try of a step. */
export function dispatch(change: Change, index: number): void {
  const step = change.state.steps[index];
  if (!step) return;
  step.status = "queued";
  step.attempt += 1;
  step.epoch += 1;
  step.alone = step.suspicion > 0;
  change.state.in_flight += 1;
  startClock(change);
  send(change, index, step);
}

/** Hands an attempt to its backend, which knows one that it already has by its epoch. */
export function send(change: Change, index: number, step: StepState): void {
  step.lease_until = change.planOf(index).attached ? null : change.now + RESEND_MS;
  change.touch(index, step);
  change.effects.push({ type: "dispatch", ...dispatchOf(index, step), alone: step.alone });
}

/** Dispatches anew what has not begun: whoever had it, or may yet take it up, is fenced. */
function moved(change: Change, index: number, step: StepState): void {
  if (step.status !== "queued" || step.stopping) return;
  step.epoch += 1;
  send(change, index, step);
}

/** Notes that an attempt runs; its first report says so when the one of its start was lost. */
function started(change: Change, index: number, step: StepState): void {
  if (step.status !== "queued") return;
  step.status = "running";
  step.started_at ??= change.now;
  if (!step.stopping) step.deadline_at = change.now + change.planOf(index).timeout_ms;
  renew(change, index, step);
  markStarted(change);
  change.emit({ type: "attempt.started", ...dispatchOf(index, step), alone: step.alone });
}

function renew(change: Change, index: number, step: StepState): void {
  const { attached, durable } = change.planOf(index);
  const lease = durable ? DURABLE_SILENCE_MS : LEASE_MS;
  const isUnleased = attached || (durable && step.stopping !== null) || step.resting;
  step.lease_until = isUnleased ? null : change.now + lease;
  change.touch(index, step);
}

function finished(
  change: Change,
  index: number,
  step: StepState,
  result: AttemptResult,
  usage?: Usage,
): void {
  const { stopping } = step;
  const hadStarted = step.status === "running";
  if (hadStarted) {
    const used = usage ? { usage } : {};
    change.emit({ type: "attempt.finished", ...dispatchOf(index, step), result, ...used });
  }
  land(change, index, step);
  step.losses = 0;
  // What an earlier dispatch came to is told by its own events.
  if (result.status === "cancelled") step.error = result.unconfirmed ? UNCONFIRMED : null;
  if (result.status === "completed") {
    step.exit_code = result.exit_code;
    step.error = null;
    end(change, index, step, "completed");
  } else if (result.status === "failed") failed(change, index, step, result);
  else if (!stopping) stoppedItself(change, index, step);
  else if (stopping.reason === "pause") again(change, index, step);
  else stopped(change, index, step, stopping.reason, hadStarted, result.unconfirmed === true);
}

/** Nobody asked for the stop. A durable backend has an owner of its own, who may cancel. */
function stoppedItself(change: Change, index: number, step: StepState): void {
  if (change.planOf(index).durable) end(change, index, step, "cancelled");
  else failed(change, index, step, STOPPED_BY_BACKEND);
}

/** Ends an attempt that was stopped for good; one that never started leaves its step unstarted. */
function stopped(
  change: Change,
  index: number,
  step: StepState,
  reason: Exclude<StopCause, "pause">,
  hadStarted: boolean,
  unconfirmed: boolean,
): void {
  const isCancelled = reason === "cancel" || reason === "fail_fast";
  if (!hadStarted) abandon(change, index, step, isCancelled ? "cancelled" : "skipped");
  else if (isCancelled) end(change, index, step, "cancelled");
  else {
    const timeoutMs = change.planOf(index).timeout_ms;
    failed(change, index, step, timedOut(reason, timeoutMs, unconfirmed));
  }
}

/** Makes a step ready to be dispatched again as the same try. */
function again(change: Change, index: number, step: StepState): void {
  if (!change.mayGoOn(index)) {
    const isCancelled = change.state.cancel_requested_at !== null || change.isUnwanted(index);
    abandon(change, index, step, isCancelled ? "cancelled" : "skipped");
    return;
  }
  step.attempt -= 1;
  step.status = "pending";
  change.touch(index, step);
  change.state.ready.unshift(index);
}

/** Takes an attempt out of flight, whatever comes next. */
function land(change: Change, index: number, step: StepState): void {
  change.touched.add(index);
  change.state.in_flight -= 1;
  if (step.resting) change.state.resting -= 1;
  step.resting = false;
  step.deadline_at = null;
  step.lease_until = null;
  step.stopping = null;
  step.alone = false;
}

function failed(change: Change, index: number, step: StepState, failure: Failure): void {
  const policy = change.planOf(index).retry;
  step.exit_code = failure.exit_code;
  const { code, message, locations } = failure;
  step.error = { code, message, ...(locations && { locations }) };
  const isTriedAgain =
    step.attempt < policy.max_attempts &&
    policy.on.includes(failure.reason) &&
    change.mayGoOn(index);
  if (!isTriedAgain) {
    end(change, index, step, "failed");
    return;
  }
  const spread = fraction(change.state.seed, index, step.attempt);
  step.status = "waiting";
  step.retry_at = change.now + retryDelayMs(policy, step.attempt, spread);
  change.touch(index, step);
  const { attempt, retry_at } = step;
  change.emit({ type: "step.waiting", step: index, attempt, retry_at });
}

/** Looks at what the clock says about a dispatch. */
export function attemptTimer(change: Change, index: number, step: StepState): void {
  if (step.stopping && change.due(step.stopping.give_up_at)) {
    finished(change, index, step, { status: "cancelled", unconfirmed: true });
  } else if (change.due(step.lease_until)) {
    const { durable } = change.planOf(index);
    if (step.status === "queued" || durable) send(change, index, step);
    else lost(change, index, step, "lease_expired");
  } else if (change.due(step.deadline_at)) stop(change, index, step, "timeout");
}

/** Gives a detached attempt a full lease, and repeats what a crash may have kept from being sent. */
export function regain(change: Change, index: number, step: StepState): void {
  step.lease_until = change.now + LEASE_MS;
  change.touch(index, step);
  if (step.stopping) stop(change, index, step, step.stopping.reason);
  else if (step.status === "queued" || change.planOf(index).durable) send(change, index, step);
}

/** An attached attempt ended with its process; one that was running is a suspect. */
export function died(change: Change, index: number, step: StepState, wasSole: boolean): void {
  if (step.status === "running") {
    if (step.suspicion === 0) change.state.suspects += 1;
    step.suspicion += 1;
    if (step.alone && wasSole) step.alone_deaths += 1;
  }
  lost(change, index, step, "process_died");
}

/** A loss of the infrastructure: the epoch rises with the next dispatch, the attempt does not. */
function lost(
  change: Change,
  index: number,
  step: StepState,
  cause: LossCause,
  told: { readonly usage?: Usage | undefined; readonly is_code_dead?: boolean | undefined } = {},
): void {
  const { stopping } = step;
  const { usage } = told;
  const isUnconfirmed = cause !== "process_died" && told.is_code_dead !== true;
  const hadStarted = step.status === "running";
  if (hadStarted) {
    const used = usage ? { usage } : {};
    change.emit({ type: "attempt.lost", ...dispatchOf(index, step), cause, ...used });
  }
  land(change, index, step);
  if (cause !== "process_died") step.error = isUnconfirmed ? UNCONFIRMED : null;
  if (stopping && stopping.reason !== "pause") {
    stopped(change, index, step, stopping.reason, hadStarted, isUnconfirmed);
    return;
  }
  if (cause !== "process_died") step.losses += 1;
  if (step.alone_deaths >= POISON_DEATHS) {
    step.error = POISONED;
    end(change, index, step, "failed");
  } else if (step.losses >= MAX_LOSSES) {
    step.losses = 0;
    failed(change, index, step, LOST);
  } else again(change, index, step);
}
