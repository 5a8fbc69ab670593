/** The object of a session, as a real Durable Object, on the fake of a model's API. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { script, seen } from "../models/test-support.ts";
import {
  accepted,
  calling,
  created,
  objectOf,
  ready,
  resetTools,
  scriptTool,
  sessionOf,
  stubOf,
  type TestSession,
  toolRuns,
  words,
} from "./test-support.ts";

beforeEach(resetTools);

const until = <T>(isSo: () => T | Promise<T>) => vi.waitFor(isSo, { timeout: 10_000, interval: 5 });
const eventsOf = async ({ id }: TestSession) => accepted(await objectOf(id).events(0, 1_000));
const typesOf = async (session: TestSession) => (await eventsOf(session)).map(({ type }) => type);
const messagesOf = async ({ id }: TestSession) => accepted(await objectOf(id).messages(0, 1_000));
const approvalsOf = async ({ id }: TestSession) => accepted(await objectOf(id).approvals());

/** Whether an object costs anything while nobody calls it. */
const alarmOf = (id: string) =>
  runInDurableObject(stubOf(id), (_, state) => state.storage.getAlarm());

describe("a message", () => {
  it("is answered, and lists, history and ledger tell of it", async () => {
    await script(words("Hel", "lo", "!"));
    const session = await ready();
    const sent = await session.send("Hi.");
    expect(sent).toMatchObject({ turn: 1, reply: { text: "Hello!", stop_reason: "end_turn" } });
    expect(sent.session).toMatchObject({
      state: "waiting",
      waiting_for: "message",
      turns: 1,
      iteration_count: 1,
      usage: { input_tokens: 12, output_tokens: 5, is_partly_unknown: true },
    });
    expect(await messagesOf(session)).toMatchObject([
      { role: "user", state: "taken", turn: 1, content: [{ type: "text", text: "Hi." }] },
      { role: "assistant", state: "taken", turn: 1, content: [{ text: "Hello!" }] },
    ]);
    expect(accepted(await objectOf(session.id).ledger(0, 10))).toMatchObject([
      {
        turn: 1,
        step: 1,
        attempt: 1,
        input_tokens: 12,
        output_tokens: 5,
        usd: null,
        is_assumed: false,
      },
    ]);
    expect(await typesOf(session)).toEqual([
      "session.created",
      "session.initializing",
      "session.ready",
      "message.queued",
      "turn.started",
      "step.started",
      "usage.settled",
      "message.completed",
      "step.finished",
      "turn.ended",
    ]);
    await until(async () => {
      const row = await env.DB.prepare(
        "SELECT state, waiting_for, revision FROM agents WHERE id = ?",
      )
        .bind(session.id)
        .first();
      const { seq } = await session.read();
      expect(row).toEqual({ state: "waiting", waiting_for: "message", revision: seq });
    });
  });

  it("leads to a refusal before the session is initialized", async () => {
    const session = await created();
    expect(await session.trySend("Hi.")).toMatchObject({
      refused: "illegal",
      state: "idle",
      allowed: ["initialize", "terminate"],
    });
  });

  it("that is sent again is the same message, and another under its id is refused", async () => {
    await script(words("Once."), words("Twice."));
    const session = await ready();
    const id = crypto.randomUUID();
    const sends = await Promise.all(Array.from({ length: 200 }, () => session.send("Hi.", { id })));
    expect(new Set(sends.map(({ turn }) => turn))).toEqual(new Set([1]));
    expect(new Set(sends.map(({ reply }) => reply?.text))).toEqual(new Set(["Once."]));
    expect((await session.read()).turns).toBe(1);
    expect(await seen()).toHaveLength(1);
    expect(await session.trySend("Bye.", { id })).toEqual({ refused: "mismatch" });
  });

  it("that comes during a turn waits, and is told after it", async () => {
    await script(
      { ...words("One", "two", "three"), fault: { kind: "hold", after_events: 3 } },
      words("Two."),
    );
    const session = await ready();
    const first = session.send("First.");
    await until(async () => expect(await typesOf(session)).toContain("message.delta"));
    const second = await session.send("Second.", { wait_ms: 0 });
    expect(second).toMatchObject({ turn: null, reply: null, session: { queued_messages: 1 } });
    await session.command({ type: "cancel_turn", turn: 1 });
    expect(await first).toMatchObject({ reply: { stop_reason: "cancelled" } });
    await session.until({ turns: 2, waiting_for: "message" });
    const history = await messagesOf(session);
    expect(history.map(({ role, state }) => [role, state])).toEqual([
      ["user", "taken"],
      ["assistant", "cut"],
      ["user", "taken"],
      ["assistant", "taken"],
    ]);
    const sent = (await seen()).at(-1)?.body.messages;
    expect(sent).toMatchObject([
      { content: "First." },
      { role: "assistant" },
      { content: "Second." },
    ]);
  });

  it("that rolls a turn back is told as if that had never been", async () => {
    await script(
      { ...words("One", "two", "three"), fault: { kind: "hold", after_events: 3 } },
      words("Two."),
    );
    const session = await ready();
    const first = session.send("First.");
    await until(async () => expect(await typesOf(session)).toContain("message.delta"));
    const second = await session.send("Second.", { policy: "rollback" });
    expect(second).toMatchObject({ turn: 2, reply: { text: "Two." } });
    expect(await first).toMatchObject({ reply: { stop_reason: "rolled_back" } });
    expect((await seen()).at(-1)?.body.messages).toMatchObject([{ content: "Second." }]);
  });
});

