import { describe, expect, it } from "vitest";
import { nextDeadline } from "./machine.ts";
import { CANCELLED, Driver, FAILED, ONCE, plan, step } from "./machine-fixture.ts";
import { MAX_LOSSES } from "./state.ts";
import { SOLITARY_DEATHS } from "./suspects.ts";

const remote = { attached: false };
const RECOVERED = { type: "recovered" } as const;

describe("recovered, attached", () => {
  it("runs again what was in flight, in order, as the same try", () => {
    const retry = { ...ONCE, max_attempts: 2 };
    const steps = [step("a", [], { retry }), step("b"), step("c")];
    const run = new Driver(plan(steps, { max_parallel: 2 })).start();
    run.started(0, 0).finished(0, 1, FAILED).timer(1_001);
    expect(run.statuses()).toEqual(["pending", "queued", "queued"]);
    run.apply(RECOVERED, 2_000);
    expect(run.emitted()).toEqual([]);
    expect(run.dispatched()).toEqual([1, 2]);
    expect(run.step(1)).toMatchObject({ attempt: 1, epoch: 2, suspicion: 0, alone: false });
    expect(run.step(0)).toMatchObject({ attempt: 1, epoch: 1 });
  });

  it("says that a started attempt was lost, and refuses what it may still report", () => {
    const run = new Driver(plan([step("a")])).start().started(0, 0).apply(RECOVERED, 10);
    expect(run.emitted()).toEqual(["attempt.lost"]);
    expect(run.step(0)).toMatchObject({ epoch: 2, attempt: 1, suspicion: 1, alone: true });
    expect(run.finished(0, 11, FAILED, 1).emitted()).toEqual(["attempt.refused"]);
  });

  it("fails an attempt that was being stopped for its time", () => {
    const run = new Driver(plan([step("a")])).start().started(0, 0).timer(60_000);
    run.apply(RECOVERED, 60_100);
    expect(run.state).toMatchObject({ status: "failed", error: { code: "timeout" } });
  });

  it("goes on with a pause", () => {
    const run = new Driver(plan([step("a")])).start().started(0, 0);
    run.apply({ type: "pause", mode: "now" }, 1).apply(RECOVERED, 2);
    expect(run.state.status).toBe("paused");
    expect(run.apply({ type: "resume" }, 3).dispatched()).toEqual([0]);
  });
});

describe("poison containment", () => {
  it("runs suspects one at a time, before the rest and with nothing attached beside", () => {
    const steps = [step("a"), step("b"), step("c"), step("d", [], remote)];
    const run = new Driver(plan(steps, { max_parallel: 2 })).start().started(0, 0).started(1, 0);
    run.apply(RECOVERED, 1);
    expect(run.state.suspects).toBe(2);
    expect(run.dispatched()).toEqual([0, 3]);
    run.started(0, 2).started(3, 2).finished(3, 3);
    expect(run.dispatched()).toEqual([]);
    expect(run.finished(0, 4).dispatched()).toEqual([1]);
    expect(run.started(1, 5).finished(1, 6).dispatched()).toEqual([2]);
    expect(run.step(2).alone).toBe(false);
    expect(run.state.suspects).toBe(0);
  });

  it("lets the next one start once a suspect has passed its probation", () => {
    const run = new Driver(plan([step("a"), step("b")])).start().started(0, 0).started(1, 0);
    run.apply(RECOVERED, 1).started(0, 2);
    run.apply({ type: "probation_passed", step: 0, epoch: 2 }, 3);
    expect(run.dispatched()).toEqual([1]);
    expect(run.step(0).alone).toBe(false);
  });

  it("fails a step that takes the process down twice alone, and completes the others", () => {
    const steps = [step("bad"), step("good"), step("after", [0])];
    const run = new Driver(plan(steps)).start().started(0, 0).started(1, 0);
    run.apply(RECOVERED, 1).started(0, 2);
    run.apply(RECOVERED, 3).started(0, 4);
    expect(run.step(0)).toMatchObject({ suspicion: 2, alone_deaths: 1, status: "running" });
    run.apply(RECOVERED, 5);
    expect(run.step(0)).toMatchObject({ status: "failed", error: { code: "poison" }, epoch: 3 });
    expect(run.step(2).status).toBe("skipped");
    run.started(1, 6).finished(1, 7);
    expect(run.step(1).status).toBe("completed");
  });

  it("does not try a poisoned step again", () => {
    const retry = { ...ONCE, max_attempts: 5 };
    const run = new Driver(plan([step("bad", [], { retry })])).start();
    for (const at of [1, 2, 3]) run.started(0, at).apply(RECOVERED, at);
    expect(run.state).toMatchObject({ status: "failed", error: { code: "poison" } });
  });

  it("blames nobody for a death with two attempts running", () => {
    const steps = [step("a"), step("b")];
    const run = new Driver(plan(steps)).start().started(0, 0).started(1, 0);
    run.apply(RECOVERED, 1).started(0, 2);
    run.apply({ type: "probation_passed", step: 0, epoch: 2 }, 3).started(1, 4);
    run.apply(RECOVERED, 5);
    expect(run.state.steps.map((each) => [each.suspicion, each.alone_deaths])).toEqual([
      [2, 0],
      [2, 0],
    ]);
  });

  it("runs a step with nothing attached beside it once it died often, probation or not", () => {
    const steps = [step("long"), step("bad"), step("new"), step("far", [], remote)];
    const run = new Driver(plan(steps)).start();
    for (let death = 1; death <= SOLITARY_DEATHS; death += 1) {
      run.started(0, death).started(1, death);
      run.apply(RECOVERED, death);
      if (death < SOLITARY_DEATHS) {
        run.started(0, death);
        run.apply({ type: "probation_passed", step: 0, epoch: run.step(0).epoch }, death);
      }
    }
    run.started(0, 10);
    run.apply({ type: "probation_passed", step: 0, epoch: run.step(0).epoch }, 11);
    expect(run.statuses()).toEqual(["running", "pending", "pending", "queued"]);
    expect(run.finished(0, 12).dispatched()).toEqual([1]);
    run.started(1, 13).apply(RECOVERED, 14).started(1, 15).apply(RECOVERED, 16);
    expect(run.step(1)).toMatchObject({ status: "failed", error: { code: "poison" } });
    expect(run.dispatched()).toEqual([3, 2]);
  });

  it("does not hold deaths before its start against a step", () => {
    const run = new Driver(plan([step("a")])).start();
    for (const at of [1, 2, 3, 4]) run.apply(RECOVERED, at);
    expect(run.step(0)).toMatchObject({ status: "queued", suspicion: 0, epoch: 5, attempt: 1 });
  });
});

