import { describe, expect, it } from "vitest";
import { nextDeadline } from "./machine.ts";
import { CANCELLED, Driver, FAILED, ONCE, plan, step } from "./machine-fixture.ts";
import type { AttemptResult } from "./types.ts";

const thrice = { ...ONCE, max_attempts: 3 };
const diamond = [step("a"), step("b", [0]), step("c", [0]), step("d", [1, 2])];

describe("start", () => {
  it("queues the run and dispatches what needs nothing", () => {
    const run = new Driver(plan(diamond)).start();
    expect(run.emitted()).toEqual(["run.queued"]);
    expect(run.effects.at(-1)).toEqual({
      type: "dispatch",
      step: 0,
      attempt: 1,
      epoch: 1,
      alone: false,
    });
    expect(run.state).toMatchObject({ status: "queued", in_flight: 1, open_steps: 4 });
  });

  it("happens once", () => {
    const run = new Driver(plan(diamond)).start().start(5);
    expect(run.effects).toEqual([]);
    run.started(0, 10).start(11);
    expect(run.effects).toEqual([]);
  });

  it("completes a run without steps at once", () => {
    const run = new Driver(plan([])).start(4);
    expect(run.emitted()).toEqual(["run.queued", "run.completed"]);
    expect(run.state).toMatchObject({ status: "completed", completed_at: 4 });
  });

  it("is held by a pause that came first, and goes on at the resume", () => {
    const run = new Driver(plan([step("a")])).apply({ type: "pause", mode: "boundary" }, 1);
    expect(run.state.status).toBe("paused");
    expect(run.start(2).dispatched()).toEqual([]);
    expect(run.apply({ type: "resume" }, 3).dispatched()).toEqual([0]);
    expect(run.state.status).toBe("queued");
  });

  it("keeps to max_parallel and to the order of the plan", () => {
    const run = new Driver(plan([step("a"), step("b"), step("c")], { max_parallel: 2 })).start();
    expect(run.dispatched()).toEqual([0, 1]);
    expect(run.started(1, 1).finished(1, 2).dispatched()).toEqual([2]);
  });
});

describe("an attempt", () => {
  it("starts the run's clock with its own", () => {
    const run = new Driver(plan(diamond, { timeout_ms: 500_000 })).start().started(0, 1_000);
    expect(run.emitted()).toEqual(["run.started", "attempt.started"]);
    expect(run.state).toMatchObject({ status: "running", started_at: 1_000, deadline_at: 501_000 });
    expect(run.step(0)).toMatchObject({
      status: "running",
      deadline_at: 61_000,
      started_at: 1_000,
    });
    expect(run.step(0).lease_until).toBeNull();
  });

  it("frees its dependents when the last of their needs completes", () => {
    const run = new Driver(plan(diamond)).start().started(0, 1).finished(0, 2);
    expect(run.dispatched()).toEqual([1, 2]);
    expect(run.started(2, 3).finished(2, 4).dispatched()).toEqual([]);
    expect(run.started(1, 5).finished(1, 6).dispatched()).toEqual([3]);
    run.started(3, 7).finished(3, 8);
    expect(run.emitted()).toEqual(["attempt.finished", "run.completed"]);
    expect(run.state).toMatchObject({ status: "completed", completed_at: 8, in_flight: 0 });
    expect(run.step(3)).toMatchObject({ status: "completed", exit_code: 0, error: null });
  });

  it("has started when it finishes or beats before the report of its start", () => {
    const run = new Driver(plan([step("a"), step("b", [], { attached: false })])).start();
    run.finished(0, 5);
    expect(run.emitted()).toEqual(["run.started", "attempt.started", "attempt.finished"]);
    run.apply({ type: "heartbeat", step: 1, epoch: 1 }, 6);
    expect(run.step(1)).toMatchObject({ status: "running", deadline_at: 60_006 });
    expect(run.started(1, 7).effects).toEqual([]);
  });

  it("that its backend stops unasked has failed", () => {
    const run = new Driver(plan([step("a")])).start().started(0, 1).finished(0, 2, CANCELLED);
    expect(run.state).toMatchObject({ status: "failed", error: { code: "stopped_by_backend" } });
  });

  it("is one whose epoch is the newest; others are recorded and refused", () => {
    const run = new Driver(plan([step("a")])).start().started(0, 1);
    run.apply({ type: "attempt_lost", step: 0, epoch: 1 }, 2);
    expect(run.step(0)).toMatchObject({ status: "queued", epoch: 2, attempt: 1 });
    const before = structuredClone(run.state);
    for (const epoch of [0, 1, 3]) {
      run.finished(0, 3, FAILED, epoch);
      expect(run.effects).toEqual([
        {
          type: "emit",
          event: {
            type: "attempt.refused",
            step: 0,
            epoch,
            current_epoch: 2,
            report: "attempt_finished",
          },
        },
      ]);
    }
    run.finished(9, 3, FAILED, 1);
    expect(run.emitted()).toEqual(["attempt.refused"]);
    expect(run.state).toEqual(before);
  });

  it("that reports after the end of the run is refused", () => {
    const run = new Driver(plan([step("a")])).start().started(0, 1).finished(0, 2);
    const before = structuredClone(run.state);
    expect(run.finished(0, 3, FAILED).emitted()).toEqual(["attempt.refused"]);
    for (const event of ["cancel", "resume", "timer", "recovered", "start"] as const) {
      expect(run.apply({ type: event }, 4).effects).toEqual([]);
    }
    expect(run.apply({ type: "pause", mode: "now" }, 4).effects).toEqual([]);
    expect(run.state).toEqual(before);
    expect(nextDeadline(run.state)).toBeNull();
  });
});