describe("tools", () => {
  it("run beside each other where they may, and their results are told", async () => {
    let most = 0;
    let now = 0;
    scriptTool("look", async () => {
      now += 1;
      most = Math.max(most, now);
      await scheduler.wait(20);
      now -= 1;
      return { output: "seen", is_error: false };
    });
    await script(
      calling(["look", { at: 1 }], ["look", { at: 2 }], ["look", { at: 3 }], ["unknown", {}]),
      words("Done."),
    );
    const session = await ready({ max_parallel_tools: 2 });
    expect(await session.send("Look.")).toMatchObject({ reply: { text: "Done." } });
    expect(most).toBe(2);
    expect(new Set(toolRuns.map(({ key }) => key)).size).toBe(3);
    const results = (await messagesOf(session)).filter(({ role }) => role === "tool");
    expect(results).toHaveLength(4);
    expect(JSON.stringify(results)).toContain('There is no tool \\"unknown\\"');
    expect((await seen()).at(-1)?.body.messages).toHaveLength(6);
  });

  it("whose results are long are cut, with a note", async () => {
    scriptTool("act", () => ({ output: "x".repeat(100_000), is_error: false }));
    await script(calling(["act", {}]), words("Done."));
    const session = await ready();
    await session.send("Act.");
    const [result] = (await messagesOf(session)).filter(({ role }) => role === "tool");
    expect(JSON.stringify(result).length).toBeLessThan(70_000);
    expect(JSON.stringify(result)).toContain("the result has 100000 characters");
  });

  it("wait for approval through evictions, and run with the input that was approved", async () => {
    await script(calling(["careful", { n: 1 }], ["careful", { n: 2 }]), words("Done."));
    const session = await ready({ tool_policies: { careful: "ask" } });
    const sent = await session.send("Act.");
    expect(sent).toMatchObject({
      reply: null,
      session: { state: "waiting", waiting_for: "approval" },
    });
    await until(async () => expect(await alarmOf(session.id)).toBeNull());
    await evictDurableObject(stubOf(session.id));
    const [first, second] = await approvalsOf(session);
    expect(first).toMatchObject({
      tool: "careful",
      input: { n: 1 },
      turn: 1,
      step: 1,
      is_rerun: false,
    });
    const decide = (call: string | undefined, approved: boolean, input?: { n: unknown }) =>
      objectOf(session.id).command(
        {
          type: "decide",
          call: call ?? "",
          approved,
          input: JSON.parse(JSON.stringify(input ?? null)) ?? undefined,
          reason: approved ? null : "Not now.",
        },
        { by: "key:other", grants: [] },
      );
    expect(await decide(first?.call, true, { n: "one" })).toMatchObject({ refused: "invalid" });
    accepted(await decide(first?.call, true, { n: 7 }));
    accepted(await decide(second?.call, false));
    expect(await decide(second?.call, true)).toMatchObject({ refused: "illegal" });
    await session.until({ waiting_for: "message" });
    expect(toolRuns.map(({ input }) => input)).toEqual([{ n: 7 }]);
    const results = (await messagesOf(session)).filter(({ role }) => role === "tool");
    expect(JSON.stringify(results)).toContain("Not now.");
  });

  it("that ask the user are answered by the next message", async () => {
    await script(calling(["ask_user", { question: "Which?" }]), words("Blue it is."));
    const session = await ready();
    expect(await session.send("Paint.")).toMatchObject({
      reply: null,
      session: { waiting_for: "input" },
    });
    expect(await session.send("Blue.")).toMatchObject({ turn: 1, reply: { text: "Blue it is." } });
    const body = (await seen()).at(-1)?.body.messages;
    expect(JSON.stringify(body)).toContain("Blue.");
    expect(body).toHaveLength(3);
  });
});

