import { describe, expect, it } from "vitest";
import { nextDeadline } from "./machine.ts";
import { call, Driver, FREE } from "./machine-fixture.ts";
import { WATCH_MS } from "./state.ts";
import { NO_LIMITS } from "./types.ts";

describe("a step", () => {
  it("that fails is tried again after a while, longer each time, and at last not", () => {
    const session = Driver.ready({ settings: { max_failures: 3 } })
      .message("m1")
      .quoted();
    session.failed(true);
    const [, failed] = session.emitted();
    expect(failed).toMatchObject({ type: "step.failed", error: { code: "model_overloaded" } });
    const first = nextDeadline(session.state, 0) ?? 0;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(1_000);
    expect(session.wire.state).toBe("running");
    session.apply({ type: "timer" }, first - 1);
    expect(session.acts()).toEqual([]);
    expect(session.apply({ type: "timer" }, first).acts()).toEqual(["quote_step"]);
    session.quoted().failed(true, 20_000);
    expect(session.state.turn?.work).toEqual({ status: "backoff", retry_at: first + 20_000 });
    session
      .apply({ type: "timer" }, first + 20_000)
      .quoted()
      .failed(true);
    expect(session.types()).toEqual(["usage.settled", "step.failed", "turn.ended"]);
    expect(session.wire).toMatchObject({
      waiting_for: "message",
      stop_reason: "error",
      error: { code: "model_overloaded" },
    });
  });

  it("that fails for good is not tried again", () => {
    const session = Driver.ready().message("m1").quoted().failed(false);
    expect(session.wire).toMatchObject({ waiting_for: "message", stop_reason: "error" });
  });

  it("that ends well makes up for failures before it", () => {
    const session = Driver.ready({ settings: { max_failures: 2 } })
      .message("m1")
      .quoted();
    session.failed(true).apply({ type: "timer" }, 60_000).step(call("a"));
    expect(session.state.failures).toBe(0);
    expect(session.result("a").quoted().failed(true).state.turn).not.toBeNull();
  });

  it("is the last one at the most that a turn may take", () => {
    const session = Driver.ready({ settings: { max_steps: 2 } }).message("m1");
    session.step(call("a")).result("a").step(call("b")).result("b");
    expect(session.wire).toMatchObject({ waiting_for: "message", stop_reason: "max_steps" });
  });

  it.each([
    ["stop", "end_turn"],
    ["length", "max_tokens"],
    ["refusal", "refusal"],
    ["content_filter", "refusal"],
  ] as const)("that ends with %s ends its turn with %s", (finish_reason, stop_reason) => {
    const session = Driver.ready().message("m1").quoted();
    const epoch = session.stepEpoch;
    session.apply({ type: "step_finished", epoch, finish_reason, calls: [], usage: FREE });
    expect(session.wire.stop_reason).toBe(stop_reason);
  });

  it("may be preceded by a compaction, once", () => {
    const session = Driver.ready().message("m1");
    const compaction = { kind: "compaction", quote: FREE, is_pool_exhausted: false } as const;
    expect(session.effects.at(-1)).toMatchObject({ type: "quote_step", may_compact: true });
    const [first] = [session.epochOf("quote_step")];
    session.apply({ type: "step_quoted", epoch: first, ...compaction });
    expect(session.effects.at(-1)).toMatchObject({ type: "run_step", kind: "compaction" });
    session.step();
    expect(session.effects.at(-1)).toMatchObject({ type: "quote_step", may_compact: false });
    const second = session.epochOf("quote_step");
    session.apply({ type: "step_quoted", epoch: second, ...compaction });
    expect(session.wire).toMatchObject({
      stop_reason: "error",
      error: { code: "context_too_long" },
    });
  });

  it("writes a summary when that is asked for", () => {
    const session = Driver.ready().apply({ type: "compact", id: "c1" });
    expect(session.effects.at(-1)).toMatchObject({ type: "quote_step", kind: "compaction" });
    const epoch = session.epochOf("quote_step");
    session.apply({
      type: "step_quoted",
      epoch,
      kind: "compaction",
      quote: FREE,
      is_pool_exhausted: false,
    });
    expect(session.step().wire).toMatchObject({ waiting_for: "message", stop_reason: "end_turn" });
  });
});

