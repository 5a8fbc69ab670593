import { describe, expect, it } from "vitest";
import { isAtRest, nextDeadline } from "./machine.ts";
import { call, Driver } from "./machine-fixture.ts";

describe("a session", () => {
  it("is made ready, and waits for a message", () => {
    const session = new Driver();
    expect(session.wire).toMatchObject({ state: "idle", waiting_for: null });
    session.apply({ type: "initialize" });
    expect(session.acts()).toEqual(["prepare"]);
    expect(session.wire.state).toBe("initializing");
    session.apply({ type: "prepared", epoch: 1 });
    expect(session.types()).toEqual(["session.ready"]);
    expect(session.wire).toMatchObject({ state: "waiting", waiting_for: "message" });
    expect(isAtRest(session.state)).toBe(true);
    expect(nextDeadline(session.state, 0)).toBeNull();
  });

  it("that cannot be made ready says why, and can be initialized again", () => {
    const session = new Driver().apply({ type: "initialize" });
    session.message("m1");
    const error = { code: "model_unknown", message: "Use another model." };
    session.apply({ type: "prepare_failed", epoch: 1, error });
    expect(session.wire).toMatchObject({ state: "error", error });
    expect(session.refused({ type: "message", id: "m2", policy: "enqueue" })).toMatchObject({
      code: "illegal",
      allowed: ["initialize", "terminate"],
    });
    session.apply({ type: "initialize" }).apply({ type: "prepared", epoch: 2 });
    expect(session.types()).toEqual(["session.ready", "turn.started"]);
    expect(session.wire).toMatchObject({ state: "running", error: null });
  });

  it("takes a slot to be made ready and for a turn, and none to wait", () => {
    const session = new Driver({ settings: { is_slotted: true } }).apply({ type: "initialize" });
    expect(session.acts()).toEqual(["acquire_slot"]);
    expect(session.apply({ type: "slot_granted" }).acts()).toEqual(["prepare"]);
    expect(session.apply({ type: "prepared", epoch: 1 }).acts()).toEqual(["release_slot"]);
    expect(session.message("m1").acts()).toEqual(["acquire_slot"]);
    expect(session.wire).toMatchObject({ state: "waiting", waiting_for: "slot" });
    session.apply({ type: "cancel_turn", turn: 1 });
    expect(session.acts()).toEqual(["release_slot"]);
    expect(session.apply({ type: "slot_granted" }).acts()).toEqual(["release_slot"]);
  });

  it("begins nothing more once its slot is lost, until it has one again", () => {
    const session = new Driver({ settings: { is_slotted: true } }).apply({ type: "initialize" });
    session.apply({ type: "slot_granted" }).apply({ type: "prepared", epoch: 1 }).message("m1");
    session.apply({ type: "slot_granted" }).quoted();
    expect(session.apply({ type: "slot_lost" }).acts()).toEqual(["acquire_slot"]);
    expect(session.wire.state).toBe("running");
    expect(session.step(call("a")).acts()).toEqual([]);
    expect(session.wire).toMatchObject({ state: "waiting", waiting_for: "slot" });
    expect(session.apply({ type: "slot_granted" }).acts()).toEqual(["run_call"]);
  });

  it("that is terminated stops and frees everything, for good", () => {
    const session = Driver.ready()
      .message("m1")
      .step(call("a"), call("b", { policy: "ask" }));
    session.message("m2").apply({ type: "terminate" });
    expect(session.acts()).toEqual(["abort", "dispose"]);
    expect(session.outcomes()).toEqual(["a interrupted", "b cancelled"]);
    expect(session.types().slice(-3)).toEqual([
      "turn.ended",
      "input.dropped",
      "session.terminated",
    ]);
    expect(session.wire).toMatchObject({ state: "terminated", stop_reason: "terminated" });
    expect(session.apply({ type: "terminate" }).effects).toEqual([]);
    expect(session.refused({ type: "resume" })).toMatchObject({ code: "illegal", allowed: [] });
    expect(session.apply({ type: "recovered" }).acts()).toEqual(["dispose"]);
    expect(isAtRest(session.state)).toBe(false);
    session.apply({ type: "disposed" });
    expect(isAtRest(session.state)).toBe(true);
    expect(nextDeadline(session.state, 0)).toBeNull();
  });

  it("that cannot go on fails its turn, and goes on when it is initialized again", () => {
    const session = Driver.ready().message("m1").quoted().message("m2");
    const error = { code: "codebase_gone", message: "Mount another one." };
    session.apply({ type: "faulted", error });
    expect(session.acts()).toEqual(["abort"]);
    expect(session.wire).toMatchObject({ state: "error", stop_reason: "error", error });
    session.apply({ type: "initialize" });
    session.apply({ type: "prepared", epoch: session.epochOf("prepare") });
    expect(session.emitted()).toContainEqual({
      type: "turn.started",
      turn: 2,
      input: { kind: "message", id: "m2", is_urgent: false },
    });
  });

  it("does not change the state that it is given", () => {
    const session = Driver.ready().message("m1");
    const before = structuredClone(session.state);
    const given = session.state;
    session.step(call("a"));
    expect(given).toEqual(before);
  });
});

