/** Test support: the words in which the invariants of a run are said. */
import type { RunPlan, RunState, StepPlan, StepState, StepStatus } from "./types.ts";

export function must(holds: boolean, says: string): void {
  if (!holds) throw new Error(`broken invariant: ${says}`);
}

const ENDED: readonly StepStatus[] = ["completed", "failed", "cancelled", "skipped"];

export function isOver({ status }: Pick<StepState, "status">): boolean {
  return ENDED.includes(status);
}

/** Whether an attempt of it is out; a group that runs has none of its own. */
export function isOut({ status, items }: Pick<StepState, "status" | "items">): boolean {
  return items === null && (status === "queued" || status === "running");
}

/** Whether an attempt is out that does more than wait. */
export function isActive(step: StepState): boolean {
  return isOut(step) && !step.resting;
}

/** The plan of a step, of an item its group's. */
export function planAt(plan: RunPlan, state: RunState, index: number): StepPlan {
  const found = plan.steps[state.steps[index]?.group ?? index];
  if (!found) throw new Error(`broken invariant: there is no step ${index}`);
  return found;
}

/** Whether what a step came to satisfies those that need it. */
export function isSatisfying(step: StepState | undefined, plan: StepPlan | undefined): boolean {
  const isTolerated = step?.status === "failed" && plan?.continue_on_error === true;
  return step?.status === "completed" || isTolerated;
}

export function isIntolerable(step: StepState | undefined, plan: StepPlan | undefined): boolean {
  return step?.status === "failed" && plan?.continue_on_error !== true;
}

/** Whether nothing new may begin, as far as the whole run is concerned. */
export function isHeld(state: RunState): boolean {
  return (
    !state.begun || state.pause_requested || state.expired || state.cancel_requested_at !== null
  );
}

/** Whether the failure of others keeps a step from beginning. */
export function isStopped(plan: RunPlan, state: RunState, index: number): boolean {
  const asksStatus = planAt(plan, state, index).condition?.calls_status === true;
  return plan.stop_on_failure && state.failures > 0 && !asksStatus;
}

/** The items of a group, with their indexes. */
export function itemsOf(state: RunState, group: number): readonly (readonly [number, StepState])[] {
  const items = state.steps[group]?.items;
  if (!items) return [];
  return state.steps
    .slice(items.first, items.first + items.count)
    .map((step, place) => [items.first + place, step] as const);
}