describe("a failure", () => {
  it("is tried again after the policy's delay, and no earlier", () => {
    const retry = { ...thrice, backoff: "exponential" as const };
    const run = new Driver(plan([step("a", [], { retry })])).start().started(0, 0);
    run.finished(0, 100, FAILED);
    expect(run.step(0)).toMatchObject({ status: "waiting", retry_at: 1_100, exit_code: 3 });
    expect(run.state.in_flight).toBe(0);
    expect(nextDeadline(run.state)).toBe(1_100);
    expect(run.timer(1_099).effects).toEqual([]);
    expect(run.timer(1_100).dispatched()).toEqual([0]);
    expect(run.step(0)).toMatchObject({ attempt: 2, epoch: 2, retry_at: null });
    run.started(0, 1_200).finished(0, 1_300, FAILED);
    expect(run.step(0).retry_at).toBe(3_300);
    run.timer(3_300).started(0, 3_300).finished(0, 3_400, FAILED);
    expect(run.state).toMatchObject({ status: "failed", error: { code: "exit_nonzero" } });
  });

  it("is tried again only for the reasons that the policy names", () => {
    const retry = { ...thrice, on: ["timeout" as const] };
    const run = new Driver(plan([step("a", [], { retry })])).start().started(0, 0);
    expect(run.finished(0, 1, FAILED).state.status).toBe("failed");
  });

  it("keeps no error once a later try completes", () => {
    const run = new Driver(plan([step("a", [], { retry: thrice })])).start().started(0, 0);
    run.finished(0, 1, FAILED).timer(1_001).started(0, 1_002).finished(0, 1_003);
    expect(run.state).toMatchObject({ status: "completed", error: null });
    expect(run.step(0)).toMatchObject({ attempt: 2, error: null, exit_code: 0 });
  });

  it("skips what needs it and leaves the rest alone", () => {
    const steps = [...diamond, step("e", [3]), step("f", [2])];
    const run = new Driver(plan(steps)).start().started(0, 0).finished(0, 1);
    run.started(1, 2).finished(1, 3, FAILED);
    expect(run.statuses()).toEqual([
      "completed",
      "failed",
      "queued",
      "pending",
      "pending",
      "pending",
    ]);
    run.started(2, 4).finished(2, 5);
    expect(run.statuses().slice(3)).toEqual(["skipped", "skipped", "queued"]);
    run.started(5, 6).finished(5, 7);
    expect(run.state).toMatchObject({ status: "failed", failures: 1 });
  });

  it("with continue_on_error satisfies dependents and does not fail the run", () => {
    const steps = [step("a", [], { continue_on_error: true }), step("b", [0])];
    const run = new Driver(plan(steps, { stop_on_failure: true })).start().started(0, 0);
    expect(run.finished(0, 1, FAILED).dispatched()).toEqual([1]);
    run.started(1, 2).finished(1, 3);
    expect(run.state).toMatchObject({ status: "completed", failures: 0, error: null });
  });

  it("skips a chain of 10,000 steps", () => {
    const steps = Array.from({ length: 10_000 }, (_, index) =>
      step(`s${index}`, index === 0 ? [] : [index - 1]),
    );
    const run = new Driver(plan(steps)).start().started(0, 0).finished(0, 1, FAILED);
    expect(run.state).toMatchObject({ status: "failed", open_steps: 0 });
    expect(run.statuses().filter((status) => status === "skipped")).toHaveLength(9_999);
    expect(run.touched.size).toBe(10_000);
  });
});

