import { describe, expect, it } from "vitest";
import { nextDeadline } from "./machine.ts";
import { approval, CANCELLED, Driver, FAILED, lasts, ONCE, plan, step } from "./machine-fixture.ts";

const slotted = { slotted: true };
const remote = { attached: false };
const twice = { retry: { ...ONCE, max_attempts: 2 } };

describe("a slot", () => {
  it("is asked for before the first dispatch and given back at the end", () => {
    const run = new Driver(plan([step("a"), step("b")], slotted)).start();
    expect(run.others()).toEqual(["acquire_slot"]);
    expect(run.dispatched()).toEqual([]);
    expect(run.granted(1).dispatched()).toEqual([0, 1]);
    expect(run.state.slot).toBe("held");
    run.started(0, 2).finished(0, 3).started(1, 4).finished(1, 5);
    expect(run.others()).toEqual(["release_slot"]);
    expect(run.state).toMatchObject({ status: "completed", slot: "none" });
  });

  it("is not needed by a run that only waits, which queues again when it goes on", () => {
    const steps = [step("a"), step("ok", [0], approval()), step("b", [1])];
    const run = new Driver(plan(steps, slotted)).start().granted(1).started(0, 2).finished(0, 3);
    expect(run.others()).toEqual(["release_slot"]);
    expect(run.state).toMatchObject({ status: "running", slot: "none" });
    run.approve(1, 9);
    expect(run.others()).toEqual(["acquire_slot"]);
    expect(run.state).toMatchObject({ status: "queued", slot: "asked" });
    expect(run.granted(10).dispatched()).toEqual([2]);
    expect(run.started(2, 11).state.status).toBe("running");
  });

  it("is kept while a try is waited for or a step is asked about", () => {
    const steps = [step("a", [], twice), step("b", [0], { condition: { calls_status: false } })];
    const run = new Driver(plan(steps, slotted)).start().granted(1).started(0, 2);
    expect(run.finished(0, 3, FAILED).others()).toEqual([]);
    expect(run.timer(1_003).started(0, 1_004).finished(0, 1_005).others()).toEqual([]);
    expect(run.state).toMatchObject({ slot: "held", deciding: 1 });
  });

  it("is given back by a pause once nothing runs, and wanted again at the resume", () => {
    const run = new Driver(plan([step("a"), step("b", [0])], slotted)).start().granted(1);
    run.started(0, 2).pause(3);
    expect(run.others()).toEqual([]);
    expect(run.finished(0, 4).others()).toEqual(["release_slot"]);
    expect(run.resume(5).others()).toEqual(["acquire_slot"]);
    expect(run.state.status).toBe("queued");
  });

  it("is no longer queued for by a run that is paused or cancelled", () => {
    const paused = new Driver(plan([step("a")], slotted)).start().pause(1);
    expect(paused.others()).toEqual(["release_slot"]);
    expect(paused.granted(2).dispatched()).toEqual([]);
    expect(paused.state.slot).toBe("none");
    const cancelled = new Driver(plan([step("a")], slotted)).start().cancel(1);
    expect(cancelled.others()).toEqual(["release_slot"]);
    expect(cancelled.state.status).toBe("cancelled");
  });

  it("that was lost lets what runs go on, and starts nothing until there is one again", () => {
    const run = new Driver(plan([step("a"), step("b", [0])], slotted)).start().granted(1);
    run.started(0, 2).apply({ type: "slot_lost" }, 3);
    expect(run.others()).toEqual(["acquire_slot"]);
    expect(run.finished(0, 4).dispatched()).toEqual([]);
    expect(run.state.slot).toBe("asked");
    expect(run.granted(5).dispatched()).toEqual([1]);
  });

  it("is asked for anew after a crash, before anything starts", () => {
    const steps = [step("a", [], remote), step("b")];
    const run = new Driver(plan(steps, slotted)).start().granted(1).started(0, 2).started(1, 2);
    run.recovered(3);
    expect(run.others()).toEqual(["acquire_slot"]);
    expect(run.statuses()).toEqual(["running", "pending"]);
    expect(run.granted(4).dispatched()).toEqual([1]);
  });

  it("that comes too late is given back", () => {
    const steps = [step("a"), step("ok", [], approval())];
    const run = new Driver(plan(steps, slotted)).start().granted(1).started(0, 2);
    run.apply({ type: "slot_lost" }, 3).finished(0, 4);
    expect(run.state.slot).toBe("asked");
    expect(run.granted(5).others()).toEqual(["release_slot"]);
    expect(run.granted(6).state.slot).toBe("none");
  });
});

