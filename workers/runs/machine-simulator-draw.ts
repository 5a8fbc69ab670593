/** Test support: random plans and what becomes of them, drawn with fast-check so that they shrink. */
import fc from "fast-check";
import type { Behaviour, Scenario, Script } from "./machine-simulator-scenario.ts";
import { BACKOFFS, type RunEvent, type RunPlan, type StepPlan } from "./types.ts";

export const NO_FAULTS: Scenario["faults"] = {
  crash: 0,
  duplicate: 0,
  drop: 0,
  delay: 0,
  jump: 0,
  slot: 0,
  budget: 0,
};

export const TAME = [
  "complete",
  "complete",
  "complete",
  "exit",
  "error",
  "hang",
  "stop_itself",
] as const;
export const WILD = [...TAME, "vanish", "poison"] as const;

export interface Shape {
  readonly kinds: readonly Behaviour["kind"][];
  /** Attempts are given this long, and 30 s more, at most. */
  readonly minTimeoutMs: number;
  readonly options: fc.Arbitrary<Omit<RunPlan, "steps">>;
  readonly rest: fc.Arbitrary<Pick<Scenario, "commands" | "faults">>;
  /** No conditions, groups or gates. */
  readonly plain?: boolean;
  readonly maxSteps?: number;
}

const percent = fc.nat(25);

/** Faults of each kind, `budget` of them at most. */
export const faultsOf = (budget: number, jump = true): fc.Arbitrary<Scenario["faults"]> =>
  fc.record({
    crash: percent,
    duplicate: percent,
    drop: percent,
    delay: percent,
    jump: jump ? percent : fc.constant(0),
    slot: percent,
    budget: fc.nat(budget),
  });

export const anyOptions: Shape["options"] = fc.record({
  max_parallel: fc.integer({ min: 1, max: 5 }),
  stop_on_failure: fc.boolean(),
  timeout_ms: fc.option(fc.integer({ min: 1_000, max: 90_000 })),
  slotted: fc.boolean(),
  concludes: fc.boolean(),
});

/** Runs of whose steps each comes to the same, whenever it happens. */
export const timelessOptions: Shape["options"] = fc.record({
  max_parallel: fc.integer({ min: 1, max: 5 }),
  stop_on_failure: fc.constant(false),
  timeout_ms: fc.constant(null),
  slotted: fc.boolean(),
  concludes: fc.boolean(),
});

export const anyCommand: fc.Arbitrary<Scenario["commands"][number]> = fc.record({
  at: fc.nat(15_000),
  event: fc.oneof(
    fc.constantFrom<RunEvent>(
      { type: "cancel" },
      { type: "pause", mode: "boundary" },
      { type: "pause", mode: "now" },
      { type: "resume" },
      { type: "resume" },
      { type: "timer" },
      { type: "start" },
      { type: "slot_lost" },
    ),
    fc.record({
      type: fc.constant("approve" as const),
      step: fc.nat(9),
      approved: fc.boolean(),
      by: fc.constant("anyone"),
      comment: fc.constant(null),
    }),
    fc.nat(9).map((n): RunEvent => ({ type: "signal", name: "go", id: `early${n}` })),
  ),
});

const retry = fc.record({
  max_attempts: fc.integer({ min: 1, max: 3 }),
  backoff: fc.constantFrom(...BACKOFFS),
  initial_ms: fc.nat(3_000),
  max_ms: fc.nat(5_000),
  jitter: fc.boolean(),
  on: fc.subarray(["exit", "timeout", "lost", "error"] as const),
});

const PLAIN = { condition: null, matrix: null, gate: null };

type Kind = Pick<StepPlan, "condition" | "matrix" | "gate">;

interface Drawn {
  readonly kind: Kind;
  readonly script: Script;
}

const answers = ["yes", "yes", "yes", "no", "broken"] as const;
const statusAnswers = [
  "always",
  "always",
  "success",
  "failure",
  "cancelled",
  "no",
  "broken",
] as const;

/** A condition, and what it comes to. */
const condition: fc.Arbitrary<Pick<StepPlan, "condition"> & Pick<Script, "answer">> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ condition: null, answer: "yes" as const }) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(...answers)
      .map((answer) => ({ condition: { calls_status: false }, answer })),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(...statusAnswers)
      .map((answer) => ({ condition: { calls_status: true }, answer })),
  },
);