describe("a pause", () => {
  it("now keeps what was written, and resumes the same turn", async () => {
    await script(
      { ...words("One", "two", "three"), fault: { kind: "hold", after_events: 4 } },
      words("All of it."),
    );
    const session = await ready();
    const sent = session.send("Write.");
    await until(async () => expect(await typesOf(session)).toContain("message.delta"));
    const began = Date.now();
    await session.command({ type: "pause", mode: "now" });
    await session.until({ state: "paused" });
    expect(Date.now() - began).toBeLessThan(1_000);
    await until(async () => expect(await seen()).toMatchObject([{ state: "aborted" }]));
    expect(await sent).toMatchObject({ reply: null, session: { state: "paused" } });
    expect(await messagesOf(session)).toMatchObject([{}, { role: "assistant", state: "cut" }]);
    await until(async () => expect(await alarmOf(session.id)).toBeNull());
    await evictDurableObject(stubOf(session.id));
    await session.command({ type: "resume" });
    await session.until({ waiting_for: "message", turns: 1 });
    expect((await seen()).at(-1)?.body.messages).toMatchObject([
      { content: "Write." },
      { role: "assistant" },
      { role: "user", content: expect.stringContaining("Go on") },
    ]);
    const [, cut, rest] = await messagesOf(session);
    expect([cut?.state, rest?.state]).toEqual(["cut", "taken"]);
    expect(rest).toMatchObject({ content: [{ text: "All of it." }] });
  });

  it("at the next boundary lets a tool end, and does not run it again", async () => {
    const gate = Promise.withResolvers<void>();
    scriptTool("act", async () => {
      await gate.promise;
      return { output: "acted", is_error: false };
    });
    await script(calling(["act", {}]), words("Done."));
    const session = await ready();
    const sent = session.send("Act.");
    await until(() => expect(toolRuns).toHaveLength(1));
    expect(await session.command({ type: "pause", mode: "boundary" })).toMatchObject({
      pausing: true,
    });
    const queued = await session.send("And then?", { wait_ms: 0 });
    expect(queued.turn).toBeNull();
    gate.resolve();
    await session.until({ state: "paused" });
    await sent;
    await script(words("Done."), words("Nothing."));
    await session.command({ type: "resume" });
    await session.until({ turns: 2, waiting_for: "message" });
    expect(toolRuns).toHaveLength(1);
  });
});

