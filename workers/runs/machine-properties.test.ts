/**
 * The invariants of the run machine over random plans, faults and commands. `MACHINE_RUNS` sets the
 * number of schedules of each property; a failure prints its seed and the smallest scenario found.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Behaviour, type Outcome, type Scenario, simulate } from "./machine-simulator.ts";
import { POISON_DEATHS, SOLITARY_DEATHS } from "./suspects.ts";
import { BACKOFFS, type RunEvent, type RunPlan, type StepPlan, type StepStatus } from "./types.ts";

const RUNS = Number(process.env.MACHINE_RUNS ?? 2_000);
const TIMEOUT_MS = 15_000 + RUNS * 20;
const MAX_DEATHS = SOLITARY_DEATHS + POISON_DEATHS;
const NO_FAULTS = { crash: 0, duplicate: 0, drop: 0, delay: 0, jump: 0, budget: 0 };

const behaviour = (kinds: readonly Behaviour["kind"][]): fc.Arbitrary<Behaviour> =>
  fc.record({ kind: fc.constantFrom(...kinds), after_ms: fc.nat(5_000) });

const tame = ["complete", "complete", "complete", "exit", "error", "hang", "stop_itself"] as const;
const wild = [...tame, "vanish", "poison"] as const;

const retry = fc.record({
  max_attempts: fc.integer({ min: 1, max: 3 }),
  backoff: fc.constantFrom(...BACKOFFS),
  initial_ms: fc.nat(3_000),
  max_ms: fc.nat(5_000),
  jitter: fc.boolean(),
  on: fc.subarray(["exit", "timeout", "lost", "error"] as const),
});

/** A step of the plain kind. */
const PLAIN = { condition: null, matrix: null, gate: null, durable: false } as const;

interface Shape {
  readonly kinds: readonly Behaviour["kind"][];
  readonly minTimeoutMs: number;
}

function scenarios(
  { kinds, minTimeoutMs }: Shape,
  options: fc.Arbitrary<Omit<RunPlan, "steps" | "slotted" | "concludes">>,
  rest: fc.Arbitrary<Pick<Scenario, "commands" | "faults">>,
): fc.Arbitrary<Scenario> {
  const step = fc.record({
    needs: fc.uniqueArray(fc.nat(11), { maxLength: 3 }),
    continue_on_error: fc.boolean(),
    timeout_ms: fc.integer({ min: minTimeoutMs, max: minTimeoutMs + 30_000 }),
    retry,
    attached: fc.boolean(),
    tries: fc.array(behaviour(kinds), { minLength: 1, maxLength: 3 }),
  });
  const steps = fc.array(step, { maxLength: 12, size: "max" });
  return fc
    .record({ steps, options, rest, seed: fc.integer({ min: 0, max: 0xffffffff }) })
    .map((drawn) => ({
      plan: {
        slotted: false,
        concludes: false,
        ...drawn.options,
        steps: drawn.steps.map(({ tries: _, ...more }, index) => ({
          ...PLAIN,
          ...more,
          name: `s${index}`,
          needs: more.needs.filter((need) => need < index),
        })),
      },
      behaviours: drawn.steps.map(({ tries }) => tries),
      seed: drawn.seed,
      ...drawn.rest,
    }));
}

const anyOptions = fc.record({
  max_parallel: fc.integer({ min: 1, max: 5 }),
  stop_on_failure: fc.boolean(),
  timeout_ms: fc.option(fc.integer({ min: 1_000, max: 90_000 })),
});
const plainOptions = fc.record({
  max_parallel: fc.integer({ min: 1, max: 5 }),
  stop_on_failure: fc.constant(false),
  timeout_ms: fc.constant(null),
});

const command = fc.record({
  at: fc.nat(15_000),
  event: fc.constantFrom<RunEvent>(
    { type: "cancel" },
    { type: "pause", mode: "boundary" },
    { type: "pause", mode: "now" },
    { type: "resume" },
    { type: "resume" },
    { type: "timer" },
    { type: "start" },
  ),
});
const percent = fc.nat(25);

/** What the plan and its code alone lead to: no clock, no order, no faults. */
function expected(plan: RunPlan, behaviours: Scenario["behaviours"]): StepStatus[] {
  const statuses: StepStatus[] = [];
  plan.steps.forEach((step, index) => {
    const satisfied = step.needs.every((need) => {
      const status = statuses[need];
      const tolerated = plan.steps[need]?.continue_on_error === true;
      return status === "completed" || (status === "failed" && tolerated);
    });
    statuses.push(satisfied ? ending(step, behaviours[index] ?? []) : "skipped");
  });
  return statuses;
}

const REASONS = {
  exit: "exit",
  error: "error",
  stop_itself: "error",
  hang: "timeout",
  vanish: "lost",
  poison: "lost",
} as const;

function ending(step: StepPlan, tries: readonly Behaviour[]): StepStatus {
  for (let attempt = 1; attempt <= step.retry.max_attempts; attempt += 1) {
    const kind = tries[Math.min(attempt, tries.length) - 1]?.kind ?? "complete";
    if (kind === "complete") return "completed";
    if (kind === "poison" && step.attached) return "failed";
    if (!step.retry.on.includes(REASONS[kind])) return "failed";
  }
  return "failed";
}

