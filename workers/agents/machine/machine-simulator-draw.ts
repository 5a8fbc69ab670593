/** Test support: random sessions, drawn with fast-check so that they shrink. */
import fc from "fast-check";
import type { Act, Scenario } from "./machine-simulator-scenario.ts";
import { type Limits, NO_LIMITS, type SessionSettings } from "./types.ts";

export const NO_FAULTS: Scenario["faults"] = {
  crash: 0,
  duplicate: 0,
  late: 0,
  jump: 0,
  slot: 0,
  failure: 0,
  budget: 0,
};

const percent = fc.nat(30);

export const anyFaults: fc.Arbitrary<Scenario["faults"]> = fc.record({
  crash: percent,
  duplicate: percent,
  late: percent,
  jump: percent,
  slot: percent,
  failure: percent,
  budget: fc.nat(30),
});

export const crashes: fc.Arbitrary<Scenario["faults"]> = fc
  .record({ crash: fc.integer({ min: 5, max: 40 }), budget: fc.nat(40) })
  .map((drawn) => ({ ...NO_FAULTS, ...drawn }));

const limit = (max: number) => fc.option(fc.nat(max), { freq: 2 });

export const anyLimits: fc.Arbitrary<Limits> = fc.oneof(
  fc.constant(NO_LIMITS),
  fc.record({
    usd_nanos: limit(3_000),
    tokens: limit(3_000),
    steps: limit(8),
    active_ms: limit(60_000),
    sandbox_ms: limit(2_000),
  }),
);

export const anySettings: fc.Arbitrary<SessionSettings> = fc.record({
  max_steps: fc.integer({ min: 1, max: 6 }),
  turn_timeout_ms: fc.option(fc.integer({ min: 500, max: 60_000 })),
  max_parallel_tools: fc.integer({ min: 1, max: 3 }),
  approval_timeout_ms: fc.option(fc.integer({ min: 100, max: 20_000 })),
  max_failures: fc.integer({ min: 1, max: 4 }),
  is_slotted: fc.boolean(),
});

const message = (...policies: Extract<Act, { type: "message" }>["policy"][]) =>
  fc.constantFrom(...policies).map((policy): Act => ({ type: "message", policy }));

/** What callers do that nobody has to take back. */
export const anyAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: message("enqueue", "enqueue", "reject", "interrupt", "rollback") },
  {
    weight: 6,
    arbitrary: fc.constantFrom<Act>(
      { type: "pause", mode: "boundary" },
      { type: "pause", mode: "now" },
      { type: "pause", mode: "now" },
      { type: "resume" },
      { type: "resume" },
      { type: "resume" },
      { type: "cancel_turn" },
      { type: "approve" },
      { type: "deny" },
      { type: "answer" },
      { type: "compact" },
      { type: "charged" },
      { type: "hold" },
      { type: "initialize" },
      { type: "slot_lost" },
      { type: "faulted" },
    ),
  },
  { weight: 1, arbitrary: anyLimits.map((limits): Act => ({ type: "budget_changed", limits })) },
  { weight: 1, arbitrary: anySettings.map((settings): Act => ({ type: "configured", settings })) },
);

const termination = fc.constant<Act>({ type: "terminate" });

export interface Shape {
  readonly act: fc.Arbitrary<Act>;
  readonly faults: fc.Arbitrary<Scenario["faults"]>;
  readonly limits?: fc.Arbitrary<Limits>;
  readonly settings?: fc.Arbitrary<SessionSettings>;
}

export const WILD: Shape = {
  act: fc.oneof({ weight: 30, arbitrary: anyAct }, { weight: 1, arbitrary: termination }),
  faults: anyFaults,
};

/** A session that is initialized, sent a message, and then whatever is drawn. */
export function scenarios({ act, faults, limits, settings }: Shape): fc.Arbitrary<Scenario> {
  const timed = fc.record({ at: fc.nat(40_000), act });
  return fc
    .record({
      settings: settings ?? anySettings,
      limits: limits ?? anyLimits,
      acts: fc.array(timed, { maxLength: 14, size: "max" }),
      faults,
      seed: fc.integer({ min: 0, max: 0xffffffff }),
    })
    .map((drawn) => ({
      ...drawn,
      acts: [
        { at: 0, act: { type: "initialize" } },
        { at: 4_000, act: { type: "message", policy: "enqueue" } },
        ...drawn.acts,
      ],
    }));
}
