/** Test support: what a run waits for, what holds its slot, and what its clock says. */
import { nextDeadline } from "./machine.ts";
import { isActive, isOut, must, planAt } from "./machine-witness-rules.ts";
import { isTerminal } from "./state.ts";
import type { Effect, RunEvent, RunPlan, RunState, Transition } from "./types.ts";

/** Everything that can wait for ever has a time at which it stops waiting. */
export function judgeDeadlines(plan: RunPlan, state: RunState): void {
  if (isTerminal(state)) return;
  const next = nextDeadline(state) ?? Number.POSITIVE_INFINITY;
  const wakes = (at: number | null | undefined, what: string) =>
    must(typeof at === "number" && next <= at, `${what} is due at ${at}, the timer at ${next}`);
  const isEnding = state.expired || state.cancel_requested_at !== null;
  if (state.deadline_at !== null && !isEnding) wakes(state.deadline_at, "the run");
  state.steps.forEach((step, index) => {
    if (step.status === "waiting") {
      const { gate } = planAt(plan, state, index);
      must(!gate || step.retry_at === null, `gate ${index} is tried again`);
      if (!gate && !state.pause_requested) wakes(step.retry_at, `retry ${index}`);
      if (gate && (step.gate_until !== null || gate.type === "duration" || gate.ms !== null)) {
        wakes(step.gate_until, `gate ${index}`);
      }
    }
    if (!isOut(step)) return;
    if (step.stopping) wakes(step.stopping.give_up_at, `kill ${index}`);
    else if (step.status === "running") wakes(step.deadline_at, `deadline ${index}`);
    const { attached } = planAt(plan, state, index);
    if (!attached && !step.stopping && !step.resting) wakes(step.lease_until, `lease ${index}`);
  });
}

/** A run's time passes while something of it is under way, and stands while it only waits. */
export function judgeClock(plan: RunPlan, state: RunState): void {
  if (isTerminal(state)) return;
  const isStopped = state.remaining_ms !== null;
  const isEnding = state.expired || state.cancel_requested_at !== null;
  const hasSlot = !plan.slotted || state.slot === "held";
  const isUnderWay = state.steps.some(isActive) && hasSlot && !isEnding;
  must(!isStopped || !isUnderWay, "the clock stands while something is under way");
  must(!isStopped || state.deadline_at === null, "the clock stands and runs");
  const isStarted = state.started_at !== null && plan.timeout_ms !== null;
  must(
    isStarted === (isStopped || state.deadline_at !== null),
    "a run that has started has its time, once it has one",
  );
  if (isResting(plan, state) && !state.expired && !state.concluding) {
    must(state.deadline_at === null, "the time of a run passes that only waits");
  }
}

/** Written from the words: nothing is under way, and nothing is about to be. */
function isResting(plan: RunPlan, state: RunState): boolean {
  if (state.steps.some(isActive) || state.deciding > 0) return false;
  if (state.pause_requested) return true;
  const isStill = state.ready.length === 0 || state.in_flight >= plan.max_parallel;
  return isStill && state.steps.every((step) => step.retry_at === null);
}

export function judgeSlot(
  plan: RunPlan,
  old: RunState,
  event: RunEvent,
  { state, effects }: Transition,
): void {
  const count = (type: Effect["type"]) => effects.filter((each) => each.type === type).length;
  must(plan.slotted || state.slot === "none", "a run that needs no slot has one");
  must(!isTerminal(state) || state.slot === "none", "the end gives the slot back");
  const isTaken = old.slot !== "none" && state.slot === "none";
  must(count("release_slot") === (isTaken ? 1 : 0), "a slot is given back when it is not wanted");
  const wants = state.slot === "asked" && (old.slot !== "asked" || event.type === "recovered");
  if (wants) must(count("acquire_slot") === 1, "a slot is asked for");
  else must(count("acquire_slot") <= (event.type === "recovered" ? 1 : 0), "one slot is asked for");
  must(
    state.slot !== "held" || old.slot === "held" || event.type === "slot_granted",
    "a slot is held that nobody granted",
  );
  const isIdle =
    isResting(plan, state) && !state.expired && !state.concluding && !isTerminal(state);
  if (isIdle) must(state.slot !== "held", "a slot is held by a run that only waits");
  if (isIdle && state.pause_requested) must(state.slot === "none", "a paused run queues");
  const isEnding = state.expired || state.cancel_requested_at !== null;
  if (plan.slotted && !isEnding && state.steps.some(isActive)) {
    must(state.slot !== "none", "what is under way has a slot, or queues for one");
  }
  for (const effect of effects) {
    if (effect.type !== "dispatch" || effect.epoch === old.steps[effect.step]?.epoch) continue;
    must(!plan.slotted || state.slot === "held", `step ${effect.step} begins without a slot`);
  }
}

/** What is asked of the shell is asked once, and again after a crash. */
export function judgeQuestions(
  plan: RunPlan,
  old: RunState,
  event: RunEvent,
  transition: Transition,
): void {
  const { state, effects } = transition;
  const isAgain = event.type === "recovered";
  state.steps.forEach((step, index) => {
    const asked = effects.filter((each) => each.type === "decide" && each.step === index).length;
    const isNew = step.deciding && !old.steps[index]?.deciding;
    // One that the same event ends after all may have been asked about.
    if (!step.deciding) must(asked <= 1, `step ${index} is asked about ${asked} times`);
    else must(asked === (isNew || isAgain ? 1 : 0), `step ${index} is asked about ${asked} times`);
  });
  const asked = effects.filter(({ type }) => type === "conclude").length;
  const isNew = state.concluding && !old.concluding;
  must(asked === (state.concluding && (isNew || isAgain) ? 1 : 0), `outputs asked ${asked} times`);
  const isCompleted = state.status === "completed" && !isTerminal(old);
  must(
    !isCompleted || !plan.concludes || (old.concluding && event.type === "concluded"),
    "the run completes without its outputs",
  );
}
