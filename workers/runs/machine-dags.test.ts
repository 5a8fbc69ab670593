import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ONCE, plan, step } from "./machine-fixture.ts";
import { type DagScenario, runDag, type Script } from "./machine-fixture-dags.ts";
import { planRerun } from "./rerun.ts";
import { hasEnded } from "./state.ts";
import type { GatePlan, RunState, StepStatus } from "./types.ts";

/** `MACHINE_RUNS` sets the schedules of the properties, as for those of plain steps. */
const RUNS = Math.ceil(Number(process.env.MACHINE_RUNS ?? 2_000) / 4);
const TIMEOUT_MS = 15_000 + RUNS * 20;

const gates: readonly (GatePlan | null)[] = [
  { type: "approval", signal: null, ms: null },
  { type: "signal", signal: "go", ms: 1_000 },
  { type: "duration", signal: null, ms: 20 },
  { type: "duration", signal: null, ms: null },
];

const drawnStep = fc.record({
  needs: fc.uniqueArray(fc.nat(9), { maxLength: 3 }),
  kind: fc.constantFrom("work", "work", "work", "matrix", "gate"),
  gate: fc.constantFrom(...gates),
  condition: fc.constantFrom(null, null, { calls_status: false }, { calls_status: true }),
  max_parallel: fc.option(fc.integer({ min: 1, max: 3 })),
  fail_fast: fc.boolean(),
  continue_on_error: fc.boolean(),
  attached: fc.boolean(),
  max_attempts: fc.integer({ min: 1, max: 2 }),
  verdict: fc.constantFrom("run", "run", "run", "skip", "fail"),
  items: fc.array(fc.boolean(), { maxLength: 5 }),
  fails: fc.integer({ min: 0, max: 3 }).map((drawn) => drawn === 0),
});

/** Each gate waits for a signal of its own. */
function named(gate: GatePlan | null, index: number): GatePlan | null {
  return gate?.type === "signal" ? { ...gate, signal: `go ${index}` } : gate;
}

interface Options {
  readonly crash?: number;
  readonly repeat?: number;
  readonly cancels?: boolean;
  readonly pauses?: boolean;
}

function scenarios({ crash = 0, repeat = 0, cancels = false, pauses = false }: Options) {
  return fc
    .record({
      steps: fc.array(drawnStep, { minLength: 1, maxLength: 10, size: "max" }),
      max_parallel: fc.integer({ min: 1, max: 6 }),
      stop_on_failure: fc.boolean(),
      slotted: fc.boolean(),
      concludes: fc.boolean(),
      seed: fc.integer({ min: 0, max: 0xffffffff }),
    })
    .map(({ steps, seed, ...options }): DagScenario => {
      const planned = steps.map((drawn, index) =>
        step(
          `s${index}`,
          drawn.needs.filter((need) => need < index),
          {
            condition: drawn.condition,
            matrix:
              drawn.kind === "matrix"
                ? { max_parallel: drawn.max_parallel, fail_fast: drawn.fail_fast }
                : null,
            gate: drawn.kind === "gate" ? named(drawn.gate, index) : null,
            continue_on_error: drawn.continue_on_error,
            attached: drawn.attached,
            retry: { ...ONCE, max_attempts: drawn.max_attempts },
          },
        ),
      );
      const scripts = steps.map(({ verdict, items, fails }): Script => ({ verdict, items, fails }));
      return { plan: plan(planned, options), scripts, seed, crash, repeat, cancels, pauses };
    });
}

/** What each step must come to without faults, by the words of the definition and nothing else. */
function foretell({ plan: its, scripts }: DagScenario): readonly StepStatus[] {
  const statuses: StepStatus[] = [];
  const failedAbove: boolean[] = [];
  its.steps.forEach((planned, index) => {
    const script = scripts[index];
    const isMet = (need: number) =>
      statuses[need] === "completed" ||
      (statuses[need] === "failed" && its.steps[need]?.continue_on_error === true);
    failedAbove[index] = planned.needs.some(
      (need) =>
        failedAbove[need] ||
        (statuses[need] === "failed" && its.steps[need]?.continue_on_error !== true),
    );
    const isBlocked = !planned.needs.every(isMet);
    const isAsked =
      planned.condition !== null ||
      planned.matrix !== null ||
      (planned.gate?.type === "duration" && planned.gate.ms === null);
    if (isBlocked && planned.condition?.calls_status !== true) statuses.push("skipped");
    else if (isAsked && script?.verdict === "skip") statuses.push("skipped");
    else if (isAsked && script?.verdict === "fail") statuses.push("failed");
    else if (planned.matrix) statuses.push(script?.items.some(Boolean) ? "failed" : "completed");
    else if (planned.gate?.type === "duration") statuses.push("completed");
    else statuses.push(script?.fails ? "failed" : "completed");
  });
  return statuses;
}

const ofPlan = ({ plan: its }: DagScenario, state: RunState) =>
  state.steps.slice(0, its.steps.length).map(({ status }) => status);

const withoutStops = (scenario: DagScenario): DagScenario => ({
  ...scenario,
  plan: { ...scenario.plan, stop_on_failure: false },
});

describe("a run of any graph", { timeout: TIMEOUT_MS }, () => {
  it("comes to what its definition says", () => {
    fc.assert(
      fc.property(scenarios({}).map(withoutStops), (scenario) => {
        expect(ofPlan(scenario, runDag(scenario))).toEqual(foretell(scenario));
      }),
      { numRuns: RUNS },
    );
  });

  it("comes to the same through crashes, repeated reports and pauses", () => {
    const faulty = scenarios({ crash: 8, repeat: 10, pauses: true }).map(withoutStops);
    fc.assert(
      fc.property(faulty, (scenario) => {
        const end = runDag(scenario);
        const poisoned = end.steps.some(({ error }) => error?.code === "poison");
        if (!poisoned) expect(ofPlan(scenario, end)).toEqual(foretell(scenario));
      }),
      { numRuns: RUNS },
    );
  });

  it("keeps its invariants when it stops on failures and is cancelled", () => {
    fc.assert(
      fc.property(scenarios({ crash: 5, repeat: 5, cancels: true, pauses: true }), (scenario) => {
        const end = runDag(scenario);
        expect(end.steps.every(hasEnded)).toBe(true);
        if (end.cancel_requested_at === null) {
          expect(end.status).toBe(end.failures > 0 ? "failed" : "completed");
        } else expect(end.status).toBe("cancelled");
      }),
      { numRuns: RUNS },
    );
  });
});

describe("a retry of any run", { timeout: TIMEOUT_MS }, () => {
  const ended = scenarios({ cancels: true });

  it("comes to an end, and completes when nothing fails any more", () => {
    fc.assert(
      fc.property(ended, fc.nat(9), fc.boolean(), (scenario, at, isAsked) => {
        const old = runDag(scenario);
        const from = isAsked && at < scenario.plan.steps.length ? at : null;
        const { state, rerun } = planRerun(scenario.plan, old, 1, from, scenario.seed);
        if (rerun.length === 0) return;
        const scripts = scenario.scripts.map((script) => ({
          verdict: script.verdict === "fail" ? ("run" as const) : script.verdict,
          items: script.items.map(() => false),
          fails: false,
        }));
        const again = { ...scenario, scripts, cancels: false, crash: 3, repeat: 3 };
        const end = runDag(again, state);
        const poisoned = end.steps.some(({ error }) => error?.code === "poison");
        if (!poisoned) expect(end.status).toBe("completed");
      }),
      { numRuns: RUNS },
    );
  });
});
