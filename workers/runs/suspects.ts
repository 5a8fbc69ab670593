/**
 * Poison containment within a run. Attempts in flight when the process died are suspects; each
 * runs again with no attached attempt starting beside it, until it has ended or passed its
 * probation. A poison step is failed after SOLITARY_DEATHS + POISON_DEATHS deaths at most.
 */
import { isInFlight, planOf } from "./state.ts";
import type { RunPlan, RunState, StepError, StepState } from "./types.ts";

/** A step that takes the process down this many times as the only suspect is failed. */
export const POISON_DEATHS = 2;

/** A step that died with the process this many times runs with nothing attached beside it at all. */
export const SOLITARY_DEATHS = 3;

export const POISONED: StepError = {
  code: "poison",
  message:
    `The process that ran this step died or hung ${POISON_DEATHS} times while it ran alone. ` +
    "Look for an endless loop or a computation that never yields, and give it an end.",
};

/** Whether a suspect that has run for a while may have others start beside it. */
export function earnsProbation(step: StepState): boolean {
  return step.suspicion < SOLITARY_DEATHS;
}

/** Takes the next step that may start out of the ready queue; undefined when none may. */
export function takeReady(plan: RunPlan, state: RunState): number | undefined {
  if (state.suspects === 0) return state.ready.shift();
  const attached = (index: number) => planOf(plan, state, index).attached;
  const live = attachedInFlight(plan, state);
  const occupied = live.some((step) => step.alone);
  const suspects = state.ready.filter((index) => attached(index) && suspicionOf(state, index) > 0);
  const next = suspects.find(
    (index) => live.length === 0 || suspicionOf(state, index) < SOLITARY_DEATHS,
  );
  // What waits to run alone is not kept waiting by what would start before it.
  const held = occupied || suspects.length > 0;
  const chosen =
    next !== undefined && !occupied ? next : state.ready.find((index) => !held || !attached(index));
  if (chosen !== undefined) state.ready.splice(state.ready.indexOf(chosen), 1);
  return chosen;
}

function suspicionOf(state: RunState, index: number): number {
  return state.steps[index]?.suspicion ?? 0;
}

/** Whether exactly one attached attempt is running: the death of the process is then its doing. */
export function oneRunsAttached(plan: RunPlan, state: RunState): boolean {
  return attachedInFlight(plan, state).filter(({ status }) => status === "running").length === 1;
}

function attachedInFlight(plan: RunPlan, state: RunState): StepState[] {
  return [...state.timed].flatMap((index) => {
    const step = state.steps[index];
    return step && isInFlight(step) && planOf(plan, state, index).attached ? [step] : [];
  });
}
