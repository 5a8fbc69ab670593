/**
 * The invariants of the run machine over random plans, faults and commands. `MACHINE_RUNS` sets the
 * number of schedules of each property; a failure prints its seed and the smallest scenario found.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Outcome, simulate } from "./machine-simulator.ts";
import {
  anyCommand,
  anyOptions,
  faultsOf,
  NO_FAULTS,
  type Shape,
  scenarios,
  TAME,
  timelessOptions,
  WILD,
  withBehaviours,
} from "./machine-simulator-draw.ts";
import {
  ending,
  foresee,
  foreseeEach,
  foreseeItems,
  runComesTo,
} from "./machine-simulator-oracle.ts";
import type { Scenario } from "./machine-simulator-scenario.ts";
import { POISON_DEATHS, SOLITARY_DEATHS } from "./suspects.ts";
import type { StepStatus } from "./types.ts";

const RUNS = Number(process.env.MACHINE_RUNS ?? 1_000);
const TIMEOUT_MS = 15_000 + RUNS * 20;
const MAX_DEATHS = SOLITARY_DEATHS + POISON_DEATHS;

const calm = fc.constant({ commands: [], faults: NO_FAULTS });

/** Pauses, each taken back. */
const pauses = fc
  .array(fc.record({ at: fc.nat(20_000), now: fc.boolean(), for_ms: fc.nat(20_000) }), {
    maxLength: 3,
  })
  .map((drawn) =>
    drawn.flatMap(({ at, now, for_ms }): Scenario["commands"][number][] => [
      { at, event: { type: "pause", mode: now ? "now" : "boundary" } },
      { at: at + for_ms, event: { type: "resume" } },
    ]),
  );

function itHolds(says: string, share: number, shape: Shape, judge: (of: Scenario) => void): void {
  it(says, () => {
    const numRuns = Math.ceil(RUNS * share);
    fc.assert(fc.property(scenarios(shape), judge), { numRuns });
  });
}

function endsAsForeseen(scenario: Scenario): Outcome {
  const outcome = simulate(scenario);
  const { state } = outcome;
  const foreseen = foresee(scenario);
  const planned = state.steps.slice(0, foreseen.length);
  expect(planned.map(({ status }) => status)).toEqual(foreseen.map(({ status }) => status));
  expect(state.status).toBe(runComesTo(scenario, foreseen));
  scenario.plan.steps.forEach((plan, group) => {
    const items = state.steps[group]?.items;
    if (!items) return;
    const statuses = state.steps
      .slice(items.first, items.first + items.count)
      .map(({ status }) => status);
    const own = foreseeItems(scenario, group);
    if (!plan.matrix?.fail_fast || !own.includes("failed")) expect(statuses).toEqual(own);
    else
      statuses.forEach(
        (status, item) => void expect([own[item], "failed", "cancelled"]).toContain(status),
      );
  });
  return outcome;
}

/** After a failure that stops the run, steps come to what they must or have not begun. */
function endsEarly(scenario: Scenario): void {
  const { state } = simulate(scenario);
  expect(state.status).toBe(runComesTo(scenario, foresee(scenario)));
  foreseeEach(scenario, state).forEach(({ status }, index) => {
    const step = state.steps[index];
    const asksStatus = scenario.plan.steps[index]?.condition?.calls_status === true;
    const mayStop = state.status === "failed" && !asksStatus;
    const allowed = mayStop ? [status, "skipped", ...cutShort(scenario, index)] : [status];
    expect(allowed, `step ${index}`).toContain(step?.status);
  });
}

/** What the code of a step may come to when it is not tried as often as it might be. */
function cutShort({ plan, scripts }: Scenario, index: number): StepStatus[] {
  const step = plan.steps[index];
  const tries = scripts[index]?.tries ?? [];
  if (!step) return [];
  return [1, 2, 3].flatMap((max_attempts) =>
    tries.map((each) => ending({ ...step, retry: { ...step.retry, max_attempts } }, each)),
  );
}

function poisonous({ plan, scripts }: Scenario): number {
  const poisons = scripts.map(({ tries }, index) =>
    plan.steps[index]?.attached === true
      ? tries.filter((each) => each.some(({ kind }) => kind === "poison")).length
      : 0,
  );
  return poisons.reduce((sum, each) => sum + each, 0);
}

describe("the run machine", { timeout: TIMEOUT_MS }, () => {
  const wild = {
    kinds: WILD,
    minTimeoutMs: 1_000,
    options: anyOptions,
    rest: fc.record({ commands: fc.array(anyCommand, { maxLength: 5 }), faults: faultsOf(30) }),
  };
  const tame = { kinds: TAME, minTimeoutMs: 30_000, options: timelessOptions };

  itHolds("keeps its invariants under every fault and command", 1, wild, (scenario) => {
    const { state, poisonings } = simulate(scenario);
    expect(["completed", "failed", "cancelled"]).toContain(state.status);
    // A clock that jumps may have a stop given up whose attempt then dies with nobody to blame.
    const blameless = scenario.faults.jump > 0 ? scenario.faults.budget : 0;
    expect(poisonings).toBeLessThanOrEqual(MAX_DEATHS * poisonous(scenario) + blameless);
  });

  itHolds(
    "comes to what the plan says without faults",
    0.5,
    { ...tame, kinds: [...TAME, "vanish"], rest: calm },
    (drawn) => {
      // The silence of a durable backend lasts longer than these attempts may.
      const scenario = withBehaviours(drawn, (each, plan) =>
        each.kind === "vanish" && plan?.durable ? { ...each, kind: "hang" } : each,
      );
      endsAsForeseen(scenario);
    },
  );

  // Fewer faults than the deaths or losses that the machine holds against a step.
  const rough = fc.record({ commands: fc.constant([]), faults: faultsOf(2, false) });
  itHolds(
    "comes to the same with lost, late, repeated reports, and crashes",
    0.5,
    { ...tame, minTimeoutMs: 40_000, rest: rough },
    (scenario) => void endsAsForeseen(scenario),
  );

  itHolds(
    "comes to the same when it is paused and resumed",
    0.5,
    { ...tame, rest: fc.record({ commands: pauses, faults: fc.constant(NO_FAULTS) }) },
    (scenario) => void endsAsForeseen(scenario),
  );

  itHolds(
    "starts nothing more after a failure than what asks for it",
    0.5,
    {
      ...tame,
      options: timelessOptions.map((options) => ({ ...options, stop_on_failure: true })),
      minTimeoutMs: 40_000,
      rest: rough,
    },
    endsEarly,
  );

  const deaths = faultsOf(20, false).map((faults) => ({ ...faults, crash: 0, drop: 0, delay: 0 }));
  const kinds = ["complete", "complete", "hang", "poison"] as const;
  itHolds(
    "fails each poison step within a bounded number of deaths and completes the others",
    0.5,
    { ...tame, kinds, rest: fc.record({ commands: fc.constant([]), faults: deaths }) },
    (drawn) => {
      // Elsewhere than in the coordinator's process there is nothing that such a step takes down.
      const scenario = withBehaviours(drawn, (each, plan) =>
        each.kind === "poison" && !plan?.attached ? { ...each, kind: "complete" } : each,
      );
      const { poisonings } = endsAsForeseen(scenario);
      expect(poisonings).toBeLessThanOrEqual(MAX_DEATHS * poisonous(scenario));
    },
  );

  itHolds("is a function of its input: the same scenario gives the same run", 0.1, wild, (of) => {
    expect(simulate(of)).toEqual(simulate(of));
  });
});
