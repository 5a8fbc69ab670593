/** What a retry runs again of a random run, and what becomes of it. `MACHINE_RUNS` as elsewhere. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { simulate } from "./machine-simulator.ts";
import {
  anyCommand,
  anyOptions,
  faultsOf,
  scenarios,
  WILD,
  withBehaviours,
} from "./machine-simulator-draw.ts";
import { foreseeEach } from "./machine-simulator-oracle.ts";
import type { Scenario } from "./machine-simulator-scenario.ts";
import { planRerun } from "./rerun.ts";
import type { RunState, StepState } from "./types.ts";

const RUNS = Number(process.env.MACHINE_RUNS ?? 600);
const TIMEOUT_MS = 15_000 + RUNS * 20;

const wild = scenarios({
  kinds: WILD,
  minTimeoutMs: 1_000,
  options: anyOptions,
  rest: fc.record({ commands: fc.array(anyCommand, { maxLength: 3 }), faults: faultsOf(10) }),
});

/** Where a retry begins beside the failures: a step, an item, or nowhere. */
const place = fc.option(fc.nat(40), { freq: 2 });

function chosen(state: RunState, drawn: number | null): number | null {
  return drawn === null || state.steps.length === 0 ? null : drawn % state.steps.length;
}

/** The same scenario with code that works, gates that are passed and nothing in the way. */
function mended(scenario: Scenario): Scenario {
  const works = withBehaviours(scenario, () => ({ kind: "complete", after_ms: 300 }));
  return {
    ...works,
    plan: {
      ...scenario.plan,
      timeout_ms: null,
      steps: scenario.plan.steps.map((step) => ({ ...step, timeout_ms: 60_000 })),
    },
    scripts: works.scripts.map((script) => ({
      ...script,
      answer: script.answer === "broken" ? "yes" : script.answer,
      passage: { approved: true, after_ms: 200 },
    })),
    outputs_error: null,
    commands: [],
    faults: { ...scenario.faults, jump: 0, budget: Math.min(scenario.faults.budget, 2) },
  };
}

/** Whether a step's result stands, as far as the words of the design go. */
function stands(scenario: Scenario, state: RunState, index: number): "yes" | "no" | "either" {
  const step = state.steps[index];
  const plan = scenario.plan.steps[step?.group ?? index];
  if (!step || !plan || step.status === "cancelled") return "no";
  const failsFast = plan.matrix?.fail_fast === true;
  const isTolerated = plan.continue_on_error && (step.group === null || !failsFast);
  if (step.status === "failed" && !isTolerated) return "no";
  if (step.group !== null) return step.status === "skipped" ? "no" : "yes";
  // A group that failed fast, and was allowed to, came to just that.
  if (step.status === "failed" && step.items && failsFast) return "yes";
  const items = itemsOf(step).map((item) => stands(scenario, state, item));
  if (items.includes("no")) return "no";
  if (step.status !== "skipped") return "yes";
  if (foreseeEach(scenario, state)[index]?.status !== "skipped") return "no";
  // It was stopped before anybody asked whether it would have been skipped.
  return step.abandoned ? "either" : "yes";
}

function itemsOf(step: StepState): number[] {
  if (!step.items) return [];
  const { first, count } = step.items;
  return Array.from({ length: count }, (_, item) => first + item);
}

/** Steps of the plan that run again: all that does not stand, and all below it. */
function again(scenario: Scenario, state: RunState, from: number | null, strict: boolean) {
  const isAgain = (index: number): boolean => {
    const isFrom = from !== null && (from === index || state.steps[from]?.group === index);
    const stood = stands(scenario, state, index);
    if (isFrom || stood === "no" || (stood === "either" && !strict)) return true;
    return scenario.plan.steps[index]?.needs.some(isAgain) === true;
  };
  return scenario.plan.steps.flatMap((_, index) => (isAgain(index) ? [index] : []));
}

