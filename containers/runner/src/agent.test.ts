import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PROTOCOL_VERSION, type ToRunner } from "../../../workers/executors/runner/protocol.ts";
import { assign } from "../test/fixture.ts";
import { Agent, dispatchKey, type Effect } from "./agent.ts";

const newAgent = (slots = 2) =>
  new Agent({
    slots,
    unavailable: (type) => (type === "subprocess" ? null : `no ${type} here`),
    outputOf: () => 0,
  });

const welcome = (resumed: { attempt: string; epoch: number; output: number }[]): ToRunner => ({
  type: "welcome",
  protocol: PROTOCOL_VERSION,
  runner_id: "r",
  pool: "p",
  heartbeat_ms: 1_000,
  lease_ms: 3_000,
  resumed,
});

describe("the agent", () => {
  it("holds what it was told, whatever it is told", () => {
    const dispatched = fc.record({
      attempt: fc.constantFrom("a", "b", "c", "d"),
      epoch: fc.integer({ min: 1, max: 3 }),
    });
    const event = fc.oneof(
      {
        weight: 4,
        arbitrary: dispatched.map(({ attempt, epoch }) => assign(attempt, "x", { epoch })),
      },
      dispatched.map((each) => ({ type: "complete_ack", ...each }) as const),
      dispatched.map((each) => ({ type: "fenced", ...each }) as const),
      dispatched.map((each) => ({ type: "log_ack", ...each, output: 1 }) as const),
      dispatched.map(
        (each) => ({ type: "cancel", ...each, reason: "cancel", grace_ms: 10 }) as const,
      ),
      fc
        .array(dispatched, { maxLength: 4 })
        .map((each) => welcome(each.map((one) => ({ ...one, output: 2 })))),
      dispatched.map((each) => ({ type: "ended", ...each }) as const),
      fc.constant({ type: "drain" } as const),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const agent = newAgent();
        /** Executors that were started and have not been told to go, with whether they have ended. */
        const live = new Map<string, boolean>();
        const started = new Map<string, number>();
        let isDraining = false;
        const perform = (effects: readonly Effect[]) => {
          for (const effect of effects) {
            if (effect.type === "start") {
              const { attempt, epoch } = effect.assignment;
              // A dispatch starts at most once, and never after a newer one.
              expect(epoch).toBeGreaterThan(started.get(attempt) ?? 0);
              expect(isDraining).toBe(false);
              started.set(attempt, epoch);
              live.set(effect.key, false);
            } else if (effect.type === "drop" || effect.type === "settle") {
              expect(live.has(effect.key)).toBe(true);
              if (effect.type === "settle") expect(live.get(effect.key)).toBe(true);
              live.delete(effect.key);
            } else if (effect.type === "stop") {
              expect(live.get(effect.key)).toBe(false);
            } else if (effect.type !== "send") {
              expect(live.has(effect.key)).toBe(true);
            }
          }
        };
        for (const each of events) {
          if (each.type === "drain") {
            isDraining = true;
            agent.drain();
          } else if (each.type === "ended") {
            const key = dispatchKey(each);
            if (live.has(key)) live.set(key, true);
            expect(agent.ended(key)).toBe(live.has(key));
          } else {
            const effects = agent.receive(each);
            perform(effects);
            const rejections = effects.filter(
              (effect) => effect.type === "send" && effect.frame.type === "rejected",
            );
            // An assignment is taken, known already, or rejected with a reason.
            if (each.type === "assign") {
              expect(live.has(dispatchKey(each)) || rejections.length === 1).toBe(true);
            }
            if (each.type === "welcome") {
              const named = new Set(each.resumed.map(dispatchKey));
              expect([...live.keys()].filter((key) => !named.has(key))).toEqual([]);
            }
          }
          expect(agent.held().map(dispatchKey).sort()).toEqual([...live.keys()].sort());
          expect(agent.running).toBe([...live.values()].filter((hasEnded) => !hasEnded).length);
          expect(agent.running).toBeLessThanOrEqual(2);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("offers a slot again once its attempt has ended", () => {
    const agent = newAgent(1);
    agent.receive(assign("a", "x"));
    expect(agent.receive(assign("b", "x"))).toMatchObject([{ frame: { type: "rejected" } }]);
    agent.ended("a@1");
    expect(agent.receive(assign("b", "x"))).toMatchObject([{ type: "start" }, { type: "send" }]);
    expect(agent.held().map(({ attempt }) => attempt)).toEqual(["a", "b"]);
  });

  it("gives up what runs, and keeps the outcomes that it has", () => {
    const agent = newAgent();
    agent.receive(assign("a", "x"));
    agent.receive(assign("b", "x"));
    agent.ended("a@1");
    expect(agent.dropRunning()).toEqual([{ type: "drop", key: "b@1" }]);
    expect(agent.held()).toMatchObject([{ attempt: "a" }]);
    expect(agent.receive({ type: "refused", code: "x", message: "y" })).toEqual([
      { type: "drop", key: "a@1" },
    ]);
  });
});
