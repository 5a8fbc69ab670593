import { describe, expect, it } from "vitest";
import {
  ALWAYS,
  ASKED,
  CANCELLED,
  Driver,
  FAILED,
  matrix,
  plan,
  RUN,
  SKIP,
  step,
} from "./machine-fixture.ts";
import { planRerun } from "./rerun.ts";

const tolerant = { continue_on_error: true };

/** The run after `run`, as a retry plans it. */
function retried(run: Driver, from: number | null = null, number = 1) {
  const { state, rerun, reuse } = planRerun(run.plan, run.state, number, from, 9);
  return { rerun, reuse: [...reuse], next: new Driver(run.plan, state) };
}

/** Lets each of the steps start and complete. */
function complete(run: Driver, indexes: readonly number[], at: number): Driver {
  for (const index of indexes) run.started(index, at).finished(index, at);
  return run;
}

describe("a retry from failure", () => {
  const steps = [step("a"), step("b", [0]), step("c", [0]), step("d", [1, 2]), step("e", [2])];

  it("runs what failed and what depends on it, and reuses the rest", () => {
    const run = complete(new Driver(plan(steps)).start(), [0, 2, 4], 1);
    run.started(1, 2).finished(1, 3, FAILED);
    expect(run.state.status).toBe("failed");
    const { rerun, reuse, next } = retried(run);
    expect(rerun).toEqual([1, 3]);
    expect(reuse.map(([index]) => index)).toEqual([0, 2, 4]);
    expect(next.step(0)).toMatchObject({
      status: "completed",
      exit_code: 0,
      reused_from: { run: 1, epoch: 1 },
    });
    expect(next.step(3)).toMatchObject({ open_needs: 1, blocked: false });
    expect(next.state).toMatchObject({ status: "queued", open_steps: 2, failures: 0 });
    expect(next.start(10).dispatched()).toEqual([1]);
    expect(complete(next, [1, 3], 11).state.status).toBe("completed");
  });

  it("runs what was cancelled or never ran", () => {
    const run = complete(new Driver(plan(steps)).start(), [0, 1], 1)
      .started(2, 2)
      .cancel(3);
    expect(retried(run.finished(2, 4, CANCELLED)).rerun).toEqual([2, 3, 4]);
  });

  it("runs what a failure elsewhere kept from beginning", () => {
    const two = plan([step("a"), step("b"), step("c", [1])], { stop_on_failure: true });
    const run = new Driver({ ...two, max_parallel: 1 }).start().started(0, 1);
    expect(retried(run.finished(0, 2, FAILED)).rerun).toEqual([0, 1, 2]);
  });

  it("keeps what was skipped by its condition, and what that blocks", () => {
    const some = [step("no", [], ASKED), step("after", [0]), step("bad")];
    const run = new Driver(plan(some)).start().decided(0, SKIP, 1).started(2, 2);
    const { rerun, next } = retried(run.finished(2, 3, FAILED));
    expect(rerun).toEqual([2]);
    expect(next.step(1)).toMatchObject({ status: "skipped", reused_from: { run: 1, epoch: 0 } });
  });

  it("blocks a step by a need that it reuses", () => {
    const some = [step("no", [], ASKED), step("bad"), step("c", [0, 1])];
    const run = new Driver(plan(some)).start().decided(0, SKIP, 1).started(1, 2);
    const { next } = retried(run.finished(1, 3, FAILED));
    expect(next.step(2)).toMatchObject({ open_needs: 1, blocked: true });
    expect(complete(next.start(5), [1], 6).statuses()).toEqual(["skipped", "completed", "skipped"]);
  });

  it("takes a tolerated failure for a result, which satisfies what needs it", () => {
    const some = [step("a", [], tolerant), step("b", [0])];
    const run = new Driver(plan(some)).start().started(0, 1).finished(0, 2, FAILED);
    const { rerun, next } = retried(run.started(1, 3).finished(1, 4, FAILED));
    expect(rerun).toEqual([1]);
    expect(next.start(9).dispatched()).toEqual([1]);
    expect(next.step(0)).toMatchObject({ status: "failed", error: { code: "exit_nonzero" } });
    expect(complete(next, [1], 10).state).toMatchObject({ status: "completed", failures: 0 });
  });

  it("asks once about a step that another's skip at the start makes ready", () => {
    const some = [step("no", [], ASKED), step("b", []), step("c", [0, 1]), step("d", [2], ALWAYS)];
    const run = new Driver(plan(some)).start().started(1, 1);
    run.decided(0, SKIP, 2).finished(1, 3);
    const { next } = retried(run, 2);
    expect(next.start(9).asked()).toEqual([3]);
    expect(next.state).toMatchObject({ deciding: 1 });
    complete(next.decided(3, RUN, 10), [3], 11);
    expect(next.state).toMatchObject({ status: "completed", deciding: 0 });
  });
});

describe("a retry from a step", () => {
  it("runs it and all below it, of a run that completed too", () => {
    const run = new Driver(plan([step("a"), step("b", [0]), step("c")])).start();
    complete(run, [0, 1, 2], 1);
    expect(retried(run, 0).rerun).toEqual([0, 1]);
    expect(retried(run).rerun).toEqual([]);
  });
});

