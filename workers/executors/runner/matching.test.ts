import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TaskType } from "../port.ts";
import {
  type Candidate,
  fits,
  isMeantFor,
  matchQueue,
  type Offering,
  type Queued,
  whyNone,
} from "./matching.ts";

const runner = (facts: Partial<Candidate> = {}): Candidate => ({
  runner_id: "r",
  name: "runner",
  labels: [],
  task_types: ["subprocess"],
  unavailable: {},
  slots: 1,
  is_draining: false,
  is_connected: true,
  free: 1,
  ...facts,
});
const never = () => false;
const asks = (attempt: string, facts: Partial<Queued> = {}): Queued => ({
  attempt,
  task_type: "subprocess",
  runs_on: [],
  ...facts,
});

describe("a runner", () => {
  it.each<[Partial<Offering>, boolean]>([
    [{}, true],
    [{ labels: ["gpu", "linux"] }, true],
    [{ labels: ["linux"] }, false],
    [{ task_types: ["dagger"] }, false],
    [{ task_types: null }, false],
    [{ is_draining: true }, false],
    [{ is_connected: false }, false],
  ])("with %j fits: %s", (facts, expected) => {
    const demand = asks("a", facts.labels === undefined ? {} : { runs_on: ["gpu"] });
    expect(fits(runner(facts), demand)).toBe(expected);
  });

  it.each<[Partial<Offering>, boolean]>([
    [{}, true],
    [{ is_connected: false }, true],
    [{ task_types: null }, true],
    [{ task_types: [], unavailable: { subprocess: "no" } }, true],
    [{ task_types: ["dagger"] }, false],
  ])("with %j is meant for the type: %s", (facts, expected) => {
    expect(isMeantFor(runner(facts), "subprocess")).toBe(expected);
  });
});

describe("the queue", () => {
  it("passes over what nobody free can take", () => {
    const queue = [asks("gpu", { runs_on: ["gpu"] }), asks("plain")];
    expect(matchQueue(queue, [runner()], never)).toEqual([{ attempt: "plain", runner_id: "r" }]);
  });

  it("spreads over runners, and leaves those with labels to who asks for them", () => {
    const candidates = [
      runner({ runner_id: "gpu", labels: ["gpu"], free: 1 }),
      runner({ runner_id: "plain", free: 1 }),
      runner({ runner_id: "big", free: 2, labels: ["x", "y"] }),
    ];
    const queue = ["a", "b", "c", "d", "e"].map((attempt) => asks(attempt));
    expect(matchQueue(queue, candidates, never).map(({ runner_id }) => runner_id)).toEqual([
      "big",
      "plain",
      "gpu",
      "big",
    ]);
  });

  it("asks no runner that is to be avoided", () => {
    const candidates = [runner({ runner_id: "a", free: 5 }), runner({ runner_id: "b" })];
    const avoids = (_: string, runnerId: string) => runnerId === "a";
    expect(matchQueue([asks("x"), asks("y")], candidates, avoids)).toEqual([
      { attempt: "x", runner_id: "b" },
    ]);
  });

  it("fills no slot twice, matches only what fits, and leaves nothing that could run", () => {
    const labels = fc.uniqueArray(fc.constantFrom("gpu", "linux", "big"), { maxLength: 3 });
    const type = fc.constantFrom<TaskType>("dagger", "subprocess");
    const runners = fc.uniqueArray(
      fc.record({
        runner_id: fc.constantFrom("a", "b", "c", "d"),
        labels,
        task_types: fc.option(fc.uniqueArray(type)),
        is_draining: fc.boolean(),
        is_connected: fc.boolean(),
        free: fc.integer({ min: -1, max: 3 }),
      }),
      { selector: ({ runner_id }) => runner_id },
    );
    const queue = fc.array(fc.record({ task_type: type, runs_on: labels }), { maxLength: 12 });
    fc.assert(
      fc.property(runners, queue, (facts, demands) => {
        const candidates = facts.map((one) => runner(one));
        const queued = demands.map((demand, index) => ({ attempt: String(index), ...demand }));
        const matches = matchQueue(queued, candidates, never);
        const free = new Map(candidates.map((one) => [one.runner_id, Math.max(0, one.free)]));
        for (const { attempt, runner_id } of matches) {
          const demand = queued.find((one) => one.attempt === attempt);
          const taker = candidates.find((one) => one.runner_id === runner_id);
          expect(demand && taker && fits(taker, demand)).toBe(true);
          free.set(runner_id, (free.get(runner_id) ?? 0) - 1);
        }
        for (const left of free.values()) expect(left).toBeGreaterThanOrEqual(0);
        expect(new Set(matches.map(({ attempt }) => attempt)).size).toBe(matches.length);
        const given = new Set(matches.map(({ attempt }) => attempt));
        for (const demand of queued.filter(({ attempt }) => !given.has(attempt))) {
          const idle = candidates.filter((one) => (free.get(one.runner_id) ?? 0) > 0);
          expect(idle.some((one) => fits(one, demand))).toBe(false);
        }
      }),
    );
  });
});

describe("why nothing can take it", () => {
  it.each<[string, readonly Candidate[], RegExp | null]>([
    ["nothing is registered", [], /No runner is registered/],
    ["nothing is connected", [runner({ is_connected: false })], /\(1 registered\)/],
    ["nothing runs the type", [runner({ task_types: [] })], /runs subprocess/],
    [
      "the engine is down",
      [runner({ task_types: [], unavailable: { subprocess: "It is down." } })],
      /can run subprocess now\. runner: It is down\./,
    ],
    ["no labels", [runner()], /"gpu"/],
    ["all drain", [runner({ labels: ["gpu"], is_draining: true })], /draining/],
    ["one fits", [runner({ labels: ["gpu"], free: 0 })], null],
  ])("when %s", (_, runners, expected) => {
    const reason = whyNone("shared", runners, asks("a", { runs_on: ["gpu"] }));
    if (expected === null) expect(reason).toBeNull();
    else expect(reason).toMatch(expected);
  });
});
