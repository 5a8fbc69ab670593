/** How steps become ready and end, and what that means for those that depend on them. */
import {
  dependents,
  hasEnded,
  isEnding,
  isInFlight,
  MAX_STEPS,
  newStep,
  STEP_CANCELLED,
} from "../state.ts";
import type { GroupState, StepState, StepStatus, Verdict } from "../types.ts";
import type { Change } from "./change.ts";
import { markStarted } from "./clock.ts";
import { stop } from "./stop.ts";

type Ended = Extract<StepStatus, "completed" | "failed" | "cancelled" | "skipped">;

/** What is left to be said of steps that have ended, worked off without recursion. */
type Endings = [index: number, step: StepState, status: Ended][];

/** Makes a step ready whose needs have ended, asks about it, or ends it. */
export function considerStep(change: Change, index: number, step: StepState): void {
  const endings: Endings = [];
  consider(change, index, step, endings);
  settleEndings(change, endings);
}

function consider(change: Change, index: number, step: StepState, endings: Endings): void {
  const plan = change.planOf(index);
  const asksStatus = plan.condition?.calls_status === true;
  if (step.blocked && !asksStatus && !isEnding(change.state)) {
    skip(change, index, step, "skipped", endings);
  } else if (!change.mayGoOn(index)) {
    const isCancelled = change.state.cancel_requested_at !== null;
    step.abandoned = true;
    skip(change, index, step, isCancelled ? "cancelled" : "skipped", endings);
  } else if (plan.condition || plan.matrix || (plan.gate?.type === "duration" && !plan.gate.ms)) {
    step.deciding = true;
    change.state.deciding += 1;
    change.touch(index, step);
    change.effects.push({ type: "decide", step: index });
  } else if (plan.gate) openGate(change, index, step, plan.gate.ms);
  else change.state.ready.push(index);
}

/** Applies the answer about a step; one that nobody waits for any more changes nothing. */
export function decided(change: Change, index: number, verdict: Verdict): void {
  const step = change.state.steps[index];
  if (!step?.deciding) return;
  undecide(change, step);
  change.touch(index, step);
  const { gate } = change.planOf(index);
  switch (verdict.do) {
    case "run":
      if (gate) openGate(change, index, step, verdict.wait_ms ?? gate.ms);
      else change.state.ready.push(index);
      break;
    case "skip":
      change.emit({ type: "step.skipped", step: index });
      end(change, index, step, "skipped");
      break;
    case "expand":
      expand(change, index, step, verdict.items);
      break;
    case "fail":
      fail(change, index, step, verdict.error);
  }
}

function undecide(change: Change, step: StepState): void {
  if (!step.deciding) return;
  step.deciding = false;
  change.state.deciding -= 1;
}

/** Ends a step that had no attempt. */
export function fail(
  change: Change,
  index: number,
  step: StepState,
  error: StepState["error"],
): void {
  step.error = error;
  change.emit({ type: "step.failed", step: index, error });
  end(change, index, step, "failed");
}

/** Opens a gate for `ms`, null for no limit; a signal that came before passes it at once. */
function openGate(change: Change, index: number, step: StepState, ms: number | null): void {
  const { gate } = change.planOf(index);
  if (!gate) return;
  markStarted(change);
  step.status = "waiting";
  step.started_at = change.now;
  step.gate_until = ms === null ? null : change.now + ms;
  change.touch(index, step);
  change.emit({ type: "gate.opened", step: index, gate: gate.type, until: step.gate_until });
  const known = change.state.signals.findIndex(({ name }) => name === gate.signal);
  const [signal] = known < 0 ? [] : change.state.signals.splice(known, 1);
  if (signal) pass(change, index, step, signal.id);
}

/** Ends the wait at a gate. `signalId` names the signal that did, if one did. */
export function pass(
  change: Change,
  index: number,
  step: StepState,
  signalId: string | null,
): void {
  if (signalId !== null) change.effects.push({ type: "take_signal", step: index, id: signalId });
  change.emit({ type: "step.completed", step: index, error: null });
  end(change, index, step, "completed");
}

function expand(change: Change, index: number, step: StepState, count: number): void {
  const { state } = change;
  if (state.steps.length + count > MAX_STEPS) {
    fail(change, index, step, {
      code: "too_many_steps",
      message: `The matrix of ${count} items takes the run past ${MAX_STEPS} steps. Part it into sub-pipelines.`,
    });
    return;
  }
  const first = state.steps.length;
  for (let item = 0; item < count; item += 1) {
    state.steps.push(newStep(0, index, item));
    change.touched.add(first + item);
  }
  state.open_steps += count;
  markStarted(change);
  step.items = { first, count, open: count, active: 0, next: 0, failed: 0, cancelled: 0 };
  step.started_at = change.now;
  step.status = "running";
  change.touch(index, step);
  change.emit({ type: "step.expanded", step: index, items: count });
  if (count === 0) {
    change.emit({ type: "step.completed", step: index, error: null });
    end(change, index, step, "completed");
  } else releaseItems(change, index, step.items);
}

/** Makes as many items of a group ready as may run beside each other. */
export function releaseItems(change: Change, group: number, items: GroupState): void {
  if (!change.mayGoOn(group)) return;
  const limit = change.planOf(group).matrix?.max_parallel ?? items.count;
  const before = items.next;
  while (items.next < items.count && items.active < limit) {
    const index = items.first + items.next;
    items.next += 1;
    const item = change.state.steps[index];
    if (!item || hasEnded(item)) continue;
    items.active += 1;
    change.state.ready.push(index);
  }
  if (items.next !== before) change.touched.add(group);
}

