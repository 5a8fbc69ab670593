/** Traces of turns: the spans they come to, and what a collector is sent. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { OutboxMessage } from "../../delivery/message.ts";
import type { Delivery } from "../../delivery/target.ts";
import type { Json } from "../../http/json.ts";
import type { SessionEventRow } from "../session-port.ts";
import { toOtlp } from "./otlp.ts";
import { callTrace, spansOf, type TurnRecord } from "./spans.ts";
import { readHeaders, traceTarget } from "./target.ts";

const PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const SERVICE = { name: "pipelzr", version: "1.2.3" };

let seq = 0;
function event(at: number, type: string, data: { readonly [name: string]: Json }): SessionEventRow {
  seq += 1;
  return { seq, at, type, turn: 2, data: JSON.stringify({ turn: 2, ...data }) };
}

const paid = {
  agent_id: null,
  ...{ seq: 1, at: 0, turn: 2, model: "anthropic/claude-x", cached_input_tokens: 4 },
  ...{ input_tokens: 100, output_tokens: 20, usd: 0.003, is_assumed: false },
};

const RECORD: TurnRecord = {
  agent: { id: "s1", name: "Ada", description: null, max_tokens: 512, temperature: 0.5 },
  number: 2,
  trace: { correlation_id: "c", traceparent: PARENT, tracestate: "a=1" },
  events: [
    event(1_000, "turn.started", { input: { kind: "message", id: "m" } }),
    event(1_001, "step.started", { step: 1, epoch: 7, attempt: 1, kind: "reply" }),
    event(1_100, "step.failed", {
      ...{ step: 1, epoch: 7, kind: "reply", retry_at: 1_200 },
      error: { code: "model_overloaded", message: "Too busy." },
    }),
    event(1_200, "step.started", { step: 1, epoch: 8, attempt: 2, kind: "reply" }),
    event(1_300, "message.completed", {
      ...{ message: "x", role: "assistant", step: 1 },
      content: [
        { type: "text", text: "I look." },
        { type: "tool_call", id: "c1", name: "search_code", input: { query: "secret" } },
      ],
    }),
    event(1_300, "step.finished", {
      ...{ step: 1, epoch: 8, kind: "reply", finish_reason: "tool_calls", calls: 1 },
    }),
    event(1_301, "tool.called", { step: 1, call: "c1", name: "search_code" }),
    event(1_302, "tool.started", { step: 1, call: "c1", epoch: 9 }),
    event(1_400, "tool.finished", {
      ...{ step: 1, call: "c1", outcome: "failed", message: null },
      ...{ output: "No secret here.", is_error: true },
    }),
    event(1_401, "step.started", { step: 2, epoch: 10, attempt: 1, kind: "reply" }),
  ],
  ledger: [
    { ...paid, step: 1, attempt: 1, input_tokens: null, output_tokens: null, usd: null },
    { ...paid, step: 1, attempt: 2 },
  ],
};

describe("the spans of a turn", () => {
  const spans = spansOf(RECORD, false);
  const named = (name: string) => spans.filter((span) => span.name === name);

  it("are the turn's own, one for each try of a step, and one for each call", () => {
    expect(
      spans.map(({ name, started_at, ended_at, error }) => [name, started_at, ended_at, error]),
    ).toEqual([
      ["invoke_agent Ada", 1_000, null, null],
      ["chat anthropic/claude-x", 1_001, 1_100, "Too busy."],
      ["chat anthropic/claude-x", 1_200, 1_300, null],
      ["chat", 1_401, null, null],
      ["execute_tool search_code", 1_302, 1_400, "failed"],
    ]);
  });

  it("are below the span of the request, in its trace, and have ids of their own", () => {
    expect(new Set(spans.map(({ trace_id }) => trace_id))).toEqual(
      new Set(["4bf92f3577b34da6a3ce929d0e0e4736"]),
    );
    const [turn, ...below] = spans;
    expect(turn?.parent_id).toBe("00f067aa0ba902b7");
    expect(below.every(({ parent_id }) => parent_id === turn?.span_id)).toBe(true);
    expect(new Set(spans.map(({ span_id }) => span_id)).size).toBe(spans.length);
    expect(spans.every(({ span_id }) => /^[0-9a-f]{16}$/.test(span_id))).toBe(true);
    expect(spansOf(RECORD, false)).toEqual(spans);
  });

  it("say by the conventions what was asked and what it took", () => {
    expect(named("chat anthropic/claude-x")[1]?.attributes).toEqual({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "anthropic",
      "gen_ai.request.model": "anthropic/claude-x",
      "gen_ai.conversation.id": "s1",
      "gen_ai.agent.name": "Ada",
      "gen_ai.request.max_tokens": 512,
      "gen_ai.request.temperature": 0.5,
      "gen_ai.request.stream": true,
      "gen_ai.response.finish_reasons": ["tool_calls"],
      "gen_ai.usage.input_tokens": 100,
      "gen_ai.usage.output_tokens": 20,
      "gen_ai.usage.cache_read.input_tokens": 4,
      "pipelzr.usage.usd": 0.003,
      "pipelzr.step": 1,
      "pipelzr.step.attempt": 2,
    });
    expect(named("chat anthropic/claude-x")[0]?.attributes).toMatchObject({
      "error.type": "model_overloaded",
    });
    expect(named("execute_tool search_code")[0]?.attributes).toMatchObject({
      "gen_ai.tool.name": "search_code",
      "gen_ai.tool.call.id": "c1",
      "pipelzr.tool.outcome": "failed",
    });
  });

  it("hold what was said only where that is asked for", () => {
    expect(JSON.stringify(spans)).not.toContain("secret");
    const told = JSON.stringify(spansOf(RECORD, true));
    expect(told).toContain("I look.");
    expect(told).toContain("No secret here.");
  });

  it("name the span of a call as what it leads to is told of it", () => {
    const [, , id] =
      callTrace("s1", { turn: 2, step: 1, call: "c1" }, RECORD.trace).traceparent?.split("-") ?? [];
    expect(named("execute_tool search_code")[0]?.span_id).toBe(id);
  });

  it("have a trace of their own where the request had none", () => {
    const [turn] = spansOf({ ...RECORD, trace: null }, false);
    expect(turn).toMatchObject({
      parent_id: null,
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    const { correlation_id, traceparent } = callTrace("s1", { turn: 2, step: 1, call: "c" }, null);
    expect([correlation_id, traceparent?.split("-")[1]]).toEqual(["s1", turn?.trace_id]);
  });

  it("are told in OTLP once they have ended", () => {
    const [resource] = toOtlp(spans, SERVICE).resourceSpans;
    const told = resource?.scopeSpans[0]?.spans ?? [];
    expect(told.map(({ name }) => name)).toEqual([
      "chat anthropic/claude-x",
      "chat anthropic/claude-x",
      "execute_tool search_code",
    ]);
    expect(told[1]).toMatchObject({
      kind: 3,
      startTimeUnixNano: "1200000000",
      endTimeUnixNano: "1300000000",
      status: { code: 1 },
      attributes: expect.arrayContaining([
        { key: "gen_ai.usage.input_tokens", value: { intValue: "100" } },
        { key: "pipelzr.usage.usd", value: { doubleValue: 0.003 } },
        { key: "gen_ai.request.stream", value: { boolValue: true } },
      ]),
    });
    expect(told[0]?.status).toEqual({ code: 2, message: "Too busy." });
  });
});

describe("the collector", () => {
  let server: Server | null = null;
  afterEach(() => server?.close());

  interface Received {
    readonly path: string | undefined;
    readonly key: unknown;
    readonly body: string;
  }

  /** A collector that answers in turn with these, and then with 200. */
  async function collector(...answers: readonly (readonly [status: number, headers?: object])[]) {
    const received: Received[] = [];
    const left = [...answers];
    const made = createServer(async (request, response) => {
      received.push({
        path: request.url,
        key: request.headers["x-key"],
        body: await bodyOf(request),
      });
      const [status, headers = {}] = left.shift() ?? [200];
      response.writeHead(status, { "content-type": "application/json", ...headers }).end("{}");
    });
    server = made;
    await new Promise<void>((resolve) => made.listen(0, "127.0.0.1", resolve));
    const { port } = z.object({ port: z.number() }).parse(made.address());
    const target = traceTarget({
      url: `http://127.0.0.1:${port}/otlp/`,
      headers: readHeaders("x-key=a%20b, y=1"),
      service: SERVICE,
      spans: async (_, turn) => (turn === 404 ? null : spansOf(RECORD, false)),
    });
    return { target, received };
  }

  function ended(position: number, ...turns: readonly number[]): OutboxMessage {
    const events = turns.map((turn) => ({
      seq: turn,
      run: 0,
      at: 0,
      type: "turn.ended",
      data: { turn },
    }));
    return {
      ...{ position, id: `${position}`, topic: "agent", project_id: "p", resource_id: "s1" },
      ...{ events, trace: null, created_at: 0 },
    };
  }

  const delivery = (...messages: readonly OutboxMessage[]): Delivery => ({
    ...{ entity: "s1", messages, attempt: 1, is_repeated: false, failing_ms: 0 },
    memory: {
      get: () => undefined,
      set: () => undefined,
      delete: () => undefined,
      keys: () => [],
      log: () => undefined,
    },
  });
  const signal = new AbortController().signal;

  it("is sent each turn that has ended, and not those that are gone", async () => {
    const { target, received } = await collector();
    expect(target.wants(ended(1, 1), delivery().memory)).toBe(true);
    expect(target.wants({ ...ended(1), events: [] }, delivery().memory)).toBe(false);
    const outcome = await target.deliver(delivery(ended(5, 1, 404), ended(6, 2)), signal);
    expect(outcome).toEqual({ status: "delivered", through: 6 });
    expect(received.map(({ path, key }) => [path, key])).toEqual([
      ["/otlp/v1/traces", "a b"],
      ["/otlp/v1/traces", "a b"],
    ]);
    expect(JSON.parse(received[0]?.body ?? "")).toEqual(
      JSON.parse(JSON.stringify(toOtlp(spansOf(RECORD, false), SERVICE))),
    );
  });

  it("that is busy is waited for, and one that refuses a turn holds up no other agent", async () => {
    const { target } = await collector([200], [503, { "retry-after": "7" }], [400]);
    const messages = [ended(5, 1), ended(6, 2)];
    expect(await target.deliver(delivery(...messages), signal)).toMatchObject({
      ...{ status: "failed", through: 5, scope: "target", retry_after_ms: 7_000 },
    });
    expect(await target.deliver(delivery(ended(6, 2)), signal)).toMatchObject({
      ...{ status: "failed", through: 0, scope: "entity", is_final: true },
    });
  });
});

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString();
}
