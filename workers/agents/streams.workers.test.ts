/** The events of agents: as SSE, over a WebSocket, and as the answer to a message. */
import { createExecutionContext } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { DEV_KEY, isolate } from "../test/app.ts";
import { endOfMessage } from "./message-end.ts";
import { AGENTS, createAgent, readAgent, say } from "./test-support.ts";

const { app, call, env } = isolate();
const eventSchema = z.looseObject({ seq: z.int(), type: z.string(), turn: z.int().nullable() });
type Event = z.output<typeof eventSchema>;

function open(path: string, init: RequestInit & { headers?: Record<string, string> } = {}) {
  const headers = { authorization: `Bearer ${DEV_KEY}`, ...init.headers };
  const request = new Request(`https://pipelzr.test${path}`, { ...init, headers });
  return Promise.resolve(app.fetch(request, env, createExecutionContext()));
}

/** The events of a stream up to its end. */
async function all(response: Response): Promise<Event[]> {
  const text = await response.text();
  return text.split("\n\n").flatMap((block) => {
    const data = /^data: (.*)$/m.exec(block)?.[1];
    const id = /^id: (.*)$/m.exec(block)?.[1];
    if (data === undefined) return [];
    const event = eventSchema.parse(JSON.parse(data));
    expect(String(event.seq)).toBe(id);
    return [event];
  });
}

const rising = (events: readonly Event[]) =>
  events.every(({ seq }, index) => index === 0 || seq > (events[index - 1]?.seq ?? 0));

describe("the events of an agent", () => {
  it("are told from the beginning to its end, and resume after any", async () => {
    const { id } = await createAgent(call);
    const following = open(`${AGENTS}/${id}/events`).then(all);
    await say(call, id, "/help");
    await call(`${AGENTS}/${id}/terminate`, { method: "POST" });
    const events = await following;
    expect(rising(events)).toBe(true);
    const types = events.map(({ type }) => type);
    expect(types).toEqual(
      expect.arrayContaining([
        ...["session.created", "session.ready", "turn.started", "message.completed"],
        ...["turn.ended", "session.terminated"],
      ]),
    );
    for (const at of [0, 3, events.length - 2]) {
      const headers = { "last-event-id": String(events[at]?.seq) };
      const rest = await all(await open(`${AGENTS}/${id}/events`, { headers }));
      expect(rest).toEqual(events.slice(at + 1));
    }
    const { last_event } = await readAgent(call, id);
    expect((await open(`${AGENTS}/${id}/events?after=${last_event}`)).status).toBe(204);
  });

  it("come over a WebSocket too", async () => {
    const { id, last_event } = await createAgent(call);
    const upgrade = { headers: { upgrade: "websocket" } };
    const response = await open(`${AGENTS}/${id}/events?after=${last_event}`, upgrade);
    expect(response.status).toBe(101);
    const socket = response.webSocket;
    const types: string[] = [];
    const closed = new Promise<number>((resolve) => {
      socket?.addEventListener("message", ({ data }) => {
        types.push(eventSchema.parse(JSON.parse(String(data))).type);
      });
      socket?.addEventListener("close", ({ code }) => resolve(code));
    });
    socket?.accept();
    await say(call, id, "/help");
    await call(`${AGENTS}/${id}/terminate`, { method: "POST" });
    expect(await closed).toBe(1000);
    expect(types).toEqual(expect.arrayContaining(["turn.started", "turn.ended"]));
    expect(types).not.toContain("session.ready");
    expect(types.at(-1)).toBe("session.terminated");
  });

  it("answer a message until its turn ends, again for the same key", async () => {
    const { id } = await createAgent(call);
    await say(call, id, "/skills");
    const send = () =>
      open(`${AGENTS}/${id}/message`, {
        method: "POST",
        body: JSON.stringify({ content: "/help" }),
        headers: {
          ...{ accept: "text/event-stream", "content-type": "application/json" },
          "idempotency-key": `stream-${id}`,
        },
      });
    const events = await all(await send());
    expect(events[0]?.type).toBe("message.queued");
    expect(events.at(-1)).toMatchObject({ type: "turn.ended", turn: 2 });
    const again = await all(await send());
    expect(again.at(-1)).toEqual(events.at(-1));
    expect((await readAgent(call, id)).turns).toBe(2);
  });
});

describe("the end of a message", () => {
  const event = (type: string, turn: number | null, id = "m") => ({
    ...{ seq: 1, at: 0, type, turn },
    data: JSON.stringify({ input: { kind: "message", id } }),
  });

  it("is that of its own turn", () => {
    const isEnd = endOfMessage({ message_id: "m", turn: null });
    expect(isEnd(event("turn.ended", 1))).toBe(false);
    expect(isEnd(event("turn.started", 2, "other"))).toBe(false);
    expect(isEnd(event("turn.ended", 2))).toBe(false);
    expect(isEnd(event("turn.started", 3))).toBe(false);
    expect(isEnd(event("turn.ended", 3))).toBe(true);
  });

  it("is when it is dropped, or that of the turn it was given to", () => {
    expect(endOfMessage({ message_id: "m", turn: null })(event("input.dropped", null))).toBe(true);
    expect(endOfMessage({ message_id: "m", turn: 4 })(event("turn.ended", 4))).toBe(true);
  });
});
