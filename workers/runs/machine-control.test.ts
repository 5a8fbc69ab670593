import { describe, expect, it } from "vitest";
import { nextDeadline } from "./machine.ts";
import { CANCELLED, Driver, FAILED, ONCE, plan, step } from "./machine-fixture.ts";
import type { AttemptResult } from "./types.ts";

const thrice = { ...ONCE, max_attempts: 3 };
const UNCONFIRMED: AttemptResult = { status: "cancelled", unconfirmed: true };

describe("cancel", () => {
  it("ends a run that has not begun", () => {
    const run = new Driver(plan([step("a"), step("b", [0])])).apply({ type: "cancel" }, 3);
    expect(run.emitted()).toEqual([
      "run.cancelling",
      "step.cancelled",
      "step.cancelled",
      "run.cancelled",
    ]);
    expect(run.state).toMatchObject({ status: "cancelled", completed_at: 3, open_steps: 0 });
  });

  it("kills what is in flight, ends the rest and waits for the confirmation", () => {
    const steps = [step("a"), step("b"), step("c", [], { retry: thrice }), step("d", [0])];
    const run = new Driver(plan(steps, { max_parallel: 3 })).start().started(0, 0).started(2, 0);
    run.finished(2, 1, FAILED).apply({ type: "cancel" }, 5);
    expect(run.effects.filter((effect) => effect.type === "kill")).toEqual([
      { type: "kill", step: 0, epoch: 1, reason: "cancel" },
      { type: "kill", step: 1, epoch: 1, reason: "cancel" },
    ]);
    expect(run.statuses()).toEqual(["running", "queued", "cancelled", "cancelled"]);
    expect(run.state).toMatchObject({ status: "running", cancel_requested_at: 5 });
    expect(run.apply({ type: "cancel" }, 6).effects).toEqual([]);
    run.finished(1, 7, CANCELLED);
    expect(run.emitted()).toEqual(["step.cancelled"]);
    run.finished(0, 8, CANCELLED);
    expect(run.emitted()).toEqual(["attempt.finished", "run.cancelled"]);
    expect(run.state).toMatchObject({ status: "cancelled", completed_at: 8 });
  });

  it("keeps the result of an attempt that was faster, and tries no failed one again", () => {
    const steps = [step("a"), step("b", [], { retry: thrice })];
    const run = new Driver(plan(steps)).start().started(0, 0).started(1, 0);
    run.apply({ type: "cancel" }, 1).finished(0, 2).finished(1, 3, FAILED);
    expect(run.statuses()).toEqual(["completed", "failed"]);
    expect(run.state.status).toBe("cancelled");
  });

  it("reports an attempt whose end nobody confirms", () => {
    const run = new Driver(plan([step("a"), step("b")])).start().started(0, 0).started(1, 0);
    run.apply({ type: "cancel" }, 1).finished(1, 2, UNCONFIRMED);
    expect(nextDeadline(run.state)).toBe(10_001);
    run.timer(10_001);
    expect(run.state.status).toBe("cancelled");
    expect(run.state.steps.map((each) => each.error?.code)).toEqual([
      "stop_unconfirmed",
      "stop_unconfirmed",
    ]);
  });

  it("starts nothing, whatever follows", () => {
    const steps = [step("a", [], { attached: false, retry: thrice }), step("b", [0]), step("c")];
    const run = new Driver(plan(steps)).start().started(0, 0);
    run.apply({ type: "cancel" }, 1);
    expect(run.started(2, 2).dispatched()).toEqual([]);
    expect(run.apply({ type: "resume" }, 3).effects).toEqual([]);
    expect(run.apply({ type: "pause", mode: "now" }, 3).effects).toEqual([]);
    expect(run.apply({ type: "recovered" }, 4).dispatched()).toEqual([]);
    expect(run.step(2).status).toBe("cancelled");
    run.apply({ type: "attempt_lost", step: 0, epoch: 1 }, 5);
    expect(run.dispatched()).toEqual([]);
    expect(run.step(0)).toMatchObject({ status: "cancelled", error: { code: "stop_unconfirmed" } });
    expect(run.state.status).toBe("cancelled");
  });

  it("ends a dispatch that was moved under its new epoch alone", () => {
    const run = new Driver(plan([step("a", [], { attached: false })])).start();
    run.apply({ type: "attempt_moved", step: 0, epoch: 1 }, 1);
    expect(run.dispatched()).toEqual([0]);
    expect(run.step(0)).toMatchObject({ status: "queued", epoch: 2, attempt: 1 });
    expect(run.apply({ type: "attempt_started", step: 0, epoch: 1 }, 2).emitted()).toEqual([
      "attempt.refused",
    ]);
    run.started(0, 3);
    // What has begun stays where it is.
    expect(run.apply({ type: "attempt_moved", step: 0, epoch: 2 }, 4).effects).toEqual([]);
    run.apply({ type: "cancel" }, 5).finished(0, 6, CANCELLED);
    expect(run.state.status).toBe("cancelled");
  });

  it("that is confirmed says nothing of a dispatch that was lost before", () => {
    const run = new Driver(plan([step("a", [], { attached: false })])).start().started(0, 0);
    run.apply({ type: "attempt_lost", step: 0, epoch: 1 }, 5).started(0, 6);
    run.apply({ type: "cancel" }, 7).finished(0, 8, CANCELLED);
    expect(run.step(0)).toMatchObject({ status: "cancelled", epoch: 2, error: null });
  });

  it("ends a paused run", () => {
    const run = new Driver(plan([step("a"), step("b", [0])])).start().started(0, 0);
    run.apply({ type: "pause", mode: "boundary" }, 1).finished(0, 2);
    expect(run.state.status).toBe("paused");
    expect(run.apply({ type: "cancel" }, 3).state.status).toBe("cancelled");
    expect(run.state.pause_requested).toBe(false);
  });

  it("takes over the stop of an attempt that is being stopped for another reason", () => {
    const run = new Driver(plan([step("a", [], { retry: thrice })])).start().started(0, 0);
    run.timer(60_000).apply({ type: "cancel" }, 60_001);
    expect(run.killed()).toEqual([0]);
    expect(run.finished(0, 60_002, CANCELLED).step(0).status).toBe("cancelled");
  });
});