describe("a retry", { timeout: TIMEOUT_MS }, () => {
  it("runs again what failed, was cancelled or never ran, and all below it, and nothing else", () => {
    fc.assert(
      fc.property(wild, place, (scenario, drawn) => {
        const { state: old } = simulate(scenario);
        const from = chosen(old, drawn);
        const before = JSON.stringify(old.steps);
        const { plan } = scenario;
        const { state, rerun, reuse } = planRerun(plan, old, 1, from, 5);
        expect(JSON.stringify(old.steps)).toBe(before);
        const planned = rerun.filter((index) => index < plan.steps.length);
        expect(planned).toEqual(expect.arrayContaining(again(scenario, old, from, true)));
        expect(again(scenario, old, from, false)).toEqual(expect.arrayContaining(planned));
        const isAgain = new Set(rerun);
        state.steps.forEach((step, index) => {
          const was = old.steps[reuse.get(index) ?? -1];
          if (!isAgain.has(index)) {
            const { group, items, ...rest } = step;
            expect(was).toMatchObject({ ...rest, reused_from: null });
            expect(step.reused_from).toEqual({ run: 1, epoch: was?.epoch });
            expect(items?.count).toBe(was?.items?.count);
          } else if (step.group === null) {
            const needs = plan.steps[index]?.needs ?? [];
            expect(step.open_needs).toBe(needs.filter((need) => isAgain.has(need)).length);
            // Kept items mean that what the group was expanded from is the same.
            if (step.items) expect(needs.some((need) => isAgain.has(need))).toBe(false);
          } else {
            const group = state.steps[step.group];
            expect(group?.items?.open).toBeGreaterThan(0);
            expect(step).toMatchObject({ status: "pending", epoch: 0, attempt: 0 });
          }
        });
        plan.steps.forEach((_, group) => {
          const was = old.steps[group];
          const items = state.steps[group]?.items;
          if (!was || !items) return;
          const places = itemsOf(was).map(
            (item) => item === from || stands(scenario, old, item) === "no",
          );
          const rerunPlaces = places.map((_, item) => isAgain.has(items.first + item));
          const none = places.map(() => false);
          expect(rerunPlaces).toEqual(isAgain.has(group) ? places : none);
        });
      }),
      { numRuns: RUNS },
    );
  });

  it("completes once its code works, with what it reuses as it was", () => {
    fc.assert(
      fc.property(wild, place, (scenario, drawn) => {
        const { state: old } = simulate(scenario);
        const { state, rerun, reuse } = planRerun(scenario.plan, old, 1, chosen(old, drawn), 5);
        const reused = state.steps.map((step) => JSON.stringify(step));
        const works = mended(scenario);
        const { state: ended } = simulate(works, structuredClone(state));
        expect(ended.status).toBe("completed");
        const isAgain = new Set(rerun);
        for (const index of reuse.keys()) {
          if (!isAgain.has(index)) expect(JSON.stringify(ended.steps[index])).toBe(reused[index]);
        }
        foreseeEach(works, ended).forEach(({ status }, index) => {
          const step = ended.steps[index];
          const hasFailures = step?.items && step.items.failed > 0;
          if (isAgain.has(index) && !hasFailures) expect(step?.status).toBe(status);
        });
      }),
      { numRuns: Math.ceil(RUNS / 2) },
    );
  });

  it("of a retry keeps its invariants, and what it reuses says where it was made", () => {
    fc.assert(
      fc.property(wild, place, place, (scenario, first, second) => {
        const { plan } = scenario;
        const { state: old } = simulate(scenario);
        const { state } = planRerun(plan, old, 1, chosen(old, first), 5);
        const { state: ended } = simulate({ ...scenario, seed: scenario.seed + 1 }, state);
        const { state: next, rerun, reuse } = planRerun(plan, ended, 2, chosen(ended, second), 5);
        for (const [index, was] of reuse) {
          if (rerun.includes(index)) continue;
          const origin = ended.steps[was];
          expect(next.steps[index]?.reused_from).toEqual(
            origin?.reused_from ?? { run: 2, epoch: origin?.epoch },
          );
        }
        expect(simulate(mended(scenario), next).state.status).toBe("completed");
      }),
      { numRuns: Math.ceil(RUNS / 2) },
    );
  });
});