describe("a message", () => {
  it("begins one turn, in its order", () => {
    const session = Driver.ready().message("m1").message("m2").message("m3");
    expect(session.types()).toEqual(["message.queued"]);
    expect(session.step().emitted()).toEqual([
      expect.objectContaining({ type: "usage.settled" }),
      expect.objectContaining({ type: "step.finished", finish_reason: "stop" }),
      { type: "turn.ended", turn: 1, stop_reason: "end_turn", error: null },
      expect.objectContaining({ type: "turn.started", turn: 2 }),
    ]);
    expect(session.state.turn?.input.id).toBe("m2");
    expect(session.step().state.turn?.input.id).toBe("m3");
  });

  it("that interrupts ends the turn at once, answers its calls, and goes before the others", () => {
    const session = Driver.ready().message("m1").message("m2").step(call("a"));
    const late = session.callEpoch("a");
    session.message("m3", "interrupt");
    expect(session.outcomes()).toEqual(["a interrupted"]);
    expect(session.wire.stop_reason).toBe("interrupted");
    expect(session.state.turn?.input.id).toBe("m3");
    session.apply({ type: "call_finished", epoch: late, is_error: false });
    expect(session.types()).toEqual(["report.refused"]);
    expect(session.step().state.turn?.input.id).toBe("m2");
  });

  it("that rolls back stops the step that is written", () => {
    const session = Driver.ready().message("m1").quoted();
    const { stepEpoch } = session;
    session.message("m2", "rollback");
    expect(session.acts()).toEqual(["abort", "quote_step"]);
    expect(session.types()).toEqual([
      "message.queued",
      "step.stopped",
      "turn.ended",
      "turn.started",
    ]);
    expect(session.wire.stop_reason).toBe("rolled_back");
    const usage = { usd_nanos: 0, tokens: 7 };
    session.apply({ type: "step_aborted", epoch: stepEpoch, usage });
    expect(session.types()).toEqual(["usage.settled"]);
    expect(session.state.budget.spent.tokens).toBe(7);
  });

  it("that stops a turn in a pause waits for its end, before those that only wait", () => {
    const session = Driver.ready().message("m1").message("m2");
    session.apply({ type: "pause", mode: "now" }).message("m3", "interrupt");
    expect(session.wire).toMatchObject({ state: "paused", stop_reason: "interrupted" });
    session.message("m4", "rollback");
    expect(session.state.queue.map(({ id }) => id)).toEqual(["m3", "m4", "m2"]);
    expect(session.apply({ type: "resume" }).state.turn?.input.id).toBe("m3");
  });

  it("that wants no queue is refused while it would wait, and changes nothing", () => {
    const command = { type: "message", id: "m2", policy: "reject" } as const;
    const session = Driver.ready();
    expect(session.refused(command)).toBeNull();
    session.message("m1");
    expect(session.refused(command)).toMatchObject({
      code: "busy",
      allowed: ["message", "pause", "cancel", "terminate"],
    });
    const { state } = session;
    expect(session.apply(command).effects).toEqual([]);
    expect(session.state).toBe(state);
  });

  it("is refused when too many wait", () => {
    const session = Driver.ready().apply({ type: "pause", mode: "now" });
    for (let id = 0; id < 200; id += 1) session.message(`m${id}`);
    const refused = session.refused({ type: "message", id: "more", policy: "enqueue" });
    expect(refused?.code).toBe("queue_full");
  });

  it("answers an open question instead of waiting", () => {
    const ask = call("a", { kind: "input" });
    const session = Driver.ready().message("m1").message("m2").step(ask);
    expect(session.wire).toMatchObject({ state: "waiting", waiting_for: "input" });
    expect(session.refused({ type: "message", id: "m3", policy: "reject" })).toBeNull();
    session.message("m3");
    expect(session.emitted()).toContainEqual({
      type: "tool.finished",
      turn: 1,
      step: 1,
      call: "a",
      outcome: "answered",
      message: "m3",
    });
    expect(session.wire.state).toBe("running");
    expect(session.state.queue.map(({ id }) => id)).toEqual(["m2"]);
  });

  it("that interrupts a question does not answer it", () => {
    const session = Driver.ready()
      .message("m1")
      .step(call("a", { kind: "input" }));
    session.message("m2", "interrupt");
    expect(session.outcomes()).toEqual(["a cancelled"]);
    expect(session.state.turn?.input.id).toBe("m2");
  });

  it("of another turn is not what a cancel names", () => {
    const session = Driver.ready().message("m1").message("m2").step();
    expect(session.refused({ type: "cancel_turn", turn: 1 })?.code).toBe("other_turn");
    expect(session.refused({ type: "cancel_turn", turn: 2 })).toBeNull();
    session.apply({ type: "cancel_turn", turn: null });
    expect(session.wire).toMatchObject({ waiting_for: "message", stop_reason: "cancelled" });
    expect(session.refused({ type: "cancel_turn", turn: null })?.code).toBe("illegal");
  });
});
