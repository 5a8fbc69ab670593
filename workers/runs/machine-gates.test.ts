import { describe, expect, it } from "vitest";
import { nextDeadline } from "./machine.ts";
import { approval, awaits, Driver, FAILED, lasts, plan, RUN, step } from "./machine-fixture.ts";
import { headOf, restore } from "./state.ts";

describe("an approval", () => {
  it("opens when its needs have completed and takes no place among the attempts", () => {
    const steps = [step("a"), step("ok", [0], approval()), step("b", [1]), step("c", [0])];
    const run = new Driver(plan(steps, { max_parallel: 1 })).start().started(0, 1).finished(0, 2);
    expect(run.emitted()).toEqual(["attempt.finished", "gate.opened"]);
    expect(run.dispatched()).toEqual([3]);
    expect(run.step(1)).toMatchObject({ status: "waiting", started_at: 2, gate_until: null });
    run.started(3, 3).finished(3, 4);
    expect(run.state).toMatchObject({ status: "running", in_flight: 0 });
    expect(nextDeadline(run.state)).toBeNull();
    run.approve(1, 50);
    expect(run.emitted()).toEqual(["gate.approved"]);
    expect(run.dispatched()).toEqual([2]);
    expect(run.step(1)).toMatchObject({ status: "completed", completed_at: 50 });
  });

  it("fails when it is refused, with who and why", () => {
    const run = new Driver(plan([step("ok", [], approval()), step("b", [0])])).start();
    run.approve(0, 5, false, "not on a Friday");
    expect(run.step(0).error).toEqual({
      code: "refused",
      message: "ada refused it: not on a Friday",
    });
    expect(run.state.status).toBe("failed");
  });

  it("is passed once, and only while it is open", () => {
    const run = new Driver(plan([step("a"), step("ok", [0], approval()), step("b", [1])])).start();
    expect(run.approve(1, 1).effects).toEqual([]);
    expect(run.approve(0, 1).effects).toEqual([]);
    run.started(0, 2).finished(0, 3).approve(1, 4);
    expect(run.approve(1, 5, false).effects).toEqual([]);
    expect(run.step(1).status).toBe("completed");
  });

  it("fails when nobody comes in time", () => {
    const run = new Driver(plan([step("ok", [], approval(10_000))])).start();
    expect(nextDeadline(run.state)).toBe(10_000);
    expect(run.timer(9_999).effects).toEqual([]);
    expect(run.timer(10_000).emitted()).toEqual(["step.failed", "run.failed"]);
    expect(run.state.error?.code).toBe("approval_timeout");
  });

  it("is open, and runs out, during a pause", () => {
    const steps = [step("ok", [], approval(10_000)), step("b", [0]), step("c")];
    const run = new Driver(plan(steps)).start().started(2, 1).finished(2, 2).pause(3);
    expect(run.state.status).toBe("paused");
    expect(nextDeadline(run.state)).toBe(10_000);
    expect(run.approve(0, 5).dispatched()).toEqual([]);
    expect(run.resume(6).dispatched()).toEqual([1]);
    const late = new Driver(plan(steps)).start().started(2, 1).finished(2, 2).pause(3);
    expect(late.timer(10_000).state).toMatchObject({ status: "failed", pause_requested: false });
  });

  it("closes with the run's cancel and with its failure", () => {
    const steps = [step("ok", [], approval()), step("a")];
    const run = new Driver(plan(steps, { stop_on_failure: true })).start().started(1, 1);
    expect(run.finished(1, 2, FAILED).statuses()).toEqual(["skipped", "failed"]);
    const cancelled = new Driver(plan(steps)).start().started(1, 1).finished(1, 2).cancel(3);
    expect(cancelled.state.status).toBe("cancelled");
    expect(cancelled.approve(0, 4).effects).toEqual([]);
  });

  it("is still open after a crash", () => {
    const run = new Driver(plan([step("ok", [], approval(10_000))])).start().recovered(500);
    expect(run.effects).toEqual([]);
    expect(run.step(0)).toMatchObject({ status: "waiting", gate_until: 10_000 });
  });
});

describe("a signal", () => {
  it("passes the gate that waits for it and becomes its result", () => {
    const run = new Driver(plan([step("go", [], awaits("go")), step("b", [0])])).start();
    expect(run.signal("stop", "s1", 1).emitted()).toEqual(["signal.received"]);
    expect(run.step(0).status).toBe("waiting");
    run.signal("go", "s2", 2);
    expect(run.effects).toContainEqual({ type: "take_signal", step: 0, id: "s2" });
    expect(run.emitted()).toEqual(["signal.received", "step.completed"]);
    expect(run.dispatched()).toEqual([1]);
    expect(run.state.signals).toEqual([{ name: "stop", id: "s1" }]);
  });

  it("that came early passes the gate as it opens, the oldest first", () => {
    const run = new Driver(plan([step("a"), step("go", [0], awaits("go", 1_000))])).start();
    run.signal("go", "s1", 1).signal("go", "s2", 2).started(0, 3).finished(0, 4);
    expect(run.effects).toContainEqual({ type: "take_signal", step: 1, id: "s1" });
    expect(run.state).toMatchObject({ status: "completed", signals: [{ name: "go", id: "s2" }] });
  });

  it("passes one gate, the first of the plan, before a crash as after it", () => {
    const steps = [
      step("a", [], awaits("first")),
      step("late", [0], awaits("go")),
      step("go", [], awaits("go")),
    ];
    const run = new Driver(plan(steps)).start().signal("first", "s0", 1);
    const { steps: rows } = structuredClone(run.state);
    const restored = new Driver(run.plan, restore(structuredClone(headOf(run.state)), rows));
    for (const each of [run, restored]) {
      expect(each.signal("go", "s1", 2).statuses()).toEqual(["completed", "completed", "waiting"]);
      expect(each.signal("go", "s2", 3).state.status).toBe("completed");
    }
  });

  it("that does not come in time fails its gate", () => {
    const run = new Driver(plan([step("go", [], awaits("go", 1_000))])).start().timer(1_000);
    expect(run.state.error?.code).toBe("signal_timeout");
  });
});

describe("a duration", () => {
  it("passes when it is over, during a pause too", () => {
    const run = new Driver(plan([step("wait", [], lasts(5_000)), step("b", [0])])).start(100);
    expect(nextDeadline(run.state)).toBe(5_100);
    run.pause(200).timer(5_100);
    expect(run.step(0)).toMatchObject({ status: "completed", gate_until: null });
    expect(run.resume(6_000).dispatched()).toEqual([1]);
  });

  it("that is not known is asked for", () => {
    const run = new Driver(plan([step("wait", [], lasts(null))])).start();
    expect(run.asked()).toEqual([0]);
    run.decided(0, { do: "run", wait_ms: 700 }, 10);
    expect(run.step(0)).toMatchObject({ status: "waiting", gate_until: 710 });
    expect(run.decided(0, RUN, 11).effects).toEqual([]);
    expect(run.timer(710).state.status).toBe("completed");
  });
});
