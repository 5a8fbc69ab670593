import { describe, expect, it } from "vitest";
import {
  ALWAYS,
  ASKED,
  CANCELLED,
  Driver,
  FAILED,
  plan,
  RUN,
  SKIP,
  step,
} from "./machine-fixture.ts";

const durable = { attached: false, durable: true };

describe("a condition", () => {
  it("is asked about once all needs have ended, and its step runs when it holds", () => {
    const run = new Driver(plan([step("a"), step("b"), step("c", [0, 1], ASKED)])).start();
    run.started(0, 1).finished(0, 2);
    expect(run.asked()).toEqual([]);
    run.started(1, 3).finished(1, 4);
    expect(run.asked()).toEqual([2]);
    expect(run.dispatched()).toEqual([]);
    expect(run.state).toMatchObject({ deciding: 1, ready: [] });
    expect(run.decided(2, RUN, 5).dispatched()).toEqual([2]);
    expect(run.state.deciding).toBe(0);
  });

  it("that does not hold skips its step and what needs that", () => {
    const run = new Driver(plan([step("a", [], ASKED), step("b", [0]), step("c", [1], ASKED)]));
    run.start().decided(0, SKIP, 1);
    expect(run.statuses()).toEqual(["skipped", "skipped", "skipped"]);
    expect(run.asked()).toEqual([]);
    expect(run.state).toMatchObject({ status: "completed", failures: 0 });
  });

  it("that cannot be evaluated fails its step, with the reason", () => {
    const error = { code: "expression_invalid", message: "No such function." };
    const run = new Driver(plan([step("a", [], ASKED), step("b", [0])])).start();
    run.decided(0, { do: "fail", error }, 1);
    expect(run.emitted()).toEqual(["step.failed", "step.skipped", "run.failed"]);
    expect(run.step(0)).toMatchObject({ status: "failed", error, attempt: 0 });
    expect(run.state).toMatchObject({ status: "failed", error });
  });

  it("without a status function is not asked about after a failure", () => {
    const run = new Driver(
      plan([step("a"), step("b", [0], ASKED), step("c", [0], ALWAYS)]),
    ).start();
    run.started(0, 1).finished(0, 2, FAILED);
    expect(run.asked()).toEqual([2]);
    expect(run.statuses()).toEqual(["failed", "skipped", "pending"]);
  });

  it("is answered once: what comes later changes nothing", () => {
    const run = new Driver(plan([step("a", [], ASKED)])).start().decided(0, RUN, 1);
    expect(run.decided(0, SKIP, 2).effects).toEqual([]);
    expect(run.decided(7, RUN, 2).effects).toEqual([]);
    expect(run.step(0).status).toBe("queued");
  });

  it("is asked about again after a crash, once", () => {
    const run = new Driver(plan([step("a", [], ASKED), step("b")])).start().started(1, 1);
    expect(run.recovered(2).asked()).toEqual([0]);
    expect(run.recovered(3).asked()).toEqual([0]);
  });

  it("that a crash gives rise to is asked about once", () => {
    const run = new Driver(plan([step("bad"), step("b", [0], ALWAYS)])).start();
    for (const at of [1, 2, 3]) run.started(0, at).recovered(at);
    expect(run.step(0).error?.code).toBe("poison");
    expect(run.asked()).toEqual([1]);
  });

  it("is not waited for once the run is cancelled", () => {
    const run = new Driver(plan([step("a", [], ALWAYS), step("b", [0])])).start().cancel(1);
    expect(run.statuses()).toEqual(["cancelled", "cancelled"]);
    expect(run.state).toMatchObject({ status: "cancelled", deciding: 0 });
  });

  it("is answered while the run is paused, and its step waits for the resume", () => {
    const run = new Driver(plan([step("a", [], ASKED)])).start().pause(1);
    expect(run.state.status).toBe("paused");
    expect(run.decided(0, RUN, 2).dispatched()).toEqual([]);
    expect(run.resume(3).dispatched()).toEqual([0]);
  });
});

describe("what status functions see", () => {
  const flags = (run: Driver, index: number) => {
    const { blocked, failed_above, cancelled_above } = run.step(index);
    return { blocked, failed_above, cancelled_above };
  };

  it("is a failure however far above", () => {
    const run = new Driver(plan([step("a"), step("b", [0]), step("c", [1], ALWAYS)])).start();
    run.started(0, 1).finished(0, 2, FAILED);
    expect(flags(run, 2)).toEqual({ blocked: true, failed_above: true, cancelled_above: false });
  });

  it("is no failure that was tolerated, and no skip", () => {
    const steps = [
      step("a", [], { continue_on_error: true }),
      step("b", [0], ALWAYS),
      step("c", [], ASKED),
      step("d", [2], ALWAYS),
    ];
    const run = new Driver(plan(steps)).start().started(0, 1).finished(0, 2, FAILED);
    expect(flags(run, 1)).toEqual({ blocked: false, failed_above: false, cancelled_above: false });
    run.decided(2, SKIP, 3);
    expect(flags(run, 3)).toEqual({ blocked: true, failed_above: false, cancelled_above: false });
  });

  it("is a dependency that was cancelled by itself, which fails the run", () => {
    const steps = [step("a", [], durable), step("b", [0]), step("c", [1], ALWAYS)];
    const run = new Driver(plan(steps)).start().started(0, 1).finished(0, 2, CANCELLED);
    expect(run.statuses()).toEqual(["cancelled", "skipped", "pending"]);
    expect(flags(run, 2)).toEqual({ blocked: true, failed_above: false, cancelled_above: true });
    run.decided(2, SKIP, 3);
    expect(run.state).toMatchObject({ status: "failed", error: { code: "step_cancelled" } });
  });
});

