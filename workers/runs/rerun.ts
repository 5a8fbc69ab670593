/**
 * What a retry runs again, and the state that it begins with. Run again is what failed, what was
 * cancelled or never ran, the step asked for, and all that depends on any of it; the rest is reused.
 * A failure that `continue_on_error` tolerates is a result like others.
 */
import { dependents, hasEnded, newStep, runOf } from "./state.ts";
import type { RunPlan, RunState, StepState } from "./types.ts";

export interface Rerun {
  readonly state: RunState;
  /** Indexes, in the new state, of the steps that run again. */
  readonly rerun: readonly number[];
  /** For each reused step, by its index in the new state, its index in the old one. */
  readonly reuse: ReadonlyMap<number, number>;
}

/** `from` is the index of a step or an item of `old`, the run numbered `run`; null for none. */
export function planRerun(
  plan: RunPlan,
  old: RunState,
  run: number,
  from: number | null,
  seed: number,
): Rerun {
  const again = stepsAgain(plan, old, from);
  const steps: StepState[] = plan.steps.map((step, index) => {
    const was = old.steps[index];
    if (was && !again.has(index)) return reused(was, run, null);
    const open = step.needs.filter((need) => again.has(need)).length;
    const isBlocked = step.needs.some((need) => !again.has(need) && !satisfies(plan, old, need));
    return { ...newStep(open, null, null), blocked: isBlocked };
  });
  const reuse = new Map<number, number>();
  const rerun: number[] = [];
  plan.steps.forEach((_, index) => {
    if (again.has(index)) rerun.push(index);
    else reuse.set(index, index);
  });
  for (let group = 0; group < plan.steps.length; group += 1) {
    const step = steps[group];
    const items = old.steps[group]?.items;
    if (!step || !items) continue;
    const isAgain = again.has(group);
    const isKept = isAgain && keepsItems(plan, old, again, group, from);
    if (isAgain && !isKept) continue;
    const first = steps.length;
    let open = 0;
    for (let item = 0; item < items.count; item += 1) {
      const index = items.first + item;
      const was = old.steps[index];
      if (was && !(isAgain && isItemAgain(plan, was, index, group, from))) {
        reuse.set(steps.length, index);
        steps.push(reused(was, run, group));
      } else {
        open += 1;
        rerun.push(steps.length);
        steps.push(newStep(0, group, item));
      }
    }
    if (!isKept) step.items = { ...items, first };
    else {
      step.status = "running";
      step.items = { first, count: items.count, open, active: 0, next: 0, failed: 0, cancelled: 0 };
      reuse.set(group, group);
    }
  }
  return { state: runOf(steps, seed), rerun, reuse };
}

/** Indexes of the steps of the plan that run again, groups of which some items do included. */
function stepsAgain(plan: RunPlan, old: RunState, from: number | null): ReadonlySet<number> {
  const again = new Set<number>();
  const next: number[] = [];
  const add = (index: number) => {
    if (again.has(index)) return;
    again.add(index);
    next.push(index);
  };
  old.steps.forEach((step, index) => {
    if (step.group !== null) {
      if (index === from) add(step.group);
    } else if (index === from || !isSettled(plan, step, index)) add(index);
  });
  for (let index = next.pop(); index !== undefined; index = next.pop()) {
    for (const dependent of dependents(plan)[index] ?? []) add(dependent);
  }
  return again;
}

/** Whether what a step came to can stand in another run. */
function isSettled(plan: RunPlan, step: StepState, planned: number): boolean {
  if (!hasEnded(step) || step.abandoned || step.status === "cancelled") return false;
  return step.status !== "failed" || plan.steps[planned]?.continue_on_error === true;
}

function satisfies(plan: RunPlan, old: RunState, index: number): boolean {
  const status = old.steps[index]?.status;
  return (
    status === "completed" || (status === "failed" && plan.steps[index]?.continue_on_error === true)
  );
}

/** A group that would be expanded from the same results keeps its items, and runs only some again. */
function keepsItems(
  plan: RunPlan,
  old: RunState,
  again: ReadonlySet<number>,
  group: number,
  from: number | null,
): boolean {
  const items = old.steps[group]?.items;
  if (!items || group === from) return false;
  if (plan.steps[group]?.needs.some((need) => again.has(need))) return false;
  for (let index = items.first; index < items.first + items.count; index += 1) {
    const item = old.steps[index];
    if (item && isItemAgain(plan, item, index, group, from)) return true;
  }
  return false;
}

/** Of a group that runs again with the items that it has: whether this one does. */
function isItemAgain(
  plan: RunPlan,
  item: StepState,
  index: number,
  group: number,
  from: number | null,
): boolean {
  return index === from || !isSettled(plan, item, group);
}

function reused(was: StepState, run: number, group: number | null): StepState {
  return {
    ...was,
    group,
    reused_from: was.reused_from ?? { run, epoch: was.epoch },
    items: was.items && { ...was.items },
  };
}
