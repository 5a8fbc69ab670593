/** Test support: what a run counts and keeps ready, counted anew from its steps. */
import {
  isHeld,
  isIntolerable,
  isOut,
  isOver,
  isSatisfying,
  isStopped,
  must,
  planAt,
} from "./machine-witness-rules.ts";
import { isTerminal } from "./state.ts";
import { SOLITARY_DEATHS } from "./suspects.ts";
import type { RunPlan, RunState, StepState } from "./types.ts";

export function judgeCounters(plan: RunPlan, old: RunState, state: RunState): void {
  const count = (test: (step: StepState, index: number) => boolean) =>
    state.steps.filter(test).length;
  must(state.in_flight === count(isOut), "in_flight is what is in flight");
  must(state.resting === count((step) => step.resting), "resting is what rests");
  state.steps.forEach((step, index) => {
    if (!step.resting) return;
    must(isOut(step) && planAt(plan, state, index).durable, `step ${index} rests`);
  });
  must(state.in_flight <= plan.max_parallel, "max_parallel");
  must(state.open_steps === count((step) => !isOver(step)), "open_steps is what has not ended");
  must(state.deciding === count((step) => step.deciding), "deciding is what is asked about");
  must(
    state.suspects === count((step) => !isOver(step) && step.suspicion > 0),
    "suspects is what is open",
  );
  const failed = count((step, index) => {
    const was = old.steps[index];
    if (step.group !== null || !isOver(step) || (was && isOver(was))) return false;
    const isAlone = step.status === "cancelled" && state.cancel_requested_at === null;
    return isAlone || isIntolerable(step, plan.steps[index]);
  });
  must(state.failures === old.failures + failed, "failures is what failed");
  must(
    isTerminal(state) === (state.open_steps === 0 && !state.concluding),
    "the run ends with its last step, once its outputs are there",
  );
  must(!state.concluding || state.open_steps === 0, "outputs are made of steps that have ended");
  must(state.status !== "paused" || state.in_flight === 0, "a paused run has nothing in flight");
  judgeIndex(state);
  judgeNeeds(plan, state);
  judgeRoom(plan, state, count);
}

/** `timed` and `ready` hold what they say, and all of it. */
function judgeIndex(state: RunState): void {
  const timed = new Set<number>();
  state.steps.forEach((step, index) => {
    if (isOut(step) || step.status === "waiting") timed.add(index);
    must((step.completed_at !== null) === isOver(step), `step ${index} has an end when it ended`);
    must(!step.deciding || step.status === "pending", `step ${index} is decided before it begins`);
    must(!step.abandoned || step.status !== "completed", `step ${index} completed, abandoned`);
  });
  must(
    timed.size === state.timed.size && [...timed].every((index) => state.timed.has(index)),
    "timed is what the clock may meet",
  );
  must(new Set(state.ready).size === state.ready.length, "ready has no duplicates");
  for (const index of state.ready) {
    const step = state.steps[index];
    must(step?.status === "pending" && !step.deciding, `ready step ${index} is ${step?.status}`);
  }
}

/** What a step knows of those that it needs, and that it is not forgotten once they have ended. */
function judgeNeeds(plan: RunPlan, state: RunState): void {
  const ready = new Set(state.ready);
  plan.steps.forEach(({ needs }, index) => {
    const step = state.steps[index];
    if (step?.status !== "pending") return;
    const all = needs.map((need) => ({ step: state.steps[need], plan: plan.steps[need] }));
    const ended = all.filter((need) => need.step && isOver(need.step));
    must(
      step.open_needs === needs.length - ended.length,
      `step ${index} counts ${step.open_needs} open needs`,
    );
    const flags = {
      blocked: ended.some((need) => !isSatisfying(need.step, need.plan)),
      failed_above: ended.some((need) => {
        const isStopped = need.step?.status === "skipped" && need.step.abandoned;
        const isFailed = need.step?.failed_above === true || isIntolerable(need.step, need.plan);
        return isStopped || isFailed;
      }),
      cancelled_above: ended.some((need) => {
        return need.step?.cancelled_above === true || need.step?.status === "cancelled";
      }),
    };
    const { blocked, failed_above, cancelled_above } = step;
    must(
      JSON.stringify({ blocked, failed_above, cancelled_above }) === JSON.stringify(flags),
      `step ${index} knows what became of its needs`,
    );
    const isFree = state.begun && step.open_needs === 0;
    must(!isFree || step.deciding || ready.has(index), `step ${index} is forgotten`);
    must(isFree || !(step.deciding || ready.has(index)), `step ${index} is early`);
  });
}

/** What is ready starts while there is room for it. */
function judgeRoom(
  plan: RunPlan,
  state: RunState,
  count: (test: (step: StepState, index: number) => boolean) => number,
): void {
  const attached = count((step, index) => isOut(step) && planAt(plan, state, index).attached);
  must(count((step) => step.alone) <= 1, "suspects run one at a time");
  if (state.steps.some((step) => step.alone && step.suspicion >= SOLITARY_DEATHS)) {
    must(attached === 1, "a solitary suspect runs with nothing attached beside it");
  }
  if (isTerminal(state)) return;
  for (const index of state.ready) {
    must(!isStopped(plan, state, index), `step ${index} waits to begin after a failure`);
  }
  const hasSlot = !plan.slotted || state.slot === "held";
  if (isHeld(state) || !hasSlot) return;
  if (state.ready.length === 0 || state.in_flight >= plan.max_parallel) return;
  const waits = state.ready.some(
    (index) => (state.steps[index]?.suspicion ?? 0) >= SOLITARY_DEATHS,
  );
  const room = count((step) => step.alone) === 0 && !(waits && attached > 0);
  must(!room, "what is ready starts while there is room");
  for (const index of state.ready) {
    must(planAt(plan, state, index).attached, `detached step ${index} waits for suspects`);
  }
}
