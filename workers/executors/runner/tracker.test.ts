import { describe, expect, it } from "vitest";
import type { PoolAttempt } from "./pool-types.ts";
import { ASK_AGAIN_MS, MAX_REPORT_CHARS, Tracker } from "./tracker.ts";

const row: PoolAttempt = {
  attempt: "a/1/0",
  epoch: 1,
  resource_id: "a",
  run: 1,
  step: 0,
  placement: "own",
  project_id: "p",
  task_type: "subprocess",
  patient: true,
  state: "assigned",
  priority: 0,
  queued_at: 0,
  runs_on: [],
  timeout_ms: 1,
  runner_id: "r",
  lease_until: 0,
  is_graced: false,
  is_started_told: false,
  output: 0,
  stop: null,
  final: null,
  blob_keys: [],
};
const done = { status: "completed", exit_code: 0, result: null } as const;
const typesOf = (tracker: Tracker) => tracker.next().reports.map(({ type }) => type);

describe("what an owner is told", () => {
  it("is nothing when nothing happened, and that it is alive when it is asked", () => {
    const tracker = new Tracker(row);
    expect(typesOf(tracker)).toEqual([]);
    tracker.isAsking = true;
    expect(typesOf(tracker)).toEqual(["alive"]);
  });

  it("is all in one report: the start, the output, the end", () => {
    const tracker = new Tracker({ ...row, state: "running" });
    tracker.buffer.add(0, [["stdout", "x"]]);
    tracker.complete = { output: 1, outcome: done };
    expect(typesOf(tracker)).toEqual(["started", "output", "ended"]);
  });

  it("is the end only after all output", () => {
    const tracker = new Tracker({ ...row, state: "running", is_started_told: true });
    tracker.complete = { output: 3, outcome: done };
    tracker.buffer.add(0, [
      ["stdout", "x".repeat(MAX_REPORT_CHARS)],
      ["stdout", "y"],
    ]);
    expect(typesOf(tracker)).toEqual(["output"]);
    tracker.buffer.settle(1);
    expect(typesOf(tracker)).toEqual(["output"]);
    tracker.buffer.add(2, [["stdout", "z"]]);
    expect(typesOf(tracker)).toEqual(["output", "ended"]);
  });

  it("is the pool's own end before the runner's", () => {
    const tracker = new Tracker({ ...row, state: "ending", final: { type: "lost" } });
    tracker.complete = { output: 0, outcome: done };
    expect(typesOf(tracker)).toEqual(["lost"]);
  });
});

describe("what a runner is asked for", () => {
  it("is asked for once in a while, and at once when more has been taken", () => {
    const tracker = new Tracker(row);
    expect([tracker.mayAsk(0), tracker.mayAsk(1), tracker.mayAsk(ASK_AGAIN_MS)]).toEqual([
      true,
      false,
      true,
    ]);
    tracker.buffer.settle(1);
    expect(tracker.mayAsk(ASK_AGAIN_MS + 1)).toBe(true);
  });

  it("is missing when it has been produced since the heartbeat before", () => {
    const tracker = new Tracker(row);
    expect([2, 2].map((produced) => tracker.isMissing(produced))).toEqual([false, true]);
    tracker.buffer.add(0, [
      ["stdout", "a"],
      ["stdout", "b"],
    ]);
    expect(tracker.isMissing(2)).toBe(false);
  });
});
