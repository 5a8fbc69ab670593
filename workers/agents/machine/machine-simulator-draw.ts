/** Test support: random sessions, drawn with fast-check so that they shrink. */
import fc from "fast-check";
import type { Recovery } from "./call-types.ts";
import type { Act, Scenario } from "./machine-simulator-scenario.ts";
import { type Limits, NO_LIMITS, type SessionSettings } from "./types.ts";

export const NO_FAULTS: Scenario["faults"] = {
  crash: 0,
  duplicate: 0,
  late: 0,
  jump: 0,
  slot: 0,
  failure: 0,
  rest: 0,
  pool: 0,
  budget: 0,
};

const percent = fc.nat(30);

const anyFaults: fc.Arbitrary<Scenario["faults"]> = fc.record({
  crash: percent,
  duplicate: percent,
  late: percent,
  jump: fc.oneof(fc.constant(0), percent),
  slot: percent,
  failure: percent,
  rest: percent,
  pool: percent,
  budget: fc.nat(30),
});

/** Those that change nothing in what is said. */
export const harmless: fc.Arbitrary<Scenario["faults"]> = anyFaults.map((drawn) => ({
  ...drawn,
  failure: 0,
}));

export const harmlessToAll: fc.Arbitrary<Scenario["faults"]> = harmless.map((drawn) => ({
  ...drawn,
  crash: 0,
}));

/** So many that hardly a commit is without one. */
export const crashes: fc.Arbitrary<Scenario["faults"]> = fc
  .record({ crash: fc.integer({ min: 5, max: 50 }), budget: fc.nat(60) })
  .map((drawn) => ({ ...NO_FAULTS, ...drawn }));

const limit = (max: number) => fc.option(fc.nat(max), { freq: 2 });

export const anyLimits: fc.Arbitrary<Limits> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(NO_LIMITS) },
  {
    weight: 1,
    arbitrary: fc.record({
      usd_nanos: limit(3_000),
      tokens: limit(3_000),
      steps: limit(8),
      active_ms: limit(60_000),
      sandbox_ms: limit(800),
    }),
  },
);

const anySettings: fc.Arbitrary<SessionSettings> = fc.record({
  max_steps: fc.integer({ min: 1, max: 6 }),
  turn_timeout_ms: fc.option(fc.integer({ min: 500, max: 120_000 }), { freq: 2 }),
  max_parallel_tools: fc.integer({ min: 1, max: 3 }),
  approval_timeout_ms: fc.option(fc.integer({ min: 100, max: 40_000 }), { freq: 2 }),
  max_failures: fc.integer({ min: 1, max: 6 }),
  is_slotted: fc.boolean(),
});

/** Settings that end nothing by themselves. */
export const patientSettings: fc.Arbitrary<SessionSettings> = anySettings.map((settings) => ({
  ...settings,
  turn_timeout_ms: null,
  approval_timeout_ms: null,
  max_failures: 1_000,
}));

const message = (...policies: Extract<Act, { type: "message" }>["policy"][]) =>
  fc.constantFrom(...policies).map((policy): Act => ({ type: "message", policy }));

const PAUSES: readonly Act[] = [
  { type: "pause", mode: "boundary" },
  { type: "pause", mode: "now" },
  { type: "resume" },
  { type: "resume" },
];

const anyAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 12, arbitrary: message("enqueue", "enqueue", "reject", "interrupt", "rollback") },
  { weight: 8, arbitrary: fc.constantFrom<Act>(...PAUSES) },
  {
    weight: 10,
    arbitrary: fc.constantFrom<Act>(
      { type: "cancel_turn" },
      { type: "approve" },
      { type: "deny" },
      { type: "answer" },
      { type: "compact" },
      { type: "charged" },
      { type: "hold" },
      { type: "hold" },
      { type: "hold" },
      { type: "initialize" },
      { type: "slot_lost" },
      { type: "faulted" },
    ),
  },
  { weight: 2, arbitrary: anyLimits.map((limits): Act => ({ type: "budget_changed", limits })) },
  { weight: 2, arbitrary: anySettings.map((settings): Act => ({ type: "configured", settings })) },
  { weight: 1, arbitrary: fc.constant<Act>({ type: "terminate" }) },
);

/** What takes nothing from what is said in the end. */
export const gentle = (mode: "any" | "boundary"): fc.Arbitrary<Act> =>
  fc.oneof(
    { weight: 2, arbitrary: message("enqueue") },
    {
      weight: 3,
      arbitrary: fc.constantFrom<Act>(
        ...PAUSES.filter((act) => mode === "any" || act.type !== "pause" || act.mode === mode),
        { type: "charged" },
        { type: "hold" },
        { type: "slot_lost" },
      ),
    },
    { weight: 1, arbitrary: anyLimits.map((limits): Act => ({ type: "budget_changed", limits })) },
  );

export interface Shape {
  readonly act: fc.Arbitrary<Act>;
  readonly faults: fc.Arbitrary<Scenario["faults"]>;
  readonly settings: fc.Arbitrary<SessionSettings>;
  readonly recoveries: readonly Recovery[];
}

export const ALL_RECOVERIES = ["rerun", "report", "ask", "attach"] as const;

export const WILD: Shape = {
  act: anyAct,
  faults: anyFaults,
  settings: anySettings,
  recoveries: ALL_RECOVERIES,
};

/** A session that is initialized, sent a message, and then whatever is drawn. */
export function scenarios({ act, faults, settings, recoveries }: Shape): fc.Arbitrary<Scenario> {
  const timed = fc.record({ at: fc.nat(40_000), act });
  return fc
    .record({
      settings,
      limits: anyLimits,
      acts: fc.array(timed, { maxLength: 14, size: "max" }),
      faults,
      seed: fc.integer({ min: 0, max: 0xffffffff }),
    })
    .map((drawn) => ({
      ...drawn,
      recoveries,
      acts: [
        { at: 0, act: { type: "initialize" } },
        { at: 4_000, act: { type: "message", policy: "enqueue" } },
        ...drawn.acts,
      ],
    }));
}
