/** Test support: what a group says of its items. */
import { isHeld, isOut, isOver, isStopped, itemsOf, must } from "./machine-witness-rules.ts";
import type { RunPlan, RunState, StepState, StepStatus } from "./types.ts";

export function judgeGroups(plan: RunPlan, state: RunState): void {
  let known = plan.steps.length;
  plan.steps.forEach(({ matrix }, group) => {
    const step = state.steps[group];
    if (!step?.items) {
      must(!matrix || step?.status !== "running", `group ${group} runs without items`);
      return;
    }
    must(matrix !== null, `step ${group} has items and no matrix`);
    const items = itemsOf(state, group);
    known += items.length;
    must(items.length === step.items.count, `group ${group} has all its items`);
    items.forEach(([index, item], place) => {
      must(item.group === group && item.item === place, `item ${index} is in its place`);
    });
    judgeItems(group, step, items);
    judgeRelease(plan, state, group, items);
  });
  must(known === state.steps.length, "every step is of the plan or of a group");
}

type Items = ReturnType<typeof itemsOf>;

function judgeItems(group: number, step: StepState, items: Items): void {
  if (!step.items) return;
  const count = (test: (item: StepState) => boolean) =>
    items.filter(([, item]) => test(item)).length;
  const { open, active, next, failed, cancelled } = step.items;
  must(open === count((item) => !isOver(item)), `group ${group} counts its open items`);
  must(
    active === count((item) => !isOver(item) && (item.item ?? 0) < next),
    `group ${group} counts what has begun of it`,
  );
  must(failed === count((item) => item.status === "failed"), `group ${group} counts its failures`);
  must(
    cancelled === count((item) => item.status === "cancelled"),
    `group ${group} counts what was cancelled of it`,
  );
  must(isOver(step) === (open === 0), `group ${group} ends with the last of its items`);
  if (open === 0) must(step.status === statusOf(items), `group ${group} came to ${step.status}`);
}

function statusOf(items: Items): StepStatus {
  for (const status of ["failed", "cancelled", "skipped"] as const) {
    if (items.some(([, item]) => item.status === status)) return status;
  }
  return "completed";
}

/** No more items than may be run beside each other, and no fewer while any is left. */
function judgeRelease(plan: RunPlan, state: RunState, group: number, items: Items): void {
  const { matrix } = plan.steps[group] ?? {};
  const counted = state.steps[group]?.items;
  if (!matrix || !counted || counted.open === 0) return;
  const limit = matrix.max_parallel ?? items.length;
  const begun = items.filter(([, item]) => isOut(item) || item.status === "waiting");
  must(begun.length <= limit, `group ${group} keeps to its max_parallel`);
  must(counted.active <= limit, `group ${group} begins no more than its max_parallel`);
  const ready = new Set(state.ready);
  for (const [index, item] of items) {
    if (item.status !== "pending") continue;
    const isReleased = (item.item ?? 0) < counted.next;
    must(isReleased === ready.has(index), `item ${index} is ready when it was released`);
  }
  const isOpen = counted.next < items.length && state.cancel_requested_at === null;
  const mayBegin = state.begun && isOpen && !state.expired && !isStopped(plan, state, group);
  if (mayBegin) must(counted.active === limit, `group ${group} has room and keeps items back`);
  if (!matrix.fail_fast || counted.failed === 0) return;
  for (const [index, item] of items) {
    if (isOver(item)) continue;
    must(isOut(item) && item.stopping !== null, `item ${index} goes on after its group failed`);
  }
}

/** Whether an item may not begin, since its group has failed fast. */
export function hasFailedFast(plan: RunPlan, state: RunState, index: number): boolean {
  const group = state.steps[index]?.group ?? null;
  if (group === null || !plan.steps[group]?.matrix?.fail_fast) return false;
  return (state.steps[group]?.items?.failed ?? 0) > 0;
}

/** Whether a run can do nothing by itself but for what its shell owes it. */
export function judgeHalt(plan: RunPlan, state: RunState): void {
  const waits = state.steps.some(({ status }) => status === "waiting");
  const isQueued = plan.slotted && state.slot === "asked" && state.ready.length > 0;
  if (!isHeld(state) && !state.concluding) {
    const isMoving = state.in_flight > 0 || state.deciding > 0;
    must(isMoving || waits || isQueued, "the run has come to a halt");
  }
  if (state.cancel_requested_at === null && !state.expired) return;
  const groups = state.steps.filter((step) => step.items && !isOver(step)).length;
  must(state.open_steps === state.in_flight + groups, "what was stopped is in flight or has ended");
  must(state.in_flight > 0, "the run stops and does not end");
}
