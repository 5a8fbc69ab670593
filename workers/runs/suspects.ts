/**
 * Poison containment within a run. Attempts in flight when the process died are suspects; each
 * runs again with no attached attempt starting beside it, until it has ended or passed its probation.
 */
import type { RunPlan, RunState, StepError } from "./types.ts";

/** A step that takes the process down this many times as the only suspect is failed. */
export const POISON_DEATHS = 2;

export const POISONED: StepError = {
  code: "poison",
  message:
    `The process that ran this step died or hung ${POISON_DEATHS} times while it ran alone. ` +
    "Look for an endless loop or a computation that never yields, and give it an end.",
};

/** Takes the next step that may start out of the ready queue; undefined when none may. */
export function takeReady(plan: RunPlan, state: RunState): number | undefined {
  if (state.suspects === 0) return state.ready.shift();
  const attached = (index: number) => plan.steps[index]?.attached === true;
  const occupied = state.steps.some((step) => step.alone);
  const suspect = occupied
    ? -1
    : state.ready.findIndex((index) => attached(index) && (state.steps[index]?.suspicion ?? 0) > 0);
  const position =
    suspect >= 0 ? suspect : state.ready.findIndex((index) => !occupied || !attached(index));
  return position < 0 ? undefined : state.ready.splice(position, 1)[0];
}

/** Whether exactly one attached attempt is running: the death of the process is then its doing. */
export function oneRunsAttached(plan: RunPlan, state: RunState): boolean {
  const running = state.steps.filter(
    (step, index) => step.status === "running" && plan.steps[index]?.attached === true,
  );
  return running.length === 1;
}
