/** HTTP requests of skills, through the real guard to a server of the test's own. */
import { describe, expect, it } from "vitest";
import type { CallRequest, HttpCall, Outcome } from "../executors/port.ts";
import { guardedFetch, type Send } from "../security/outbound.ts";
import { createHttpCaller } from "./http-caller.ts";

const CALL: HttpCall = {
  via: "http",
  method: "GET",
  url: "https://api.example.com/v1",
  headers: {},
  body: null,
  response: "json",
  select: "all",
  allow: ["api.example.com"],
  outputs: null,
};
const SECRETS = new Map([["TOKEN", "very-secret-value"]]);

async function run(call: Partial<HttpCall>, serve: Send, signal = new AbortController().signal) {
  const sent: Request[] = [];
  const sendPublic: Send = (request) => {
    sent.push(request);
    return serve(request);
  };
  const caller = createHttpCaller({
    secrets: { resolve: async () => SECRETS },
    outbound: (request, options) =>
      guardedFetch(request, {
        ...{ allowHosts: [], resolver: null, sendPublic, sendExempt: sendPublic },
        ...options,
      }),
  });
  const ref = { resource_id: "r", run: 1, step: "main", attempt: 1, epoch: 1 };
  const request: CallRequest = {
    ...{ ref, project_id: "p", deadline_at: Date.now() + 5_000, timeout_ms: 5_000 },
    call: { ...CALL, ...call },
  };
  const sink = { log: () => undefined, artifact: async () => undefined };
  const outcome: Outcome = await caller.run(request, sink, signal);
  return { outcome, sent };
}

const json = (value: unknown, init: ResponseInit = {}): Send => {
  return async () => Response.json(value, init);
};

describe("an HTTP request of a skill", () => {
  it("is answered with status, the headers that say something, and the body", async () => {
    const headers = { etag: '"1"', "x-noise": "1" };
    const { outcome } = await run({}, json({ ok: true }, { status: 201, headers }));
    expect(outcome).toMatchObject({
      status: "completed",
      result: {
        status: 201,
        headers: { etag: '"1"', "content-type": "application/json" },
        body: { ok: true },
      },
    });
    expect(JSON.stringify(outcome)).not.toContain("noise");
  });

  it("sends its body as JSON, and a secret in a header that is never shown", async () => {
    const echo: Send = async (request) =>
      Response.json({ said: request.headers.get("x-key"), body: await request.json() });
    const { outcome, sent } = await run(
      { method: "POST", body: '{"a":1}', headers: { "x-key": "${{ secrets.TOKEN }}" } },
      echo,
    );
    expect(sent[0]?.headers.get("content-type")).toBe("application/json");
    expect(sent[0]?.headers.get("x-key")).toBe("very-secret-value");
    expect(outcome).toMatchObject({ result: { body: { said: "***", body: { a: 1 } } } });
  });

  it("keeps a secret from where a redirect leads", async () => {
    const away: Send = async () =>
      new Response(null, { status: 302, headers: { location: "https://other.example.com/" } });
    const { outcome, sent } = await run(
      {
        headers: { "x-key": "${{ secrets.TOKEN }}" },
        allow: ["api.example.com", "other.example.com"],
      },
      away,
    );
    expect(outcome).toMatchObject({ status: "failed", code: "request_refused" });
    expect(sent).toHaveLength(1);
  });

  it("reaches no host that is not declared, and no private one", async () => {
    const refused = await run({ url: "https://elsewhere.example.com/" }, json(1));
    expect(refused.outcome).toMatchObject({ status: "failed", code: "request_refused" });
    const local = await run({ url: "http://127.0.0.1/", allow: ["*"] }, json(1));
    expect(local.outcome).toMatchObject({ status: "failed", code: "request_refused" });
    expect([...refused.sent, ...local.sent]).toEqual([]);
  });

  it("fails on another status than success when the body alone is wanted", async () => {
    const { outcome } = await run({ select: "body" }, json({ why: "gone" }, { status: 410 }));
    expect(outcome).toMatchObject({ status: "failed", code: "http_status" });
    expect(JSON.stringify(outcome)).toContain("gone");
  });

  it("fails on what is no JSON, and takes it as text when asked", async () => {
    const text: Send = async () => new Response("plain");
    const { outcome } = await run({}, text);
    expect(outcome).toMatchObject({ status: "failed", code: "response_not_json" });
    const taken = await run({ response: "text", select: "body" }, text);
    expect(taken.outcome).toMatchObject({ status: "completed", result: "plain" });
  });

  it("reads no more than it may hold", async () => {
    const endless: Send = async () =>
      new Response(
        new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1 << 20)) }),
      );
    const { outcome } = await run({}, endless);
    expect(outcome).toMatchObject({ status: "failed", code: "response_too_large" });
  });

  it("names a secret that does not exist, and a header that cannot be sent", async () => {
    const missing = await run({ headers: { "x-key": "${{ secrets.NONE }}" } }, json(1));
    expect(missing.outcome).toMatchObject({ status: "failed", code: "secret_not_found" });
    const broken = await run({ headers: { "x-key": "a\nb" } }, json(1));
    expect(broken.outcome).toMatchObject({ status: "failed", code: "header_invalid" });
  });

  it("is held to the outputs of the skill", async () => {
    const outputs = { type: "object", required: ["id"] };
    const { outcome } = await run({ select: "body", outputs }, json({}));
    expect(outcome).toMatchObject({ status: "failed", code: "output_invalid" });
  });

  it("ends with its attempt", async () => {
    const abort = new AbortController();
    const never: Send = (request) =>
      new Promise((_, reject) => {
        request.signal.addEventListener("abort", () => reject(new Error("aborted")));
        abort.abort("cancel");
      });
    const { outcome } = await run({}, never, abort.signal);
    expect(outcome).toEqual({ status: "cancelled" });
  });
});