describe("a sub-pipeline at rest", () => {
  const sub = { attached: false, durable: true, timeout_ms: 3_600_000 };
  const rest = (run: Driver, at: number, resting: boolean, index = 0) =>
    run.apply({ type: "heartbeat", step: index, epoch: run.step(index).epoch, resting }, at);
  const begun = (steps = [step("sub", [], sub), step("b", [0])], more = {}) =>
    new Driver(plan(steps, { ...slotted, timeout_ms: 10_000, ...more }))
      .start()
      .granted(0)
      .started(0, 0);

  it("keeps no slot, no lease and no time of the run, which queues before it goes on", () => {
    const run = rest(begun(), 4_000, true);
    expect(run.others()).toEqual(["release_slot"]);
    expect(run.emitted()).toEqual(["step.resting"]);
    expect(run.state).toMatchObject({ status: "running", slot: "none", remaining_ms: 6_000 });
    expect(nextDeadline(run.state)).toBe(3_600_000);
    rest(run, 90_000, false);
    expect(run.others()).toEqual(["acquire_slot"]);
    expect(run.emitted()).toEqual(["step.resumed"]);
    expect(run.state).toMatchObject({ slot: "asked", remaining_ms: 6_000 });
    expect(run.granted(95_000).state).toMatchObject({ slot: "held", deadline_at: 101_000 });
    expect(run.step(0).lease_until).toBe(150_000);
  });

  it("that is told of again changes nothing", () => {
    const run = rest(begun(), 1, true);
    expect(rest(run, 2, true).effects).toEqual([]);
    expect(run.apply({ type: "heartbeat", step: 0, epoch: 1 }, 3).effects).toEqual([]);
    expect(run.step(0)).toMatchObject({ resting: true, lease_until: null });
  });

  it("beside one that goes on keeps the slot", () => {
    const run = begun([step("sub", [], sub), step("two", [], sub)]).started(1, 0);
    expect(rest(run, 1, true).others()).toEqual([]);
    expect(rest(run, 2, true, 1).others()).toEqual(["release_slot"]);
    expect(rest(run, 3, false, 1).others()).toEqual(["acquire_slot"]);
    run.granted(4).finished(1, 5);
    expect(run.others()).toEqual(["release_slot"]);
  });

  it("keeps its place in max_parallel, and no slot for what has none", () => {
    const steps = [step("sub", [], sub), step("b")];
    const run = begun(steps, { max_parallel: 1 });
    expect(rest(run, 1, true).others()).toEqual(["release_slot"]);
    expect(run.state).toMatchObject({ slot: "none", ready: [1] });
    run.finished(0, 2);
    expect(run.others()).toEqual(["acquire_slot"]);
    expect(run.granted(3).dispatched()).toEqual([1]);
  });

  it("that ends makes others ready, and the run queues for them", () => {
    const run = rest(begun(), 1, true).finished(0, 2);
    expect(run.others()).toEqual(["acquire_slot"]);
    expect(run.state).toMatchObject({ status: "queued", in_flight: 0, resting: 0 });
    expect(run.granted(3).dispatched()).toEqual([1]);
  });

  it("goes on under a slot also while its run is to pause, and not while that is cancelled", () => {
    const paused = rest(begun(), 1, true).pause(2);
    expect(rest(paused, 3, false).others()).toEqual(["acquire_slot"]);
    expect(paused.granted(4).state).toMatchObject({ status: "running", slot: "held" });
    const cancelled = rest(begun(), 1, true).cancel(2);
    expect(cancelled.killed()).toEqual([0]);
    expect(rest(cancelled, 3, false).effects).toEqual([]);
    expect(nextDeadline(cancelled.state)).toBe(10_002);
  });

  it("is asked how it is after a crash, and the run queues for nothing", () => {
    const run = rest(begun(), 1, true).recovered(5_000);
    expect(run.dispatched()).toEqual([0]);
    expect(run.others()).toEqual([]);
    expect(rest(run, 5_001, true).step(0).lease_until).toBeNull();
    expect(rest(run, 5_002, false).others()).toEqual(["acquire_slot"]);
  });

  it("is nothing that other attempts can be", () => {
    const run = new Driver(plan([step("a", [], remote)], slotted)).start().granted(0).started(0, 0);
    expect(rest(run, 1, true).effects).toEqual([]);
    expect(run.state).toMatchObject({ slot: "held", resting: 0 });
  });
});

