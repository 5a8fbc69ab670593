/** The events of a session: as SSE, over a WebSocket, and as the answer to a message. */
import { z } from "@hono/zod-openapi";
import type { AppContext, Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { eventSocket, wantsSocket } from "../http/event-socket.ts";
import type { Json } from "../http/json.ts";
import { timestamp } from "../http/schemas.ts";
import { eventStream, lastEventId } from "../http/sse.ts";
import { endOfMessage } from "./message-end.ts";
import { agentParams as params, tags } from "./replies.ts";
import type { EventFollower } from "./service.ts";
import type { SentMessage, SessionEventRow } from "./session-port.ts";

const EVENTS = { description: "The events.", content: { "text/event-stream": z.string() } };

export function streamRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/agents/{agent_id}/events",
      operationId: "streamAgentEvents",
      tags,
      scope: "agents:read",
      summary: "Follow what an agent does, live and from the beginning",
      description:
        "Server-sent events, or with `Upgrade: websocket` one JSON message an event: messages, turns, steps with what the model writes as it writes it, tools, approvals, budgets. `Last-Event-ID` or `?after=` resumes after a seq without gap or repeat; `last_event` of the agent is one. The stream ends when the agent is terminated; 204 says that nothing follows.",
      request: {
        params,
        query: z.strictObject({
          after: z
            .string()
            .regex(/^\d{1,15}$/, "Send the seq of an event.")
            .transform(Number)
            .optional()
            .openapi({ type: "integer", minimum: 0 }),
        }),
      },
      responses: {
        101: { description: "A WebSocket with the events." },
        200: EVENTS,
        204: { description: "The agent is terminated and all has been told." },
      },
    },
    async (c, { principal, params: { agent_id }, query }) => {
      const after = query.after ?? lastEventId(c) ?? 0;
      const follow = await c.get("services").agents.events(principal, agent_id, after);
      if (wantsSocket(c)) return eventSocket(c, follow && ((signal) => toWire(follow(signal))));
      if (follow === null) return new Response(null, { status: 204 });
      return streamOf(c, follow);
    },
  );
}

/** The events of what a message began, until that has ended. */
export function streamMessage(
  c: AppContext,
  follow: EventFollower | null,
  sent: SentMessage,
): Response {
  if (follow === null) return new Response(null, { status: 204 });
  const isEnd = endOfMessage(sent);
  return streamOf(c, async function* (signal) {
    for await (const event of follow(signal)) {
      yield event;
      if (isEnd(event)) return;
    }
  });
}

function streamOf(c: AppContext, follow: EventFollower): Response {
  return eventStream(c, async function* (signal) {
    for await (const event of toWire(follow(signal))) {
      yield { id: String(event.seq), event: event.type, data: event };
    }
  });
}

/** Events as clients read them, by whatever transport. */
async function* toWire(events: AsyncIterable<SessionEventRow>) {
  for await (const { seq, type, at, turn, data } of events) {
    const members: { readonly [name: string]: Json } = JSON.parse(data);
    yield { ...members, seq, type, at: timestamp(at), turn };
  }
}
