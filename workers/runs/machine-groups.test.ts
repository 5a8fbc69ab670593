import { describe, expect, it } from "vitest";
import { ALWAYS, CANCELLED, Driver, FAILED, matrix, ONCE, plan, step } from "./machine-fixture.ts";
import { MAX_STEPS } from "./state.ts";

const remote = { attached: false };
const twice = { retry: { ...ONCE, max_attempts: 2 } };
const itemsOf = (run: Driver) => run.statuses().slice(run.plan.steps.length);

describe("a group", () => {
  it("is asked for its items, runs them and ends with the last", () => {
    const run = new Driver(plan([step("g", [], matrix()), step("after", [0])])).start();
    expect(run.asked()).toEqual([0]);
    run.expanded(0, 2, 1);
    expect(run.emitted()).toEqual(["run.started", "step.expanded"]);
    expect(run.dispatched()).toEqual([2, 3]);
    expect(run.step(0)).toMatchObject({ status: "running", started_at: 1, epoch: 0 });
    expect(run.step(3)).toMatchObject({ group: 0, item: 1 });
    expect(run.state).toMatchObject({ open_steps: 4, in_flight: 2 });
    expect(run.started(3, 2).finished(3, 3).dispatched()).toEqual([]);
    run.started(2, 4).finished(2, 5);
    expect(run.emitted()).toEqual(["attempt.finished", "step.completed"]);
    expect(run.dispatched()).toEqual([1]);
    expect(run.step(0)).toMatchObject({ status: "completed", completed_at: 5 });
    expect(run.step(0).items).toMatchObject({ open: 0, active: 0, failed: 0, cancelled: 0 });
  });

  it("without items completes at once", () => {
    const run = new Driver(plan([step("g", [], matrix()), step("after", [0])])).start();
    expect(run.expanded(0, 0, 1).dispatched()).toEqual([1]);
    expect(run.emitted()).toEqual(["run.started", "step.expanded", "step.completed"]);
  });

  it("keeps to its own max_parallel, a waiting retry included, and to the run's", () => {
    const steps = [step("g", [], { ...matrix(2), ...twice }), step("h", [], matrix())];
    const run = new Driver(plan(steps, { max_parallel: 3 })).start();
    run.expanded(0, 3, 1).expanded(1, 3, 2);
    expect(itemsOf(run)).toEqual(["queued", "queued", "pending", "queued", "pending", "pending"]);
    run.started(2, 3).finished(2, 4, FAILED);
    expect(run.step(2).status).toBe("waiting");
    expect(run.step(4).status).toBe("pending");
    expect(run.dispatched()).toEqual([6]);
    expect(run.started(3, 5).finished(3, 6).dispatched()).toEqual([7]);
    expect(run.state.ready).toEqual([4]);
  });

  it("lets all items end when one fails, and fails with its error", () => {
    const run = new Driver(plan([step("g", [], matrix(1)), step("after", [0])])).start();
    run.expanded(0, 2, 1).started(2, 2);
    expect(run.finished(2, 3, FAILED).dispatched()).toEqual([3]);
    run.started(3, 4).finished(3, 5);
    expect(run.statuses()).toEqual(["failed", "skipped", "failed", "completed"]);
    expect(run.step(0).error?.code).toBe("exit_nonzero");
    expect(run.state).toMatchObject({ status: "failed", failures: 1 });
  });

  it("with continue_on_error tolerates failed items", () => {
    const steps = [step("g", [], { ...matrix(), continue_on_error: true }), step("after", [0])];
    const run = new Driver(plan(steps, { stop_on_failure: true })).start().expanded(0, 1, 1);
    expect(run.started(2, 2).finished(2, 3, FAILED).dispatched()).toEqual([1]);
    expect(run.started(1, 4).finished(1, 5).state.status).toBe("completed");
  });

  it("that takes the run past its limit of steps fails", () => {
    const run = new Driver(plan([step("g", [], matrix())])).start().expanded(0, MAX_STEPS, 1);
    expect(run.step(0).error?.code).toBe("too_many_steps");
    expect(run.state).toMatchObject({ status: "failed", open_steps: 0 });
  });

  it("has no attempt that could be reported on", () => {
    const run = new Driver(plan([step("g", [], matrix())])).start().expanded(0, 1, 1);
    expect(run.finished(0, 2).emitted()).toEqual(["attempt.refused"]);
    expect(run.state.in_flight).toBe(1);
  });

  it("is cancelled with an item that was cancelled by itself", () => {
    const durable = { attached: false, durable: true };
    const run = new Driver(plan([step("g", [], { ...matrix(), ...durable })])).start();
    run.expanded(0, 2, 1).started(1, 2).finished(1, 3, CANCELLED).started(2, 4).finished(2, 5);
    expect(run.statuses()).toEqual(["cancelled", "cancelled", "completed"]);
    expect(run.state).toMatchObject({ status: "failed", error: { code: "step_cancelled" } });
  });

  it("is cancelled with its run, whatever of it has begun", () => {
    const run = new Driver(plan([step("g", [], matrix(1))]))
      .start()
      .expanded(0, 3, 1)
      .started(1, 2);
    expect(run.cancel(3).killed()).toEqual([1]);
    expect(run.statuses()).toEqual(["running", "running", "cancelled", "cancelled"]);
    run.finished(1, 4, CANCELLED);
    expect(run.statuses()[0]).toBe("cancelled");
    expect(run.state.status).toBe("cancelled");
  });

  it("is skipped when a failure elsewhere keeps items from beginning, unless it asks for that", () => {
    const steps = [
      step("bad"),
      step("g", [], matrix(1)),
      step("h", [], { ...matrix(1), ...ALWAYS }),
    ];
    const run = new Driver(plan(steps, { stop_on_failure: true })).start();
    run.expanded(1, 2, 1).expanded(2, 2, 1).started(3, 2).started(5, 2);
    run.started(0, 3).finished(0, 4, FAILED);
    expect(itemsOf(run)).toEqual(["running", "skipped", "running", "pending"]);
    run.finished(3, 5);
    expect(run.step(1)).toMatchObject({ status: "skipped", abandoned: true });
    expect(run.finished(5, 6).dispatched()).toEqual([6]);
    run.started(6, 7).finished(6, 8);
    expect(run.step(2).status).toBe("completed");
  });

  it("goes on after a crash where it stood", () => {
    const run = new Driver(plan([step("g", [], { ...matrix(1), ...remote })])).start();
    run.expanded(0, 2, 1).started(1, 2).recovered(3);
    expect(run.dispatched()).toEqual([]);
    expect(run.finished(1, 4).dispatched()).toEqual([2]);
  });
});

