import { describe, expect, it } from "vitest";
import { isAtRest, nextDeadline } from "./machine.ts";
import { call, Driver } from "./machine-fixture.ts";

const approve = {
  type: "approve",
  call: "a",
  by: "me",
  digest: null,
  edited_digest: null,
} as const;

describe("calls", () => {
  it("run beside each other up to the cap, those that may", () => {
    const session = Driver.ready({ settings: { max_parallel_tools: 2 } }).message("m1");
    session.step(call("a"), call("b"), call("c"), call("d", { is_parallel: false }), call("e"));
    const running = () =>
      Object.entries(session.statuses()).flatMap(([id, status]) =>
        status === "running" ? [id] : [],
      );
    expect(running()).toEqual(["a", "b"]);
    session.result("b");
    expect(running()).toEqual(["a", "c"]);
    session.result("a");
    expect(running()).toEqual(["c"]);
    session.result("c");
    expect(running()).toEqual(["d"]);
    session.result("d", true);
    expect(session.outcomes()).toEqual(["d failed"]);
    expect(running()).toEqual(["e"]);
    expect(session.result("e").acts()).toEqual(["quote_step"]);
    expect(session.state.turn?.step).toBe(2);
  });

  it("that may not run, or cannot, are answered at once", () => {
    const session = Driver.ready().message("m1");
    session.step(call("a", { policy: "deny" }), call("b", { policy: "invalid" }));
    expect(session.outcomes()).toEqual(["a denied", "b invalid"]);
    expect(session.acts()).toEqual(["quote_step"]);
  });

  it("wait for approval without a slot, and run with what was approved", () => {
    const session = Driver.ready()
      .message("m1")
      .step(call("a", { policy: "ask" }));
    expect(session.wire).toMatchObject({ state: "waiting", waiting_for: "approval" });
    expect(isAtRest(session.state)).toBe(true);
    expect(session.refused({ ...approve, digest: "d0" })?.code).toBe("input_changed");
    expect(session.refused({ ...approve, call: "b" })).toMatchObject({
      code: "not_awaited",
      allowed: ["message", "pause", "cancel", "approve", "deny", "terminate"],
    });
    session.apply({ ...approve, digest: "d1", edited_digest: "d2" });
    expect(session.emitted()[0]).toMatchObject({ digest: "d2", is_edited: true });
    expect(session.acts()).toEqual(["run_call"]);
    expect(session.calls()[0]?.digest).toBe("d2");
    expect(session.refused(approve)?.code).toBe("not_awaited");
  });

  it("that are denied, or that nobody approves in time, are answered", () => {
    const settings = { approval_timeout_ms: 5_000 };
    const ask = (id: string) => call(id, { policy: "ask" });
    const session = Driver.ready({ settings }).message("m1").step(ask("a"), ask("b"));
    session.apply({ type: "deny", call: "a", by: "me", reason: "No." });
    expect(session.types()).toEqual(["tool.denied", "tool.finished"]);
    expect(nextDeadline(session.state, 0)).toBe(5_000);
    expect(session.apply({ type: "timer" }, 5_000).outcomes()).toEqual(["b expired"]);
  });

  it("do not expire in a pause, and may be approved in it", () => {
    const settings = { approval_timeout_ms: 5_000 };
    const session = Driver.ready({ settings })
      .message("m1")
      .step(call("a", { policy: "ask" }));
    session.apply({ type: "pause", mode: "boundary" });
    expect(nextDeadline(session.state, 0)).toBeNull();
    expect(session.apply({ type: "timer" }, 9_000).outcomes()).toEqual([]);
    expect(session.apply(approve).acts()).toEqual([]);
    expect(session.apply({ type: "resume" }).acts()).toEqual(["run_call"]);
  });
});

describe("a pause", () => {
  it("at the boundary lets the step end, and starts none of its calls", () => {
    const session = Driver.ready().message("m1").quoted();
    session.apply({ type: "pause", mode: "boundary" });
    expect(session.types()).toEqual(["session.pausing"]);
    expect(session.wire).toMatchObject({ state: "running", pausing: true });
    session.step(call("a"));
    expect(session.types().slice(-2)).toEqual(["tool.called", "session.paused"]);
    expect(session.wire).toMatchObject({ state: "paused", pausing: false });
    expect(nextDeadline(session.state, 0)).toBeNull();
    expect(session.apply({ type: "resume" }).acts()).toEqual(["run_call"]);
  });

  it("now stops the step, which is written again, as the same step of the same turn", () => {
    const session = Driver.ready().message("m1").quoted();
    session.apply({ type: "pause", mode: "now" });
    expect(session.acts()).toEqual(["abort"]);
    expect(session.types()).toEqual(["session.pausing", "step.stopped", "session.paused"]);
    expect(session.message("m2").acts()).toEqual([]);
    session.apply({ type: "resume" }).quoted();
    expect(session.effects).toContainEqual(
      expect.objectContaining({ type: "run_step", turn: 1, step: 1, attempt: 2 }),
    );
    expect(session.state.budget.spent.steps).toBe(1);
  });

  it("now stops calls, and each goes on as it declares", () => {
    const session = Driver.ready({ settings: { max_parallel_tools: 9 } }).message("m1");
    session.step(
      call("a", { recovery: "rerun" }),
      call("b", { recovery: "report" }),
      call("c", { recovery: "ask" }),
      call("d", { recovery: "attach" }),
      call("e"),
    );
    session.result("e").apply({ type: "pause", mode: "now" });
    expect(session.acts()).toEqual(["abort", "abort", "abort"]);
    expect(session.wire.state).toBe("paused");
    session.apply({ type: "resume" });
    expect(session.outcomes()).toEqual(["b interrupted"]);
    expect(session.statuses()).toEqual({
      a: "running",
      b: "answered",
      c: "approval",
      d: "running",
      e: "answered",
    });
    expect(session.emitted()).toContainEqual(
      expect.objectContaining({ type: "tool.approval_requested", call: "c", is_rerun: true }),
    );
  });

  it("takes the result of a call that ends in spite of it", () => {
    const session = Driver.ready().message("m1").step(call("a"));
    session.apply({ type: "pause", mode: "now" }).result("a");
    expect(session.outcomes()).toEqual(["a succeeded"]);
    expect(session.apply({ type: "resume" }).acts()).toEqual(["quote_step"]);
  });

  it("at the boundary becomes one that stops what runs", () => {
    const session = Driver.ready().message("m1").quoted();
    session.apply({ type: "pause", mode: "boundary" }).apply({ type: "pause", mode: "now" });
    expect(session.wire.state).toBe("paused");
    expect(session.apply({ type: "pause", mode: "boundary" }).effects).toEqual([]);
    session.apply({ type: "resume" });
    expect(session.apply({ type: "resume" }).effects).toEqual([]);
  });
});

