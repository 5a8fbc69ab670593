/**
 * The invariants of the session machine over random commands and faults. `MACHINE_RUNS` sets the
 * number of schedules of each property; a failure prints its seed and the smallest scenario found.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { simulate } from "./machine-simulator.ts";
import { crashes, NO_FAULTS, type Shape, scenarios, WILD } from "./machine-simulator-draw.ts";
import type { Act, Scenario } from "./machine-simulator-scenario.ts";
import { wireState } from "./wire.ts";

const RUNS = Number(process.env.MACHINE_RUNS ?? 1_000);
const TIMEOUT_MS = 15_000 + RUNS * 20;

function itHolds(says: string, share: number, shape: Shape, judge: (of: Scenario) => void): void {
  it(says, () => {
    const numRuns = Math.ceil(RUNS * share);
    fc.assert(fc.property(scenarios(shape), judge), { numRuns });
  });
}

describe("the session machine", { timeout: TIMEOUT_MS }, () => {
  itHolds("keeps its invariants under every fault and command", 1, WILD, (scenario) => {
    const { state } = simulate(scenario);
    const { state: name, waiting_for } = wireState(state);
    expect([name, waiting_for]).toEqual(
      state.phase === "terminated" ? ["terminated", null] : ["waiting", "message"],
    );
    expect(state.queue).toEqual([]);
  });
});
