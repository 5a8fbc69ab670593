/**
 * What a retry runs again, and the state that it begins with. Run again is what failed, what was
 * cancelled or never ran, the step asked for, and all that depends on any of it; the rest is reused.
 * A failure that `continue_on_error` tolerates is a result like others; of a group that fails fast
 * it is one as a whole, with the items that it stopped.
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
    const isKept = again.has(group) && keepsItems(plan, old, again, group, from);
    if (again.has(group) && !isKept) continue;
    const first = steps.length;
    let open = 0;
    for (let item = 0; item < items.count; item += 1) {
      const index = items.first + item;
      const was = old.steps[index];
      if (was && !again.has(index)) {
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
      const failed = steps.slice(first).filter((item) => item.status === "failed").length;
      step.items = { first, count: items.count, open, active: 0, next: 0, failed, cancelled: 0 };
      reuse.set(group, group);
    }
  }
  return { state: runOf(steps, seed), rerun, reuse };
}

/** Indexes, in the old state, of what runs again: steps of the plan, and items of kept groups. */
function stepsAgain(plan: RunPlan, old: RunState, from: number | null): ReadonlySet<number> {
  const again = new Set<number>();
  const next: number[] = [];
  const add = (index: number) => {
    if (again.has(index)) return;
    again.add(index);
    next.push(index);
  };
  plan.steps.forEach((_, index) => {
    const items = old.steps[index]?.items;
    const isFrom = from !== null && (from === index || old.steps[from]?.group === index);
    if (isFrom || !isSettled(plan, old, index)) add(index);
    else if (items && !hasFailedFast(plan, old, index)) {
      if (openItems(plan, old, index, from).length > 0) add(index);
    }
  });
  for (let index = next.pop(); index !== undefined; index = next.pop()) {
    for (const dependent of dependents(plan)[index] ?? []) add(dependent);
  }
  // What a group that stands came to, it came to with all its items.
  for (const group of [...again]) {
    for (const item of openItems(plan, old, group, from)) again.add(item);
  }
  return again;
}

/** Items of a group that cannot stand, or are asked for. */
function openItems(plan: RunPlan, old: RunState, group: number, from: number | null): number[] {
  const items = old.steps[group]?.items;
  if (!items) return [];
  const indexes = Array.from({ length: items.count }, (_, item) => items.first + item);
  return indexes.filter((index) => index === from || !isSettled(plan, old, index));
}

/** Whether what a step came to can stand in another run. */
function isSettled(plan: RunPlan, old: RunState, index: number): boolean {
  const step = old.steps[index];
  if (!step || !hasEnded(step) || step.status === "cancelled") return false;
  // It was to end with the first failure of an item: those that did not begin are part of that.
  if (hasFailedFast(plan, old, index)) return isTolerated(plan, index);
  if (step.abandoned) return false;
  if (step.status !== "failed") return true;
  // An item that failed another's group fast cannot be one of its reused items.
  const isFast = step.group !== null && plan.steps[step.group]?.matrix?.fail_fast === true;
  return isTolerated(plan, step.group ?? index) && !isFast;
}

function isTolerated(plan: RunPlan, planned: number): boolean {
  return plan.steps[planned]?.continue_on_error === true;
}

function hasFailedFast(plan: RunPlan, old: RunState, index: number): boolean {
  const step = old.steps[index];
  const isFast = plan.steps[index]?.matrix?.fail_fast === true;
  return isFast && step?.status === "failed" && step.items !== null;
}

function satisfies(plan: RunPlan, old: RunState, index: number): boolean {
  const status = old.steps[index]?.status;
  return status === "completed" || (status === "failed" && isTolerated(plan, index));
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
  for (let item = 0; item < items.count; item += 1) {
    if (again.has(items.first + item)) return true;
  }
  return false;
}

function reused(was: StepState, run: number, group: number | null): StepState {
  return {
    ...was,
    group,
    reused_from: was.reused_from ?? { run, epoch: was.epoch },
    items: was.items && { ...was.items },
  };
}