describe("the run's time", () => {
  const limited = { timeout_ms: 10_000 };

  it("stands while the run only waits", () => {
    const steps = [step("a"), step("ok", [0], approval()), step("b", [1])];
    const run = new Driver(plan(steps, limited)).start().started(0, 1_000).finished(0, 4_000);
    expect(run.state).toMatchObject({ deadline_at: null, remaining_ms: 7_000 });
    expect(nextDeadline(run.state)).toBeNull();
    run.approve(1, 90_000);
    expect(run.state).toMatchObject({ deadline_at: 97_000, remaining_ms: null });
    run.started(2, 90_001).timer(97_000).finished(2, 97_001, CANCELLED);
    expect(run.state).toMatchObject({ status: "failed", error: { code: "run_timeout" } });
  });

  it("stands while the run queues for its slot", () => {
    const steps = [step("a"), step("wait", [0], lasts(50_000)), step("b", [1])];
    const run = new Driver(plan(steps, { ...limited, ...slotted })).start().granted(0);
    run.started(0, 0).finished(0, 1_000).timer(51_000);
    expect(run.state).toMatchObject({ slot: "asked", deadline_at: null, remaining_ms: 9_000 });
    expect(run.granted(60_000).state.deadline_at).toBe(69_000);
  });

  it("passes while a try is waited for", () => {
    const run = new Driver(plan([step("a", [], twice)], limited)).start().started(0, 0);
    run.finished(0, 9_500, FAILED);
    expect(nextDeadline(run.state)).toBe(10_000);
    run.timer(10_000);
    expect(run.step(0)).toMatchObject({ status: "skipped", abandoned: true });
    expect(run.state).toMatchObject({ status: "failed", error: { code: "run_timeout" } });
  });

  it("that was used up when the run came to rest ends it as it goes on", () => {
    const steps = [step("a"), step("ok", [0], approval()), step("b", [1])];
    const run = new Driver(plan(steps, limited)).start().started(0, 0).finished(0, 12_000);
    expect(run.state.remaining_ms).toBe(0);
    expect(run.approve(1, 20_000).dispatched()).toEqual([2]);
    expect(nextDeadline(run.state)).toBe(20_000);
    expect(run.timer(20_000).killed()).toEqual([2]);
  });

  it("does not run out over a cancel", () => {
    const run = new Driver(plan([step("a")], limited)).start().started(0, 0).cancel(9_000);
    expect(nextDeadline(run.state)).toBe(19_000);
    expect(run.timer(10_000).effects).toEqual([]);
    run.finished(0, 10_001, CANCELLED);
    expect(run.step(0)).toMatchObject({ status: "cancelled", error: null });
    expect(run.state).toMatchObject({ status: "cancelled", error: null });
  });
});

describe("a durable step", () => {
  const durable = { attached: false, durable: true, timeout_ms: 3_600_000 };

  it("is asked about when it is silent, under the same epoch", () => {
    const run = new Driver(plan([step("sub", [], durable)])).start().started(0, 0);
    expect(nextDeadline(run.state)).toBe(60_000);
    expect(run.timer(60_000).dispatched()).toEqual([0]);
    expect(run.step(0)).toMatchObject({ status: "running", epoch: 1, lease_until: 90_000 });
    run.apply({ type: "heartbeat", step: 0, epoch: 1 }, 61_000);
    expect(run.step(0).lease_until).toBe(121_000);
    expect(run.recovered(70_000).dispatched()).toEqual([0]);
  });

  it("is not sent again while it is stopped, however silent it was", () => {
    const run = new Driver(plan([step("sub", [], durable)])).start().started(0, 0);
    expect(nextDeadline(run.cancel(55_000).state)).toBe(65_000);
    expect(run.timer(60_000).effects).toEqual([]);
    run.apply({ type: "heartbeat", step: 0, epoch: 1 }, 61_000);
    expect(nextDeadline(run.state)).toBe(65_000);
    run.timer(65_000);
    expect(run.dispatched()).toEqual([]);
    expect(run.step(0)).toMatchObject({ status: "cancelled", error: { code: "stop_unconfirmed" } });
  });
});
