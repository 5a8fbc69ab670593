/**
 * The invariants of the session machine over random commands and faults. `MACHINE_RUNS` sets the
 * number of schedules of each property; a failure prints its seed and the smallest scenario found.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MachineEvent } from "./effects.ts";
import { simulate } from "./machine-simulator.ts";
import {
  ALL_RECOVERIES,
  crashes,
  gentle,
  harmless,
  harmlessToAll,
  patientSettings,
  type Shape,
  scenarios,
  WILD,
} from "./machine-simulator-draw.ts";
import type { Scenario } from "./machine-simulator-scenario.ts";
import { Script } from "./machine-simulator-script.ts";
import { wireState } from "./wire.ts";

const RUNS = Number(process.env.MACHINE_RUNS ?? 1_000);
const TIMEOUT_MS = 15_000 + RUNS * 20;

function itHolds(says: string, share: number, shape: Shape, judge: (of: Scenario) => void): void {
  it(says, () => {
    const numRuns = Math.ceil(RUNS * share);
    fc.assert(fc.property(scenarios(shape), judge), { numRuns });
  });
}

/** Nothing is lost and nothing is left to do, whatever was done to it. */
function comesToRest(scenario: Scenario): void {
  const { state } = simulate(scenario);
  const { state: name, waiting_for } = wireState(state);
  expect([name, waiting_for]).toEqual(
    state.phase === "terminated" ? ["terminated", null] : ["waiting", "message"],
  );
  expect(state.queue).toEqual([]);
}

/** Every turn comes to what the script says, read without a clock, an order or a state. */
function saysWhatIsWritten(scenario: Scenario): void {
  const { log } = simulate(scenario);
  const script = new Script(scenario);
  const turns = log.filter((event) => event.type === "turn.ended");
  expect(turns.length).toBeGreaterThan(0);
  for (const { turn, stop_reason } of turns) {
    const { calls, end } = script.foresee(turn);
    expect(stop_reason, `turn ${turn}`).toBe(end);
    expect(answersOf(log, turn), `turn ${turn}`).toEqual([...calls].sort());
  }
}

function answersOf(log: readonly MachineEvent[], turn: number): string[] {
  return log
    .flatMap((event) =>
      event.type === "tool.finished" && event.turn === turn
        ? [`${event.step}/${event.call} ${event.outcome}`]
        : [],
    )
    .sort();
}

describe("the session machine", { timeout: TIMEOUT_MS }, () => {
  itHolds("keeps its invariants under every fault and command", 1, WILD, comesToRest);

  itHolds(
    "keeps them when its process hardly lives from one commit to the next",
    0.5,
    { ...WILD, faults: crashes },
    comesToRest,
  );

  itHolds(
    "says the same through crashes, pauses, late and repeated reports, when calls may be rerun",
    0.5,
    {
      act: gentle("any"),
      faults: harmless,
      settings: patientSettings,
      recoveries: ["rerun", "attach"],
    },
    saysWhatIsWritten,
  );

  itHolds(
    "says the same through pauses that let calls end, whatever these declare",
    0.5,
    {
      act: gentle("boundary"),
      faults: harmlessToAll,
      settings: patientSettings,
      recoveries: ALL_RECOVERIES,
    },
    saysWhatIsWritten,
  );

  itHolds("is a function of its input: the same scenario gives the same log", 0.1, WILD, (of) => {
    expect(simulate(of)).toEqual(simulate(of));
  });
});