describe("pause", () => {
  const steps = [step("a"), step("b"), step("c", [0, 1])];

  it("at a boundary lets what runs end and starts nothing more", () => {
    const run = new Driver(plan(steps)).start().started(0, 0).started(1, 0);
    run.apply({ type: "pause", mode: "boundary" }, 1);
    expect(run.effects).toEqual([{ type: "emit", event: { type: "run.pausing" } }]);
    expect(run.finished(0, 2).state.status).toBe("running");
    run.finished(1, 3);
    expect(run.emitted()).toEqual(["attempt.finished", "run.paused"]);
    expect(run.state.status).toBe("paused");
    expect(nextDeadline(run.state)).toBeNull();
    run.apply({ type: "resume" }, 9);
    expect(run.emitted()).toEqual(["run.resumed"]);
    expect(run.dispatched()).toEqual([2]);
    expect(run.state.status).toBe("running");
  });

  it("now stops what runs, and the resume runs it again as the same try", () => {
    const run = new Driver(plan(steps)).start().started(0, 0);
    run.apply({ type: "pause", mode: "now" }, 1);
    expect(run.killed()).toEqual([0, 1]);
    run.finished(0, 2, CANCELLED).finished(1, 3, CANCELLED);
    expect(run.emitted()).toEqual(["run.paused"]);
    run.apply({ type: "resume" }, 4);
    expect([...run.dispatched()].sort()).toEqual([0, 1]);
    expect(run.step(0)).toMatchObject({ attempt: 1, epoch: 2, started_at: 0 });
  });

  it("now after boundary stops what still runs, once", () => {
    const run = new Driver(plan(steps)).start().started(0, 0).started(1, 0);
    run.apply({ type: "pause", mode: "boundary" }, 1).apply({ type: "pause", mode: "now" }, 2);
    expect(run.emitted()).toEqual([]);
    expect(run.killed()).toEqual([0, 1]);
    expect(run.apply({ type: "pause", mode: "now" }, 3).effects).toEqual([]);
  });

  it("remembers a stop that nobody confirmed until the step has a result", () => {
    const run = new Driver(plan([step("a", [], { attached: false })])).start().started(0, 0);
    run.apply({ type: "pause", mode: "now" }, 1).timer(10_001);
    expect(run.state.status).toBe("paused");
    expect(run.step(0)).toMatchObject({ status: "pending", error: { code: "stop_unconfirmed" } });
    const cancelled = new Driver(run.plan);
    cancelled.state = structuredClone(run.state);
    cancelled.apply({ type: "cancel" }, 10_002);
    expect(cancelled.step(0).error?.code).toBe("stop_unconfirmed");
    run.apply({ type: "resume" }, 10_003).started(0, 10_004).finished(0, 10_005);
    expect(run.step(0)).toMatchObject({ status: "completed", error: null });
  });

  it("keeps a result that was faster than the stop", () => {
    const run = new Driver(plan([step("a")])).start().started(0, 0);
    run.apply({ type: "pause", mode: "now" }, 1).finished(0, 2);
    expect(run.state).toMatchObject({ status: "completed", pause_requested: false });
  });

  it("taken back before the stop is confirmed still runs the stopped step again", () => {
    const run = new Driver(plan([step("a")])).start().started(0, 0);
    run.apply({ type: "pause", mode: "now" }, 1).apply({ type: "resume" }, 2);
    expect(run.dispatched()).toEqual([]);
    expect(run.finished(0, 3, CANCELLED).dispatched()).toEqual([0]);
    expect(run.step(0)).toMatchObject({ attempt: 1, epoch: 2 });
  });

  it("holds tries that fall due meanwhile, and sets no timer for them", () => {
    const run = new Driver(plan([step("a", [], { retry: thrice })])).start().started(0, 0);
    run.finished(0, 0, FAILED).apply({ type: "pause", mode: "boundary" }, 500);
    expect(run.state.status).toBe("paused");
    expect(nextDeadline(run.state)).toBeNull();
    expect(run.timer(5_000).effects).toEqual([]);
    expect(run.apply({ type: "resume" }, 6_000).dispatched()).toEqual([0]);
  });

  it("holds the run's own time from when nothing is in flight to when something is again", () => {
    const run = new Driver(plan(steps, { timeout_ms: 5_000 })).start().started(0, 0).started(1, 0);
    run.apply({ type: "pause", mode: "boundary" }, 1).finished(0, 2);
    expect(nextDeadline(run.state)).toBe(5_000);
    run.finished(1, 1_000);
    expect(nextDeadline(run.state)).toBe(null);
    run.timer(9_000).apply({ type: "resume" }, 10_000);
    expect(nextDeadline(run.state)).toBe(14_000);
    expect(run.started(2, 10_000).timer(14_000).finished(2, 14_001).state).toMatchObject({
      status: "failed",
      error: { code: "run_timeout" },
    });
  });

  it("that was never asked for cannot be taken back", () => {
    const run = new Driver(plan(steps)).start();
    expect(run.apply({ type: "resume" }, 1).effects).toEqual([]);
  });
});
