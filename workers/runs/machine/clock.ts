/** A run's own time and its slot count while something is under way, not while it only waits. */
import type { StepState } from "../types.ts";
import type { Change } from "./change.ts";

/** Something of the run has begun: an attempt, a group or a gate. */
export function markStarted(change: Change): void {
  const { state, now } = change;
  if (state.status === "queued") state.status = "running";
  if (state.started_at !== null) return;
  state.started_at = now;
  if (change.plan.timeout_ms !== null) state.deadline_at = now + change.plan.timeout_ms;
  change.emit({ type: "run.started" });
}

/** Lets the run's time go on. */
export function startClock(change: Change): void {
  const { state } = change;
  if (state.remaining_ms === null) return;
  state.deadline_at = change.now + state.remaining_ms;
  state.remaining_ms = null;
}

/** Stops the run's time and gives its slot back when nothing is under way. */
export function rest(change: Change): void {
  const { state } = change;
  if (!isIdle(change)) return;
  if (state.deadline_at !== null) {
    state.remaining_ms = Math.max(0, state.deadline_at - change.now);
    state.deadline_at = null;
  }
  if (state.slot === "held" || (state.slot === "asked" && state.pause_requested)) {
    giveBackSlot(change);
  }
}

export function giveBackSlot(change: Change): void {
  if (change.state.slot === "none") return;
  change.state.slot = "none";
  change.effects.push({ type: "release_slot" });
}

/** What is in flight goes on; nothing is dispatched until the run has a slot again. */
export function slotLost(change: Change): void {
  if (change.state.slot !== "held") return;
  change.state.slot = "asked";
  change.effects.push({ type: "acquire_slot" });
}

/**
 * Notes whether a durable step only waits where it runs. While all that is in flight does, the run
 * keeps no slot for it; one that is being stopped is past that.
 */
export function noteRest(change: Change, index: number, step: StepState, resting: boolean): void {
  if (step.resting === resting || step.stopping || !change.planOf(index).durable) return;
  step.resting = resting;
  change.state.resting += resting ? 1 : -1;
  change.touched.add(index);
  change.emit({ type: resting ? "step.resting" : "step.resumed", step: index });
}

/** What is in flight and does not rest has the run's slot, and its time; without one it asks. */
export function carryOn(change: Change): void {
  const { plan, state } = change;
  if (state.in_flight === state.resting) return;
  if (!plan.slotted || state.slot === "held") startClock(change);
  else if (state.slot === "none") askForSlot(change);
}

/** Whether the run may dispatch as far as slots are concerned; asks for one when it has none. */
export function hasSlot(change: Change): boolean {
  const { plan, state } = change;
  if (!plan.slotted || state.slot === "held") return true;
  if (state.slot === "none" && hasWork(change)) {
    // One that has rested queues again, and says so.
    if (state.in_flight === 0 && state.status === "running") state.status = "queued";
    askForSlot(change);
  }
  return false;
}

function askForSlot(change: Change): void {
  change.state.slot = "asked";
  change.effects.push({ type: "acquire_slot" });
}

/** Whether something is ready and has a place: what rests keeps its own. */
function hasWork({ plan, state }: Change): boolean {
  return state.ready.length > 0 && state.in_flight < plan.max_parallel;
}

function isIdle(change: Change): boolean {
  const { state } = change;
  if (state.in_flight > state.resting || state.deciding > 0 || state.expired) return false;
  if (state.pause_requested) return true;
  if (hasWork(change)) return state.slot === "asked";
  for (const index of state.timed) {
    const step = state.steps[index];
    if (step && step.retry_at !== null) return false;
  }
  return true;
}