describe("stop_on_failure", () => {
  const options = { stop_on_failure: true };

  it("starts nothing but what calls a status function, and tries that again", () => {
    const retry = {
      max_attempts: 2,
      backoff: "fixed",
      initial_ms: 9,
      max_ms: 9,
      jitter: false,
      on: ["exit"],
    } as const;
    const steps = [
      step("a"),
      step("b", [0], { ...ALWAYS, retry }),
      step("c", [], ASKED),
      step("d", [1]),
      step("e", [1], ALWAYS),
    ];
    const run = new Driver(plan(steps, options)).start();
    run.started(0, 1).finished(0, 2, FAILED);
    expect(run.statuses()).toEqual(["failed", "pending", "skipped", "pending", "pending"]);
    run.decided(2, RUN, 3).decided(1, RUN, 3).started(1, 3).finished(1, 4, FAILED);
    expect(run.step(1)).toMatchObject({ status: "waiting", retry_at: 13 });
    run.timer(13).started(1, 13).finished(1, 14);
    expect(run.asked()).toEqual([4]);
    expect(run.step(3)).toMatchObject({ status: "skipped", abandoned: true });
    run.decided(4, RUN, 15).started(4, 16).finished(4, 17);
    expect(run.state).toMatchObject({ status: "failed", failures: 1 });
  });

  it("begins a clean-up only when all above it has ended", () => {
    const steps = [step("lint"), step("test"), step("report", [1]), step("clean", [2], ALWAYS)];
    const run = new Driver(plan(steps, options)).start().started(0, 1).started(1, 1);
    run.finished(0, 2, FAILED);
    expect(run.asked()).toEqual([]);
    expect(run.statuses()).toEqual(["failed", "running", "pending", "pending"]);
    run.finished(1, 3);
    expect(run.step(2)).toMatchObject({ status: "skipped", abandoned: true });
    expect(run.asked()).toEqual([3]);
  });

  it("is a failure to what depends on steps that it stopped", () => {
    const steps = [step("lint"), step("deploy", []), step("tell", [1], ALWAYS)];
    const run = new Driver(plan(steps, { ...options, max_parallel: 1 })).start().started(0, 1);
    run.finished(0, 2, FAILED);
    expect(run.asked()).toEqual([2]);
    expect(run.step(2)).toMatchObject({ failed_above: true, blocked: true });
  });

  it("does not say of a step that it was stopped which would be skipped anyway", () => {
    const steps = [step("lint"), step("no", [], ASKED), step("test"), step("after", [1, 2])];
    const run = new Driver(plan(steps, options)).start().decided(1, SKIP, 1);
    run.started(2, 1).started(0, 1).finished(0, 2, FAILED).finished(2, 3);
    expect(run.step(3)).toMatchObject({ status: "skipped", abandoned: false });
  });

  it("ends with the run's time even what calls a status function", () => {
    const steps = [step("a"), step("b", [0], ALWAYS)];
    const run = new Driver(plan(steps, { timeout_ms: 1_000 })).start().started(0, 0).timer(1_000);
    expect(run.step(1)).toMatchObject({ status: "skipped", abandoned: true });
    expect(run.finished(0, 1_001, CANCELLED).state.status).toBe("failed");
  });
});

describe("the run's outputs", () => {
  const options = { concludes: true };
  const error = { code: "expression_invalid", message: "No such output." };

  it("are asked for when all steps completed, and again after a crash", () => {
    const run = new Driver(plan([step("a")], options)).start().started(0, 1).finished(0, 2);
    expect(run.others()).toEqual(["conclude"]);
    expect(run.state).toMatchObject({ status: "running", concluding: true });
    expect(run.recovered(3).others()).toEqual(["conclude"]);
    run.apply({ type: "concluded", error: null }, 4);
    expect(run.state).toMatchObject({ status: "completed", completed_at: 4, concluding: false });
  });

  it("that cannot be made fail the run", () => {
    const run = new Driver(plan([], options)).start().apply({ type: "concluded", error }, 1);
    expect(run.state).toMatchObject({ status: "failed", error });
  });

  it("are not asked for after a failure, and not waited for after a cancel", () => {
    const run = new Driver(plan([step("a")], options)).start().started(0, 1);
    expect(run.finished(0, 2, FAILED).others()).toEqual([]);
    const cancelled = new Driver(plan([], options)).start().cancel(1);
    expect(cancelled.state.status).toBe("cancelled");
    expect(cancelled.apply({ type: "concluded", error: null }, 2).effects).toEqual([]);
  });
});
