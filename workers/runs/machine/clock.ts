/** A run's own time and its slot count while something is under way, not while it only waits. */
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

/** Whether the run may dispatch as far as slots are concerned; asks for one when it has none. */
export function hasSlot(change: Change): boolean {
  const { plan, state } = change;
  if (!plan.slotted || state.slot === "held") return true;
  if (state.slot === "none" && state.ready.length > 0) {
    state.slot = "asked";
    // One that has rested queues again, and says so.
    if (state.in_flight === 0 && state.status === "running") state.status = "queued";
    change.effects.push({ type: "acquire_slot" });
  }
  return false;
}

function isIdle({ state }: Change): boolean {
  if (state.in_flight > 0 || state.deciding > 0 || state.expired) return false;
  if (state.pause_requested) return true;
  if (state.ready.length > 0) return state.slot === "asked";
  for (const index of state.timed) {
    const step = state.steps[index];
    if (step && step.retry_at !== null) return false;
  }
  return true;
}
