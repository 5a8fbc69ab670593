/** A run as a graph: what waits for what, how long each step took, and the chain that took longest. */
import type { RunInspection } from "./store-types.ts";
import type { StepState, StepStatus } from "./types.ts";

export interface GraphNode {
  readonly index: number;
  readonly name: string;
  readonly status: StepStatus;
  /** Index of the group that the node is an item of; null for a step of the plan. */
  readonly group: number | null;
  /** Items of a group that was expanded; null for everything else. */
  readonly items: number | null;
  readonly attempt: number;
  readonly reused_from: number | null;
  readonly started_at: number | null;
  readonly completed_at: number | null;
  /** So far, while it has not ended; null before it began. */
  readonly duration_ms: number | null;
  /** Lies on the critical path. */
  readonly critical: boolean;
}

/** `to` waits for `from`; both are indexes of steps of the plan. */
export interface GraphEdge {
  readonly from: number;
  readonly to: number;
}

export interface CriticalPath {
  readonly duration_ms: number;
  /** Indexes from the first step to the last; of a group its longest item. */
  readonly steps: readonly number[];
}

export interface RunGraph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  readonly critical_path: CriticalPath;
}

/** Costs O(steps + dependencies). */
export function graphOf({ plan, state, names }: RunInspection, now: number): RunGraph {
  const edges = plan.steps.flatMap(({ needs }, to) => needs.map((from) => ({ from, to })));
  const critical = criticalPath(plan.steps, state.steps, now);
  const onPath = new Set(critical.steps);
  const nodes = state.steps.map((step, index): GraphNode => {
    return {
      index,
      name: names[index] ?? "",
      status: step.status,
      group: step.group,
      items: step.items?.count ?? null,
      attempt: step.attempt,
      reused_from: step.reused_from?.run ?? null,
      started_at: step.started_at,
      completed_at: step.completed_at,
      duration_ms: durationOf(step, now),
      critical: onPath.has(index),
    };
  });
  return { nodes, edges, critical_path: critical };
}

export function durationOf(step: StepState, now: number): number | null {
  return step.started_at === null
    ? null
    : Math.max(0, (step.completed_at ?? now) - step.started_at);
}

/**
 * The longest chain by the time that its steps took. A group counts as its longest item. What did
 * not run, and what an earlier run did, takes no time and joins the steps around it.
 */
function criticalPath(
  plans: readonly { readonly needs: readonly number[] }[],
  steps: readonly StepState[],
  now: number,
): CriticalPath {
  const longestItems = longestItemOf(steps, now);
  const costOf = (index: number) => timeOf(steps[longestItems.get(index) ?? index], now);
  /** Time of the longest chain that ends with the step, and the step before it on that chain. */
  const total = new Float64Array(plans.length);
  const before = new Int32Array(plans.length).fill(-1);
  let last = -1;
  for (const index of topologicalOrder(plans)) {
    for (const need of plans[index]?.needs ?? []) {
      const chain = total[need] ?? 0;
      if ((before[index] ?? -1) < 0 || chain > (total[before[index] ?? 0] ?? 0)) {
        before[index] = need;
      }
    }
    total[index] = (total[before[index] ?? -1] ?? 0) + costOf(index);
    if (last < 0 || (total[index] ?? 0) > (total[last] ?? 0)) last = index;
  }
  const chain: number[] = [];
  for (let index = last; index >= 0; index = before[index] ?? -1) {
    const item = longestItems.get(index);
    if (item !== undefined && ran(steps[item])) chain.push(item);
    if (ran(steps[index])) chain.push(index);
  }
  return { duration_ms: last < 0 ? 0 : (total[last] ?? 0), steps: chain.reverse() };
}

function longestItemOf(steps: readonly StepState[], now: number): ReadonlyMap<number, number> {
  const longest = new Map<number, number>();
  for (const [index, step] of steps.entries()) {
    if (step.group === null) continue;
    const known = longest.get(step.group);
    if (known === undefined || timeOf(step, now) > timeOf(steps[known], now)) {
      longest.set(step.group, index);
    }
  }
  return longest;
}

function ran(step: StepState | undefined): step is StepState {
  return step !== undefined && step.started_at !== null && step.reused_from === null;
}

function timeOf(step: StepState | undefined, now: number): number {
  return ran(step) ? (durationOf(step, now) ?? 0) : 0;
}

/** Every step after those that it needs. */
function topologicalOrder(plans: readonly { readonly needs: readonly number[] }[]): number[] {
  const open = plans.map(({ needs }) => needs.length);
  const dependents: number[][] = plans.map(() => []);
  for (const [index, { needs }] of plans.entries()) {
    for (const need of needs) dependents[need]?.push(index);
  }
  const order = [...open.keys()].filter((index) => open[index] === 0);
  for (const index of order) {
    for (const dependent of dependents[index] ?? []) {
      const left = (open[dependent] ?? 0) - 1;
      open[dependent] = left;
      if (left === 0) order.push(dependent);
    }
  }
  return order;
}