describe("stop_on_failure", () => {
  const options = { stop_on_failure: true, max_parallel: 2 };
  const steps = [
    step("a"),
    step("b", [], { retry: thrice }),
    step("c"),
    step("d", [1]),
    step("e", [], { attached: false }),
  ];

  it("lets what runs end, without another try, and starts nothing more", () => {
    const run = new Driver(plan(steps, options)).start().started(0, 0).started(1, 0);
    run.finished(0, 1, FAILED);
    expect(run.statuses()).toEqual(["failed", "running", "skipped", "pending", "skipped"]);
    run.finished(1, 2, FAILED);
    expect(run.step(1)).toMatchObject({ status: "failed", attempt: 1 });
    expect(run.step(3).status).toBe("skipped");
    expect(run.state).toMatchObject({ status: "failed", failures: 2 });
  });

  it("skips a step that waits for another try", () => {
    const run = new Driver(plan(steps, options)).start().started(0, 0).started(1, 0);
    run.finished(1, 1, FAILED).finished(0, 2, FAILED);
    expect(run.step(1)).toMatchObject({ status: "skipped", retry_at: null });
  });

  it.each([
    ["the loss", (run: Driver) => run.apply({ type: "recovered" }, 4)],
    ["the pause", (run: Driver) => run.finished(1, 4, CANCELLED).apply({ type: "resume" }, 5)],
  ])("does not start again after %s of an attempt", (_, interrupt) => {
    const run = new Driver(plan(steps, options)).start().started(0, 0).started(1, 0);
    run.apply({ type: "pause", mode: "now" }, 1).finished(0, 2, FAILED);
    expect(interrupt(run).dispatched()).toEqual([]);
    expect(run.step(1).status).toBe("skipped");
    expect(run.state.status).toBe("failed");
  });
});

describe("a timeout", () => {
  const late: AttemptResult = { ...FAILED, reason: "timeout", code: "timeout" };

  it("kills the attempt at its deadline and fails it once the end is confirmed", () => {
    const run = new Driver(plan([step("a")])).start().started(0, 1_000);
    expect(nextDeadline(run.state)).toBe(61_000);
    expect(run.timer(60_999).effects).toEqual([]);
    run.timer(61_000);
    expect(run.effects).toEqual([{ type: "kill", step: 0, epoch: 1, reason: "timeout" }]);
    expect(nextDeadline(run.state)).toBe(71_000);
    run.finished(0, 61_050, CANCELLED);
    expect(run.state).toMatchObject({ status: "failed", error: { code: "timeout" } });
  });

  it("takes the executor's own word for it", () => {
    const run = new Driver(plan([step("a")])).start().started(0, 0).timer(60_000);
    expect(run.finished(0, 60_001, late).step(0)).toMatchObject({ status: "failed", exit_code: 3 });
  });

  it("lets an attempt complete that was done before the kill arrived", () => {
    const run = new Driver(plan([step("a")])).start().started(0, 0).timer(60_000);
    expect(run.finished(0, 60_001).state.status).toBe("completed");
  });

  it("gives the kill up after its grace, and says so", () => {
    const run = new Driver(plan([step("a")])).start().started(0, 0).timer(60_000);
    expect(run.timer(69_999).effects).toEqual([]);
    run.timer(70_000);
    expect(run.emitted()).toEqual(["attempt.finished", "run.failed"]);
    expect(run.step(0).error?.message).toContain("did not confirm");
  });

  it("counts as a reason to try again", () => {
    const run = new Driver(plan([step("a", [], { retry: thrice })])).start().started(0, 0);
    run.timer(60_000).finished(0, 60_010, CANCELLED);
    expect(run.step(0)).toMatchObject({ status: "waiting", attempt: 1, retry_at: 61_010 });
  });

  it("of the run stops what runs, skips the rest and tries nothing again", () => {
    const steps = [step("a", [], { retry: thrice }), step("b", [0]), step("c")];
    const run = new Driver(plan(steps, { timeout_ms: 5_000, max_parallel: 2 }));
    run.start().started(0, 0);
    expect(nextDeadline(run.state)).toBe(5_000);
    run.timer(5_000);
    expect(run.killed()).toEqual([0, 2]);
    expect(run.step(1).status).toBe("skipped");
    run.finished(0, 5_010, CANCELLED).finished(2, 5_020, CANCELLED);
    expect(run.statuses()).toEqual(["failed", "skipped", "skipped"]);
    expect(run.state).toMatchObject({ status: "failed", error: { code: "run_timeout" } });
  });
});