describe("a detached attempt", () => {
  it("lives on its lease, which every report renews", () => {
    const run = new Driver(plan([step("a", [], remote)])).start().started(0, 1_000);
    expect(run.step(0).lease_until).toBe(11_000);
    run.apply({ type: "heartbeat", step: 0, epoch: 1 }, 5_000);
    expect(nextDeadline(run.state)).toBe(15_000);
    expect(run.timer(14_999).effects).toEqual([]);
    run.timer(15_000);
    expect(run.emitted()).toEqual(["attempt.lost"]);
    expect(run.dispatched()).toEqual([0]);
    expect(run.step(0)).toMatchObject({ epoch: 2, attempt: 1, suspicion: 0 });
    run.apply({ type: "heartbeat", step: 0, epoch: 1 }, 15_001);
    expect(run.emitted()).toEqual(["attempt.refused"]);
  });

  it("outlives the coordinator's process and gets a full lease of grace", () => {
    const run = new Driver(plan([step("a", [], remote)])).start().started(0, 0);
    run.apply(RECOVERED, 500_000);
    expect(run.effects).toEqual([]);
    expect(run.step(0)).toMatchObject({ status: "running", epoch: 1, lease_until: 510_000 });
    expect(run.finished(0, 500_001).state.status).toBe("completed");
  });

  it("is sent again under the same epoch while nobody takes it up", () => {
    const run = new Driver(plan([step("a", [], remote)])).start();
    const dispatch = { type: "dispatch", step: 0, attempt: 1, epoch: 1, alone: false };
    expect(nextDeadline(run.state)).toBe(30_000);
    expect(run.timer(30_000).effects).toEqual([dispatch]);
    expect(nextDeadline(run.state)).toBe(60_000);
    expect(run.apply(RECOVERED, 40_000).effects).toEqual([dispatch]);
    expect(nextDeadline(run.state)).toBe(70_000);
  });

  it("is killed again after a crash that may have kept the kill from being sent", () => {
    const run = new Driver(plan([step("a", [], remote), step("b", [], remote)])).start();
    run.started(0, 0).apply({ type: "cancel" }, 1).apply(RECOVERED, 9_000);
    expect(run.dispatched()).toEqual([]);
    expect([...run.killed()].sort()).toEqual([0, 1]);
    expect(run.step(1).stopping).toEqual({ reason: "cancel", give_up_at: 19_000 });
    run.finished(0, 9_001, CANCELLED).timer(19_000);
    expect(run.step(0).error).toBeNull();
    expect(run.step(1)).toMatchObject({ status: "cancelled", error: { code: "stop_unconfirmed" } });
  });

  it.each([
    [true, null],
    [false, { code: "stop_unconfirmed" }],
  ])("that is lost while its run is failing is not done again: code dead %s", (dead, error) => {
    const steps = [step("a", [], remote), step("b", [], remote)];
    const run = new Driver(plan(steps, { stop_on_failure: true })).start();
    run.started(0, 1).started(1, 1).finished(0, 2, FAILED);
    run.apply({ type: "attempt_lost", step: 1, epoch: 1, is_code_dead: dead }, 3);
    expect(run.dispatched()).toEqual([]);
    expect(run.state.status).toBe("failed");
    expect(run.step(1)).toMatchObject({ status: "skipped", error });
  });

  it("that is lost with its code while it is stopped is confirmed to have stopped", () => {
    const run = new Driver(plan([step("a", [], remote)])).start().started(0, 1);
    run.apply({ type: "cancel" }, 2);
    run.apply({ type: "attempt_lost", step: 0, epoch: 1, is_code_dead: true }, 3);
    expect(run.step(0)).toMatchObject({ status: "cancelled", error: null });
  });

  it("fails with reason lost when the infrastructure loses it again and again", () => {
    const retry = { ...ONCE, max_attempts: 2, on: ["lost" as const] };
    const run = new Driver(plan([step("a", [], { ...remote, retry })])).start();
    const lose = (at: number) => {
      run.started(0, at);
      run.apply({ type: "attempt_lost", step: 0, epoch: run.step(0).epoch }, at);
    };
    for (let at = 1; at <= MAX_LOSSES; at += 1) lose(at);
    expect(run.step(0)).toMatchObject({ status: "waiting", attempt: 1, epoch: MAX_LOSSES });
    run.timer(10_000);
    for (let at = 1; at <= MAX_LOSSES; at += 1) lose(10_000 + at);
    expect(run.state).toMatchObject({ status: "failed", error: { code: "lost" } });
    expect(run.step(0).epoch).toBe(2 * MAX_LOSSES);
  });
});
