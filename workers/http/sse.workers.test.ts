import { createExecutionContext } from "cloudflare:test";
import { z } from "@hono/zod-openapi";
import { describe, expect, it, vi } from "vitest";
import { envWith, isolate } from "../test/app.ts";
import { createRouter } from "./context.ts";
import { endpoint } from "./endpoint.ts";
import { eventStream, lastEventId, type SseEvent } from "./sse.ts";

let source: (after: number | null, signal: AbortSignal) => AsyncIterable<SseEvent>;

const stream = createRouter();
endpoint(
  stream,
  {
    method: "get",
    path: "/stream",
    operationId: "stream",
    tags: ["test"],
    scope: "tasks:read",
    summary: "Stream",
    responses: { 200: { description: "Events.", content: { "text/event-stream": z.string() } } },
  },
  (c) => eventStream(c, (signal) => source(lastEventId(c), signal), { heartbeat_ms: 5 }),
);

const { app, call } = isolate([stream]);
const open = async (headers: Record<string, string> = {}) => {
  const request = new Request("https://pipelzr.test/api/v1/stream", {
    headers: { authorization: "Bearer test-dev-key", ...headers },
  });
  const response = await app.fetch(request, envWith(), createExecutionContext());
  if (response.body === null) throw new Error("The stream has no body.");
  return { response, reader: response.body.pipeThrough(new TextDecoderStream()).getReader() };
};

describe("an event stream", () => {
  it("writes events with ids, and ends with its source", async () => {
    source = async function* (after) {
      for (let id = (after ?? 0) + 1; id <= 3; id += 1) {
        yield { id: String(id), event: "tick", data: { id } };
      }
    };
    const all = await call("/api/v1/stream");
    expect(all.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(all.text).toMatch(/^retry: 1000\n\n/);
    expect(all.text.match(/^id: \d$/gm)).toEqual(["id: 1", "id: 2", "id: 3"]);
    const rest = await call("/api/v1/stream", { headers: { "last-event-id": "2" } });
    expect(rest.text.match(/^id: \d$/gm)).toEqual(["id: 3"]);
    const nonsense = await call("/api/v1/stream", { headers: { "last-event-id": "-1" } });
    expect(nonsense.text.match(/^id: \d$/gm)).toHaveLength(3);
  });

  it("sends heartbeats while nothing happens, and closes its source when the reader goes", async () => {
    const closed = vi.fn();
    let aborted = false;
    source = async function* (_, signal) {
      try {
        yield { id: "1", data: "first" };
        await new Promise<void>((resolve) => {
          signal.addEventListener("abort", () => {
            aborted = true;
            resolve();
          });
        });
      } finally {
        closed();
      }
    };
    const { reader } = await open();
    let text = "";
    while (!text.includes("\n: \n\n: \n\n")) text += (await reader.read()).value ?? "";
    expect(text).toContain("id: 1\ndata: first\n\n");
    await reader.cancel();
    await vi.waitFor(() => expect(closed).toHaveBeenCalledOnce());
    expect(aborted).toBe(true);
  });

  it("ends without an error text when its source fails", async () => {
    source = async function* () {
      yield { id: "1", data: "first" };
      throw new Error("internal address");
    };
    const reply = await call("/api/v1/stream");
    expect(reply.status).toBe(200);
    expect(reply.text).toContain("id: 1");
    expect(reply.text).not.toContain("internal address");
  });

  it("answers HEAD without starting its source", async () => {
    const started = vi.fn();
    source = async function* () {
      started();
      yield { data: "x" };
    };
    const reply = await call("/api/v1/stream", { method: "HEAD" });
    expect(reply).toMatchObject({ status: 200, text: "" });
    expect(started).not.toHaveBeenCalled();
  });
});
