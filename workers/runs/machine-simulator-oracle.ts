/**
 * Test support: what each step must come to, read from the rules of pipelines alone: a step is
 * looked at when asked for, with all that it needs, and there is no clock, no order and no state.
 */
import { type Behaviour, holds, isAsked, type Scenario } from "./machine-simulator-scenario.ts";
import type { RunState, StepPlan, StepStatus } from "./types.ts";

/** What a step came to, and whether anything above it failed or was cancelled. */
export interface Coming {
  readonly status: StepStatus;
  readonly failed_above: boolean;
  readonly cancelled_above: boolean;
}

/** What every step of the plan comes to when nothing interferes. */
export function foresee(scenario: Scenario): readonly Coming[] {
  const known = new Map<number, Coming>();
  const look = (index: number): Coming => {
    const found = known.get(index) ?? comeTo(scenario, index, look);
    known.set(index, found);
    return found;
  };
  return scenario.plan.steps.map((_, index) => look(index));
}

/** What a step comes to once its needs came to what `look` says. */
export function comeTo(scenario: Scenario, index: number, look: (need: number) => Coming): Coming {
  const plan = scenario.plan.steps[index];
  const script = scenario.scripts[index];
  if (!plan || !script) throw new Error(`there is no step ${index}`);
  const needs = plan.needs.map((need) => ({ ...look(need), plan: scenario.plan.steps[need] }));
  const isTolerated = (need: (typeof needs)[number]) => need.plan?.continue_on_error === true;
  const flags = {
    blocked: !needs.every(
      (need) => need.status === "completed" || (need.status === "failed" && isTolerated(need)),
    ),
    failed_above: needs.some(
      (need) => need.failed_above || (need.status === "failed" && !isTolerated(need)),
    ),
    cancelled_above: needs.some((need) => need.cancelled_above || need.status === "cancelled"),
  };
  const status = (): StepStatus => {
    if (flags.blocked && plan.condition?.calls_status !== true) return "skipped";
    if (isAsked(plan) && script.answer === "broken") return "failed";
    if (plan.condition && !holds(script.answer, flags)) return "skipped";
    if (plan.matrix) return together(script.tries.map((tries) => ending(plan, tries)));
    if (plan.gate) return passing(plan.gate, script.passage);
    return ending(plan, script.tries[0] ?? []);
  };
  return { ...flags, status: status() };
}

/** One failure fails the group; what was cancelled by itself cancels it. */
function together(items: readonly StepStatus[]): StepStatus {
  if (items.includes("failed")) return "failed";
  return items.includes("cancelled") ? "cancelled" : "completed";
}

/** Nobody within the limit fails a gate; without a limit somebody comes in the end. */
function passing(
  gate: NonNullable<StepPlan["gate"]>,
  passage: Scenario["scripts"][number]["passage"],
): StepStatus {
  if (gate.type === "duration") return "completed";
  if (passage === null) return gate.ms === null ? "completed" : "failed";
  return gate.type === "signal" || passage.approved ? "completed" : "failed";
}

const REASONS = {
  exit: "exit",
  error: "error",
  stop_itself: "error",
  hang: "timeout",
  vanish: "lost",
  poison: "lost",
} as const;

/** What the code of a step or an item comes to, over its tries. */
export function ending(plan: StepPlan, tries: readonly Behaviour[]): StepStatus {
  for (let attempt = 1; attempt <= plan.retry.max_attempts; attempt += 1) {
    const kind = tries[Math.min(attempt, tries.length) - 1]?.kind ?? "complete";
    if (kind === "complete") return "completed";
    if (kind === "stop_itself" && plan.durable) return "cancelled";
    if (kind === "poison" && plan.attached) return "failed";
    if (!plan.retry.on.includes(REASONS[kind])) return "failed";
  }
  return "failed";
}

/** What the run comes to, given what its steps did. */
export function runComesTo(scenario: Scenario, steps: readonly Coming[]): "completed" | "failed" {
  const isFailed = steps.some(({ status }, index) => {
    const isTolerated = scenario.plan.steps[index]?.continue_on_error === true;
    return status === "cancelled" || (status === "failed" && !isTolerated);
  });
  const isOutputless = scenario.plan.concludes && scenario.outputs_error !== null;
  return isFailed || isOutputless ? "failed" : "completed";
}

/** What the items of a group come to when none of them stops the others. */
export function foreseeItems(scenario: Scenario, group: number): readonly StepStatus[] {
  const plan = scenario.plan.steps[group];
  const tries = scenario.scripts[group]?.tries ?? [];
  return plan ? tries.map((each) => ending(plan, each)) : [];
}

/** What each step must have come to, given what its needs came to in fact. */
export function foreseeEach(scenario: Scenario, state: RunState): readonly Coming[] {
  const memo = new Map<number, Coming>();
  const actual = (index: number): Coming => {
    const known = memo.get(index);
    if (known) return known;
    const { failed_above, cancelled_above } = comeTo(scenario, index, actual);
    const step = state.steps[index];
    const isStopped = step?.status === "skipped" && step.abandoned;
    const found = {
      status: step?.status ?? "pending",
      failed_above: failed_above || isStopped,
      cancelled_above,
    };
    memo.set(index, found);
    return found;
  };
  return scenario.plan.steps.map((_, index) => comeTo(scenario, index, actual));
}
