/** What of a task is read as a stream: events as SSE, output as text. */
import { z } from "@hono/zod-openapi";
import type { AppContext, Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { idSchema } from "../http/schemas.ts";
import { lastEventId } from "../http/sse.ts";
import {
  followLog,
  LOG_RESPONSES,
  logParameters,
  logResponse,
  rangeHeader,
  streamEvents,
} from "../runs/streaming.ts";
import { runParameter, runQuery } from "../runs/wire.ts";
import type { Principal } from "../security/principal.ts";

const params = z.object({ task_id: idSchema });
const tags = ["Tasks"];

/** The events of a run as SSE; 204 when all has been told. */
export async function streamTask(
  c: AppContext,
  principal: Principal,
  taskId: string,
  runNumber: number | null,
  after: number,
): Promise<Response> {
  return streamEvents(c, await c.get("services").tasks.events(principal, taskId, runNumber, after));
}

export function taskStreamRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/tasks/{task_id}/events",
      operationId: "streamTaskEvents",
      tags,
      summary: "Follow a run's events, live and from the beginning",
      description:
        "Server-sent events; `id` is the event's seq, and `Last-Event-ID` resumes after one without gap or repeat. The stream ends with the run; 204 says that nothing follows.",
      scope: "tasks:read",
      request: { params, query: runQuery },
      responses: {
        200: { description: "The events.", content: { "text/event-stream": z.string() } },
        204: { description: "The run has ended and all of it has been told." },
      },
    },
    async (c, { principal, params: { task_id }, query }) =>
      streamTask(c, principal, task_id, query.run ?? null, lastEventId(c) ?? 0),
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/tasks/{task_id}/logs",
      operationId: "readTaskLogs",
      tags,
      summary: "Read a run's output as text",
      description:
        "Both streams in the order of their writing, of every attempt, unless narrowed. `Range: bytes=…` reads a part; `follow=true` goes on until the run ends.",
      scope: "tasks:read",
      request: {
        params,
        headers: rangeHeader,
        query: z.strictObject({ run: runParameter, ...logParameters }),
      },
      responses: LOG_RESPONSES,
      errors: ["range_not_satisfiable"],
    },
    async (c, { principal, params: { task_id }, query }) => {
      const { tasks } = c.get("services");
      const { run = null, attempt = null, stream = null } = query;
      const selection = { run, attempt, stream, step: null };
      if (query.follow === "true") {
        return followLog(c, await tasks.events(principal, task_id, run, 0), selection);
      }
      const reader = { log: tasks.log.bind(tasks, principal, task_id) };
      return logResponse(c, reader, selection);
    },
  );
}