describe("a retry of a retry", () => {
  it("says where a result was made at first", () => {
    const run = new Driver(plan([step("a"), step("b", [0]), step("c", [1])])).start();
    complete(run, [0], 1).started(1, 2).finished(1, 3, FAILED);
    const { next } = retried(run);
    complete(next.start(4), [1], 5).started(2, 6).finished(2, 7, FAILED);
    const { rerun, next: third } = retried(next, null, 2);
    expect(rerun).toEqual([2]);
    expect(third.step(0).reused_from).toEqual({ run: 1, epoch: 1 });
    expect(third.step(1).reused_from).toEqual({ run: 2, epoch: 1 });
  });
});

describe("a group in a retry", () => {
  const expanded = (more: Parameters<typeof step>[2], items: number, stop = false) =>
    new Driver(plan([step("g", [], more), step("after", [0])], { stop_on_failure: stop }))
      .start()
      .expanded(0, items, 1);

  it("keeps its expansion, runs the items that failed and reuses the others", () => {
    const run = expanded(matrix(1), 3);
    complete(run, [2], 2).started(3, 3).finished(3, 4, FAILED);
    const { rerun, reuse, next } = retried(complete(run, [4], 5));
    expect(rerun).toEqual([0, 1, 3]);
    expect(reuse).toEqual([
      [2, 2],
      [4, 4],
      [0, 0],
    ]);
    expect(next.step(0).items).toMatchObject({ count: 3, open: 1, next: 0, failed: 0 });
    next.start(10);
    expect(next.asked()).toEqual([]);
    expect(next.dispatched()).toEqual([3]);
    complete(next, [3, 1], 11);
    expect(next.state.status).toBe("completed");
    expect(next.step(2).reused_from).toEqual({ run: 1, epoch: 1 });
  });

  it("runs one item again that is asked for, and what depends on the group", () => {
    const run = complete(expanded(matrix(), 3), [2, 3, 4, 1], 2);
    expect(run.state.status).toBe("completed");
    expect(retried(run, 3).rerun).toEqual([0, 1, 3]);
  });

  it("is expanded anew when it is asked for itself, or when something above runs again", () => {
    const whole = complete(expanded(matrix(), 2), [2, 3, 1], 2);
    expect(retried(whole, 0)).toMatchObject({ rerun: [0, 1] });
    expect(retried(whole, 0).next.state.steps).toHaveLength(2);
    const below = new Driver(plan([step("a"), step("g", [0], matrix())])).start();
    complete(complete(below, [0], 1).expanded(1, 2, 2), [2, 3], 3);
    const { rerun, next } = retried(below, 0);
    expect(rerun).toEqual([0, 1]);
    expect(next.step(1)).toMatchObject({ items: null, open_needs: 1, status: "pending" });
  });

  it("that failed fast and was allowed to is a result, with the items that it stopped", () => {
    const run = expanded({ ...matrix(2, true), ...tolerant, attached: false }, 3);
    run.started(2, 2).started(3, 2).finished(2, 3, FAILED).finished(3, 4, CANCELLED);
    expect(run.statuses()).toEqual(["failed", "queued", "failed", "cancelled", "cancelled"]);
    const { rerun, next } = retried(run.started(1, 5).finished(1, 6, FAILED));
    expect(rerun).toEqual([1]);
    expect(next.state.open_steps).toBe(1);
    expect(complete(next.start(9), [1], 10).state.status).toBe("completed");
  });

  it("that failed fast runs again what failed and what it stopped", () => {
    const run = expanded({ ...matrix(2, true), attached: false }, 4);
    complete(run, [2], 2).started(3, 3).started(4, 3).finished(4, 4, FAILED);
    const { rerun, next } = retried(run.finished(3, 5, CANCELLED));
    expect(rerun).toEqual([0, 1, 3, 4, 5]);
    expect(next.start(9).dispatched()).toEqual([3, 4]);
    expect(complete(next, [3, 4, 5, 1], 10).state.status).toBe("completed");
  });

  it("counts the tolerated failures of items that it keeps", () => {
    const steps = [step("g", [], { ...matrix(1), ...tolerant }), step("bad")];
    const run = new Driver(plan(steps, { stop_on_failure: true })).start().expanded(0, 3, 1);
    run.started(2, 2).finished(2, 3, FAILED).started(1, 4).finished(1, 5, FAILED);
    run.started(3, 6).finished(3, 7);
    expect(run.statuses()).toEqual(["failed", "failed", "failed", "completed", "skipped"]);
    const { rerun, next } = retried(run);
    expect(rerun).toEqual([0, 1, 4]);
    expect(next.step(0).items).toMatchObject({ open: 1, failed: 1 });
    complete(next.start(9), [1, 4], 10);
    expect(next.step(0)).toMatchObject({ status: "failed", items: { failed: 1 } });
    expect(next.state.status).toBe("completed");
  });
});