describe("the time of a turn", () => {
  const settings = { turn_timeout_ms: 10_000 };

  it("ends it, and not the session", () => {
    const session = Driver.ready({ settings }).message("m1").step(call("a"));
    expect(nextDeadline(session.state, 9_000)).toBe(10_000);
    session.apply({ type: "timer" }, 9_999);
    expect(session.types()).toEqual([]);
    session.apply({ type: "timer" }, 10_000);
    expect(session.acts()).toEqual(["abort"]);
    expect(session.outcomes()).toEqual(["a interrupted"]);
    expect(session.wire).toMatchObject({ waiting_for: "message", stop_reason: "timeout" });
  });

  it("stands still while it waits for somebody, and is each turn's own", () => {
    const session = Driver.ready({ settings }).message("m1");
    session.now = 6_000;
    session.step(call("a", { policy: "ask" }));
    expect(nextDeadline(session.state, 6_000)).toBeNull();
    const approve = { type: "approve", call: "a", by: "me", digest: null } as const;
    session.apply({ ...approve, edited_digest: null }, 500_000);
    expect(nextDeadline(session.state, 503_500)).toBe(504_000);
    session.message("m2").now = 502_000;
    session.result("a").step();
    expect(session.state.turn?.number).toBe(2);
    session.apply({ type: "timer" }, 511_999);
    expect(session.state.turn?.number).toBe(2);
    expect(session.apply({ type: "timer" }, 512_000).state.turn).toBeNull();
  });

  it("does not count what passed while there was no process", () => {
    const session = Driver.ready({ settings }).message("m1").quoted();
    session.apply({ type: "recovered" }, 1_000_000);
    expect(session.state.turn).not.toBeNull();
    expect(nextDeadline(session.state, 1_000_000)).toBe(1_000_000 + WATCH_MS);
    expect(session.apply({ type: "timer" }, 1_010_000).state.turn).toBeNull();
  });
});

describe("a budget", () => {
  it("lets a step begin only when the most that it can use is left", () => {
    const limits = { ...NO_LIMITS, tokens: 100 };
    const session = Driver.ready({ limits }).message("m1").quoted({ usd_nanos: 0, tokens: 101 });
    expect(session.types()).toEqual(["quote.dropped", "budget.reached"]);
    expect(session.wire).toMatchObject({ state: "waiting", waiting_for: "budget" });
    expect(nextDeadline(session.state, 0)).toBeNull();
    session.apply({ type: "budget_changed", limits: { ...limits, tokens: 101 } });
    expect(session.acts()).toEqual(["quote_step"]);
    session.quoted({ usd_nanos: 0, tokens: 101 });
    expect(session.acts()).toEqual(["run_step"]);
  });

  it("counts all that was held when nobody can say what was used", () => {
    const session = Driver.ready().message("m1").quoted({ usd_nanos: 9, tokens: 50 });
    session.apply({ type: "recovered" });
    expect(session.emitted()[0]).toMatchObject({ type: "usage.settled", is_assumed: true });
    expect(session.state.budget.spent).toMatchObject({ usd_nanos: 9, tokens: 50, steps: 1 });
  });

  it("is shared with sub-agents, whose holds come back", () => {
    const limits = { ...NO_LIMITS, usd_nanos: 100 };
    const session = Driver.ready({ limits });
    const hold = { type: "hold", id: "child/1", usd_nanos: 60, tokens: 0 } as const;
    session.apply(hold).apply(hold);
    expect(session.state.budget.pool).toHaveLength(1);
    expect(session.refused({ ...hold, id: "child/2" })?.code).toBe("budget");
    session.message("m1").quoted({ usd_nanos: 50, tokens: 0 });
    expect(session.wire.waiting_for).toBe("budget");
    const settled = { type: "hold_settled", id: "child/1", usd_nanos: 20, tokens: 5 } as const;
    session.apply(settled);
    expect(session.acts()).toEqual(["quote_step"]);
    session.apply(settled);
    expect(session.state.budget.spent).toMatchObject({ usd_nanos: 20, tokens: 5 });
  });

  it("of time in sandboxes keeps calls from starting", () => {
    const limits = { ...NO_LIMITS, sandbox_ms: 1_000 };
    const session = Driver.ready({ limits }).message("m1");
    session.step(call("a", { is_parallel: false }), call("b"));
    session.apply({ type: "charged", usd_nanos: 0, tokens: 0, sandbox_ms: 1_000 });
    expect(session.wire.state).toBe("running");
    session.result("a");
    expect(session.wire.waiting_for).toBe("budget");
    session.apply({ type: "budget_changed", limits: NO_LIMITS });
    expect(session.acts()).toEqual(["run_call"]);
  });

  it("of a parent that has no room makes it wait until there is", () => {
    const session = Driver.ready().message("m1");
    session.apply({
      type: "step_quoted",
      epoch: session.epochOf("quote_step"),
      kind: "reply",
      quote: FREE,
      is_pool_exhausted: true,
    });
    expect(session.emitted()).toContainEqual({ type: "budget.reached", limits: ["pool"] });
    expect(session.apply({ type: "pool_changed" }).acts()).toEqual(["quote_step"]);
  });
});