function endsAsExpected(scenario: Scenario): Outcome {
  const outcome = simulate(scenario);
  const { state } = outcome;
  const statuses = expected(scenario.plan, scenario.behaviours);
  expect(state.steps.map((step) => step.status)).toEqual(statuses);
  const failed = statuses.some(
    (status, index) => status === "failed" && !scenario.plan.steps[index]?.continue_on_error,
  );
  expect(state.status).toBe(failed ? "failed" : "completed");
  return outcome;
}

function poisonous(scenario: Scenario): number {
  return scenario.behaviours.filter(
    (tries, index) =>
      scenario.plan.steps[index]?.attached && tries.some(({ kind }) => kind === "poison"),
  ).length;
}

describe("the run machine", { timeout: TIMEOUT_MS }, () => {
  it("keeps its invariants under every fault and command", () => {
    const rest = fc.record({
      commands: fc.array(command, { maxLength: 5 }),
      faults: fc.record({
        crash: percent,
        duplicate: percent,
        drop: percent,
        delay: percent,
        jump: percent,
        budget: fc.nat(30),
      }),
    });
    const any = scenarios({ kinds: wild, minTimeoutMs: 1_000 }, anyOptions, rest);
    fc.assert(
      fc.property(any, (scenario) => {
        const { state, poisonings } = simulate(scenario);
        expect(["completed", "failed", "cancelled"]).toContain(state.status);
        // A clock that jumps may have a stop given up whose attempt then dies with nobody to blame.
        const blameless = scenario.faults.jump > 0 ? scenario.faults.budget : 0;
        expect(poisonings).toBeLessThanOrEqual(MAX_DEATHS * poisonous(scenario) + blameless);
      }),
      { numRuns: RUNS },
    );
  });

  it("comes to what the plan says without faults", () => {
    const rest = fc.constant({ commands: [], faults: NO_FAULTS });
    const calm = scenarios(
      { kinds: [...tame, "vanish"], minTimeoutMs: 30_000 },
      plainOptions,
      rest,
    );
    fc.assert(
      fc.property(calm, (scenario) => void endsAsExpected(scenario)),
      { numRuns: Math.ceil(RUNS / 4) },
    );
  });

  it("comes to the same with lost, late, repeated reports, and crashes", () => {
    // Fewer faults than the deaths or losses that the machine holds against a step.
    const faults = fc.record({
      crash: percent,
      duplicate: percent,
      drop: percent,
      delay: percent,
      jump: fc.constant(0),
      budget: fc.nat(2),
    });
    const rest = fc.record({ commands: fc.constant([]), faults });
    const rough = scenarios({ kinds: tame, minTimeoutMs: 40_000 }, plainOptions, rest);
    fc.assert(
      fc.property(rough, (scenario) => void endsAsExpected(scenario)),
      { numRuns: Math.ceil(RUNS / 2) },
    );
  });

  it("comes to the same when it is paused and resumed", () => {
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
    const rest = fc.record({ commands: pauses, faults: fc.constant(NO_FAULTS) });
    const paused = scenarios({ kinds: tame, minTimeoutMs: 30_000 }, plainOptions, rest);
    fc.assert(
      fc.property(paused, (scenario) => void endsAsExpected(scenario)),
      { numRuns: Math.ceil(RUNS / 4) },
    );
  });

  it("fails each poison step within a bounded number of deaths and completes the others", () => {
    const rest = fc.record({
      commands: fc.constant([]),
      faults: fc.record({
        crash: fc.constant(0),
        duplicate: percent,
        drop: fc.constant(0),
        delay: fc.constant(0),
        jump: fc.constant(0),
        budget: fc.nat(20),
      }),
    });
    const kinds = ["complete", "complete", "hang", "poison"] as const;
    // Elsewhere than in the coordinator's process there is nothing that such a step takes down.
    const poisoned = scenarios({ kinds, minTimeoutMs: 30_000 }, plainOptions, rest).map(
      (scenario) => ({
        ...scenario,
        behaviours: scenario.behaviours.map((tries, index) =>
          tries.map((each) =>
            each.kind === "poison" && !scenario.plan.steps[index]?.attached
              ? { ...each, kind: "complete" as const }
              : each,
          ),
        ),
      }),
    );
    fc.assert(
      fc.property(poisoned, (scenario) => {
        const { poisonings } = endsAsExpected(scenario);
        expect(poisonings).toBeLessThanOrEqual(MAX_DEATHS * poisonous(scenario));
      }),
      { numRuns: Math.ceil(RUNS / 2) },
    );
  });

  it("is a function of its input: the same scenario gives the same run", () => {
    const rest = fc.record({
      commands: fc.array(command, { maxLength: 3 }),
      faults: fc.constant({ crash: 5, duplicate: 5, drop: 5, delay: 5, jump: 5, budget: 20 }),
    });
    const any = scenarios({ kinds: wild, minTimeoutMs: 1_000 }, anyOptions, rest);
    fc.assert(
      fc.property(any, (scenario) => {
        expect(simulate(scenario)).toEqual(simulate(scenario));
      }),
      { numRuns: Math.ceil(RUNS / 10) },
    );
  });
});