describe("fail_fast", () => {
  const fast = { ...matrix(2, true), ...remote };

  it("stops what runs and cancels what has not begun, and the group fails once all has ended", () => {
    const run = new Driver(plan([step("g", [], fast), step("after", [0], ALWAYS)])).start();
    run.expanded(0, 4, 1).started(2, 2).started(3, 2).finished(3, 3, FAILED);
    expect(run.effects.filter(({ type }) => type === "kill")).toEqual([
      { type: "kill", step: 2, epoch: 1, reason: "fail_fast" },
    ]);
    expect(itemsOf(run)).toEqual(["running", "failed", "cancelled", "cancelled"]);
    expect(run.asked()).toEqual([]);
    run.finished(2, 4, CANCELLED);
    expect(run.statuses().slice(0, 3)).toEqual(["failed", "pending", "cancelled"]);
    expect(run.step(0).error?.code).toBe("exit_nonzero");
    expect(run.asked()).toEqual([1]);
    expect(run.state.failures).toBe(1);
  });

  it("keeps the result of an item that was faster than its stop", () => {
    const run = new Driver(plan([step("g", [], fast)])).start().expanded(0, 2, 1);
    run.started(1, 2).started(2, 2).finished(1, 3, FAILED).finished(2, 4);
    expect(run.statuses()).toEqual(["failed", "failed", "completed"]);
  });

  it("comes with the last try of an item, not with its first", () => {
    const run = new Driver(plan([step("g", [], { ...fast, ...twice })])).start().expanded(0, 2, 1);
    expect(run.started(1, 2).finished(1, 3, FAILED).killed()).toEqual([]);
  });

  it("tries no item again that fails while it is stopped", () => {
    const run = new Driver(plan([step("g", [], { ...fast, ...twice })])).start().expanded(0, 2, 1);
    run.started(1, 2).started(2, 2).finished(1, 3, FAILED).timer(1_003).started(1, 1_004);
    run.finished(1, 1_005, FAILED).finished(2, 1_006, FAILED);
    expect(run.statuses()).toEqual(["failed", "failed", "failed"]);
    expect(run.state.status).toBe("failed");
  });

  it("does not run an item again that a pause had stopped already", () => {
    const run = new Driver(plan([step("g", [], fast)])).start().expanded(0, 2, 1);
    run.started(1, 2).started(2, 2).pause(3, "now").finished(1, 4, FAILED);
    run.finished(2, 5, CANCELLED);
    expect(run.statuses()).toEqual(["failed", "failed", "cancelled"]);
    expect(run.state.status).toBe("failed");
  });

  it("cancels an item that waits to be tried again", () => {
    const run = new Driver(plan([step("g", [], { ...fast, ...twice })])).start().expanded(0, 2, 1);
    run.started(1, 2).started(2, 2).finished(1, 3, FAILED).finished(2, 4, FAILED);
    run.timer(1_003).started(1, 1_003).finished(1, 1_004, FAILED);
    expect(run.statuses()).toEqual(["failed", "failed", "cancelled"]);
    expect(run.step(2)).toMatchObject({ abandoned: true, retry_at: null });
  });
});