describe("budgets", () => {
  it("are never overshot, wait for more, and lose nothing", async () => {
    const usage = { input_tokens: 100, output_tokens: 400 };
    await script(...Array.from({ length: 30 }, () => ({ ...words("Yes."), usage })));
    const model = "anthropic/claude-sonnet-5-5";
    const session = await ready({ model, max_tokens: 400, budget: { usd: 0.02 } });
    let sent = await session.send("Go.");
    for (let turn = 0; turn < 20 && sent.reply !== null; turn += 1)
      sent = await session.send("Go.");
    expect(sent).toMatchObject({
      reply: null,
      session: { state: "waiting", waiting_for: "budget", blocked_by: ["usd_nanos"] },
    });
    expect(sent.session.usage.usd).toBeLessThanOrEqual(0.02);
    expect(sent.session.usage.usd).toBeGreaterThan(0.01);
    const ledger = accepted(await objectOf(session.id).ledger(0, 100));
    const sum = ledger.reduce((total, { usd }) => total + (usd ?? 0), 0);
    expect(sum).toBeCloseTo(sent.session.usage.usd, 9);
    await session.command({
      type: "budget",
      budget: { usd: 1, tokens: null, steps: null, seconds: null, sandbox_seconds: null },
    });
    await session.until({ waiting_for: "message", turns: sent.session.turns });
  });
});

describe("the end", () => {
  it("frees everything and is final", async () => {
    const stopped = Promise.withResolvers<void>();
    scriptTool("act", async (_, signal) => {
      signal.addEventListener("abort", () => stopped.resolve());
      await stopped.promise;
      return { output: null, is_error: true };
    });
    await script(calling(["act", {}]));
    const session = await ready();
    const sent = session.send("Act.");
    await until(() => expect(toolRuns).toHaveLength(1));
    await session.send("Later.", { wait_ms: 0 });
    expect(await session.command({ type: "terminate" })).toMatchObject({ state: "terminated" });
    await stopped.promise;
    expect(await sent).toMatchObject({ reply: { stop_reason: "terminated" } });
    expect(await session.trySend("Hi.")).toMatchObject({ refused: "illegal", allowed: [] });
    await session.command({ type: "terminate" });
    await until(async () => expect(await alarmOf(session.id)).toBeNull());
    const { held } = await env.LIMITS.getByName("agents").holders("agents");
    expect(held.map(({ holder }) => holder)).not.toContain(session.id);
    expect(await messagesOf(session)).not.toHaveLength(0);
  });
});

describe("a session that is not there", () => {
  it("is not found, and made by asking neither", async () => {
    const { id } = sessionOf(crypto.randomUUID());
    expect(await objectOf(id).read()).toEqual({ refused: "not_found" });
    expect(
      (await stubOf(id).fetch("https://session/", { headers: { Upgrade: "websocket" } })).status,
    ).toBe(404);
    const tables = await runInDurableObject(stubOf(id), (_, state) =>
      state.storage.sql.exec("SELECT count(*) AS n FROM sqlite_master WHERE name = 'meta'").one(),
    );
    expect(tables).toEqual({ n: 0 });
  });
});

describe("a session of the first version of the tables", () => {
  it("goes on in those of this one", async () => {
    await script(words("One."), words("Two."));
    const session = await ready();
    await session.send("First.");
    await runInDurableObject(stubOf(session.id), (_, { storage: { sql } }) => {
      sql.exec("DROP TABLE accounts");
      sql.exec("ALTER TABLE ledger DROP COLUMN agent_id");
      sql.exec("UPDATE meta SET value = '1' WHERE key = 'schema_version'");
      sql.exec("UPDATE documents SET text = json_remove(text, '$.pooled') WHERE name = 'progress'");
    });
    await evictDurableObject(stubOf(session.id));
    expect((await session.send("Second.")).reply?.text).toBe("Two.");
    expect((await session.read()).usage.pooled).toMatchObject({ tokens: 0 });
    const rows = accepted(await objectOf(session.id).ledger(0, 10));
    expect(rows.map(({ agent_id }) => agent_id)).toEqual([null, null]);
  });
});