describe("the death of the process", () => {
  it("has the step written again, and gives up when that goes on", () => {
    const session = Driver.ready({ settings: { max_failures: 3 } })
      .message("m1")
      .quoted();
    session.apply({ type: "recovered" });
    expect(session.types()).toContain("step.failed");
    session.quoted().apply({ type: "recovered" }).quoted();
    session.apply({ type: "recovered" });
    expect(session.wire).toMatchObject({
      stop_reason: "error",
      error: { code: "recovery_exhausted" },
    });
  });

  it("has each call go on as it declares, and asks after what lives elsewhere", () => {
    const session = Driver.ready({ settings: { max_parallel_tools: 9 } }).message("m1");
    session.step(
      call("a", { recovery: "rerun" }),
      call("b", { recovery: "report" }),
      call("c", { recovery: "ask" }),
      call("d", { recovery: "attach" }),
    );
    const before = ["a", "d"].map((id) => session.callEpoch(id));
    session.apply({ type: "recovered" });
    expect(session.outcomes()).toEqual(["b interrupted"]);
    const sent = session.effects.flatMap((each) =>
      each.type === "run_call" ? [[each.call, each.epoch]] : [],
    );
    expect(sent).toEqual([
      ["d", before[1]],
      ["a", session.callEpoch("a")],
    ]);
    expect(session.callEpoch("a")).toBeGreaterThan(before[0] ?? 0);
    session.apply({ type: "call_finished", epoch: before[0] ?? 0, is_error: false });
    expect(session.types()).toEqual(["report.refused"]);
  });

  it("does not count against work that lives elsewhere", () => {
    const session = Driver.ready({ settings: { max_failures: 1 } }).message("m1");
    session.step(call("a", { recovery: "attach" }));
    for (let deaths = 0; deaths < 5; deaths += 1) session.apply({ type: "recovered" });
    expect(session.statuses()).toEqual({ a: "running" });
  });

  it("lets the session rest while what lives elsewhere waits there, and its time stand still", () => {
    const session = new Driver({ settings: { is_slotted: true } }).apply({ type: "initialize" });
    session.apply({ type: "slot_granted" });
    session.apply({ type: "prepared", epoch: session.epochOf("prepare") }).message("m1");
    session.apply({ type: "slot_granted" });
    session.step(call("a", { recovery: "attach" }), call("b", { is_parallel: false }));
    const epoch = session.callEpoch("a");
    session.apply({ type: "call_rested", epoch, is_resting: true }, 1_000);
    expect(session.wire).toMatchObject({ state: "waiting", waiting_for: "agent" });
    expect(session.acts()).toEqual(["release_slot"]);
    expect(isAtRest(session.state)).toBe(true);
    session.apply({ type: "call_rested", epoch: epoch + 7, is_resting: false }, 9_000);
    expect(isAtRest(session.state)).toBe(true);
    session.apply({ type: "call_rested", epoch, is_resting: false }, 90_000);
    expect(session.wire.state).toBe("running");
    expect(session.state.clock).toMatchObject({ active_ms: 1_000, since: 90_000 });
    session.apply({ type: "slot_granted" }).result("a");
    expect(session.statuses()).toEqual({ a: "answered", b: "running" });
  });

  it("does not lose the stop of what lives elsewhere", () => {
    const session = Driver.ready()
      .message("m1")
      .step(call("a", { recovery: "attach" }));
    const epoch = session.callEpoch("a");
    session.apply({ type: "cancel_turn", turn: 1 });
    const stop = { type: "stop_call", turn: 1, step: 1, call: "a", epoch };
    expect(session.effects).toContainEqual(stop);
    expect(session.wire.waiting_for).toBe("message");
    expect(isAtRest(session.state)).toBe(false);
    expect(session.apply({ type: "recovered" }).effects).toEqual([stop]);
    expect(session.apply({ type: "timer" }, 3_000).effects).toEqual([stop]);
    session.apply({ type: "call_aborted", epoch });
    expect(isAtRest(session.state)).toBe(true);
  });

  it("has the preparation done again, and gives up when that goes on", () => {
    const session = new Driver({ settings: { max_failures: 2 } }).apply({ type: "initialize" });
    expect(session.apply({ type: "recovered" }).acts()).toEqual(["prepare"]);
    session.apply({ type: "recovered" });
    expect(session.wire).toMatchObject({ state: "error", error: { code: "recovery_exhausted" } });
  });

  it("changes nothing of a session at rest", () => {
    const session = Driver.ready();
    const { state } = session;
    expect(session.apply({ type: "recovered" }).effects).toEqual([]);
    expect(session.state).toEqual(state);
  });
});