/** Passages come well within the shortest time of a gate, or never. */
const passage = fc.option(fc.record({ approved: fc.boolean(), after_ms: fc.nat(5_000) }), {
  freq: 4,
});
const limit = fc.option(fc.integer({ min: 60_000, max: 70_000 }));

function drawKind(kinds: Shape["kinds"], plain: boolean): fc.Arbitrary<Drawn> {
  const behaviour = fc.record({ kind: fc.constantFrom(...kinds), after_ms: fc.nat(5_000) });
  const tries = fc.array(behaviour, { minLength: 1, maxLength: 3 });
  const simple = tries.map((each) => [each]);
  const step = fc.record({ condition, tries: simple }).map(
    ({ condition: { condition: asked, answer }, tries: each }): Drawn => ({
      kind: { ...PLAIN, condition: asked },
      script: { answer, tries: each, passage: null },
    }),
  );
  if (plain) {
    return simple.map((each) => ({
      kind: PLAIN,
      script: { answer: "yes", tries: each, passage: null },
    }));
  }
  const group = fc
    .record({
      condition,
      tries: fc.array(tries, { maxLength: 6, size: "max" }),
      max_parallel: fc.option(fc.integer({ min: 1, max: 4 })),
      fail_fast: fc.boolean(),
    })
    .map(
      ({ condition: { condition: asked, answer }, tries: each, ...matrix }): Drawn => ({
        kind: { ...PLAIN, condition: asked, matrix },
        script: { answer, tries: each, passage: null },
      }),
    );
  const gate = fc
    .record({ condition, passage, limit, type: fc.constantFrom("approval", "signal", "duration") })
    .map(
      ({ condition: { condition: asked, answer }, passage: passes, limit: ms, type }): Drawn => ({
        kind: { ...PLAIN, condition: asked, gate: gateOf(type, ms, passes !== null) },
        script: { answer, tries: [], passage: passes },
      }),
    );
  return fc.oneof(
    { weight: 3, arbitrary: step },
    { weight: 2, arbitrary: group },
    { weight: 1, arbitrary: gate },
  );
}

/** Signals that nobody sends have a name that nobody sends. */
function gateOf(
  type: "approval" | "signal" | "duration",
  ms: number | null,
  isPassed: boolean,
): StepPlan["gate"] {
  if (type === "duration") return { type, signal: null, ms: ms === null ? null : ms - 59_000 };
  return { type, signal: type === "approval" ? null : isPassed ? "go" : "silence", ms };
}

export function scenarios(shape: Shape): fc.Arbitrary<Scenario> {
  const { kinds, minTimeoutMs } = shape;
  const step = fc.record({
    drawn: drawKind(kinds, shape.plain ?? false),
    needs: fc.uniqueArray(fc.nat(11), { maxLength: 3 }),
    continue_on_error: fc.boolean(),
    timeout_ms: fc.integer({ min: minTimeoutMs, max: minTimeoutMs + 30_000 }),
    retry,
    where: fc.constantFrom("attached", "attached", "detached", "durable"),
  });
  return fc
    .record({
      steps: fc.array(step, { maxLength: shape.maxSteps ?? 9, size: "max" }),
      options: shape.options,
      outputs_error: fc.option(fc.constant("No such output."), { freq: 1 }),
      rest: shape.rest,
      seed: fc.integer({ min: 0, max: 0xffffffff }),
    })
    .map(({ steps, options, outputs_error, rest, seed }) => ({
      plan: {
        ...options,
        steps: steps.map(({ drawn, where, needs, ...more }, index) => ({
          ...more,
          ...drawn.kind,
          name: `s${index}`,
          needs: needs.filter((need) => need < index),
          attached: where === "attached",
          durable: where === "durable",
        })),
      },
      scripts: steps.map(({ drawn }) => drawn.script),
      outputs_error,
      seed,
      ...rest,
    }));
}

/** The same with every behaviour changed. */
export function withBehaviours(
  scenario: Scenario,
  change: (behaviour: Behaviour, plan: StepPlan | undefined) => Behaviour,
): Scenario {
  return {
    ...scenario,
    scripts: scenario.scripts.map((script, index) => ({
      ...script,
      tries: script.tries.map((tries) =>
        tries.map((each) => change(each, scenario.plan.steps[index])),
      ),
    })),
  };
}