/** Ends a step and lets those know that it matters to. */
export function end(change: Change, index: number, step: StepState, status: Ended): void {
  settleEndings(change, [[index, step, status]]);
}

/** Ends a step that does not start, or not again. */
export function abandon(
  change: Change,
  index: number,
  step: StepState,
  status: "cancelled" | "skipped",
): void {
  const endings: Endings = [];
  step.abandoned = true;
  skip(change, index, step, status, endings);
  settleEndings(change, endings);
}

/**
 * Ends every step that has not begun and, after a failure, does not ask for the status of others.
 * After a failure what still needs something ends after it, so that what asks for the status of
 * others never begins beside a step that it depends on, however far.
 */
export function abandonUnstarted(change: Change, status: "cancelled" | "skipped"): void {
  const { steps } = change.state;
  change.state.ready = change.state.ready.filter((index) => change.mayGoOn(index));
  for (let index = 0; index < steps.length; index += 1) {
    const step = steps[index];
    if (!step || (step.status !== "pending" && step.status !== "waiting")) continue;
    if (step.open_needs > 0 && !isEnding(change.state)) continue;
    if (!change.mayGoOn(index)) abandon(change, index, step, status);
  }
}

function skip(
  change: Change,
  index: number,
  step: StepState,
  status: "cancelled" | "skipped",
  endings: Endings,
): void {
  change.emit({ type: status === "cancelled" ? "step.cancelled" : "step.skipped", step: index });
  endings.push([index, step, status]);
}

function settleEndings(change: Change, endings: Endings): void {
  for (let ending = endings.pop(); ending; ending = endings.pop()) {
    const [index, step, status] = ending;
    if (hasEnded(step)) continue;
    close(change, index, step, status);
    if (step.group !== null) itemEnded(change, step.group, step, status, endings);
    else tellDependents(change, index, step, status, endings);
  }
}

function close(change: Change, index: number, step: StepState, status: Ended): void {
  undecide(change, step);
  step.status = status;
  step.completed_at = change.now;
  step.retry_at = null;
  step.gate_until = null;
  change.touch(index, step);
  change.state.open_steps -= 1;
  if (step.suspicion > 0) change.state.suspects -= 1;
}

function tellDependents(
  change: Change,
  index: number,
  step: StepState,
  status: Ended,
  endings: Endings,
): void {
  const { state } = change;
  const isTolerated = change.planOf(index).continue_on_error;
  const isFailure = status === "failed" && !isTolerated;
  const isCancelledAlone = status === "cancelled" && state.cancel_requested_at === null;
  if (isFailure || isCancelledAlone) {
    if (state.failures === 0) change.stopsStarting = change.plan.stop_on_failure;
    state.failures += 1;
    state.error ??= step.error ?? STEP_CANCELLED;
  }
  const isStopped = status === "skipped" && step.abandoned;
  const isSatisfied = status === "completed" || (status === "failed" && isTolerated);
  for (const next of dependents(change.plan)[index] ?? []) {
    const dependent = state.steps[next];
    if (dependent?.status !== "pending") continue;
    dependent.open_needs -= 1;
    if (!isSatisfied) dependent.blocked = true;
    if (isFailure || isStopped || step.failed_above) dependent.failed_above = true;
    if (status === "cancelled" || step.cancelled_above) dependent.cancelled_above = true;
    change.touched.add(next);
    if (dependent.open_needs === 0) consider(change, next, dependent, endings);
  }
}

function itemEnded(
  change: Change,
  group: number,
  item: StepState,
  status: Ended,
  endings: Endings,
): void {
  const step = change.state.steps[group];
  const items = step?.items;
  if (!step || !items) return;
  change.touched.add(group);
  items.open -= 1;
  if ((item.item ?? 0) < items.next) items.active -= 1;
  const failsFast = change.planOf(group).matrix?.fail_fast === true;
  // What a failure beside it keeps from running belongs to that failure, and is not left to be done.
  if (item.abandoned && !(failsFast && items.failed > 0)) step.abandoned = true;
  if (status === "failed") {
    items.failed += 1;
    step.error ??= item.error;
    if (failsFast && items.failed === 1) stopItems(change, items, endings);
  }
  if (status === "cancelled") items.cancelled += 1;
  if (items.open > 0) releaseItems(change, group, items);
  else if (!hasEnded(step)) {
    const ended = groupStatus(step, items);
    if (ended === "completed" || ended === "failed") {
      change.emit({ type: `step.${ended}`, step: group, error: step.error });
      endings.push([group, step, ended]);
    } else skip(change, group, step, ended, endings);
  }
}

function groupStatus(step: StepState, items: GroupState): Ended {
  if (items.failed > 0) return "failed";
  if (items.cancelled > 0) return "cancelled";
  return step.abandoned ? "skipped" : "completed";
}

/** After the first failure of a group that fails fast, its other items are not wanted any more. */
function stopItems(change: Change, items: GroupState, endings: Endings): void {
  const { state } = change;
  const last = items.first + items.count;
  const isOurs = (index: number) => index >= items.first && index < last;
  state.ready = state.ready.filter((index) => !isOurs(index));
  for (let index = items.first; index < last; index += 1) {
    const item = state.steps[index];
    if (!item || hasEnded(item)) continue;
    // Those that were not made ready count as begun, so that none is made ready from now on.
    if (index - items.first >= items.next) items.active += 1;
    if (isInFlight(item)) {
      if (!item.stopping) stop(change, index, item, "fail_fast");
      continue;
    }
    item.abandoned = true;
    skip(change, index, item, "cancelled", endings);
  }
  items.next = items.count;
}
