/** What of an invocation is read as a stream: events as SSE, output as text. */
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

const params = z.object({ invocation_id: idSchema });
const tags = ["Skills"];

/** The events of a run as SSE; 204 when all has been told. */
export async function streamInvocation(
  c: AppContext,
  principal: Principal,
  id: string,
  run: number | null,
  after: number,
): Promise<Response> {
  return streamEvents(c, await c.get("services").invocations.events(principal, id, run, after));
}

export function invocationStreamRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/invocations/{invocation_id}/events",
      operationId: "streamInvocationEvents",
      tags,
      scope: "skills:read",
      summary: "Follow an invocation's events, live and from the beginning",
      description:
        "Server-sent events; `Last-Event-ID` resumes after one without gap or repeat. `skill.invoked` names the invocations below. The stream ends with the run; 204 says that nothing follows.",
      request: { params, query: runQuery },
      responses: {
        200: { description: "The events.", content: { "text/event-stream": z.string() } },
        204: { description: "The run has ended and all of it has been told." },
      },
    },
    async (c, { principal, params: { invocation_id }, query }) =>
      streamInvocation(c, principal, invocation_id, query.run ?? null, lastEventId(c) ?? 0),
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/invocations/{invocation_id}/logs",
      operationId: "readInvocationLogs",
      tags,
      scope: "skills:read",
      summary: "Read an invocation's output as text",
      description:
        "Both streams in the order of their writing, of every attempt, unless narrowed. `Range: bytes=…` reads a part; `follow=true` goes on until the run ends.",
      request: {
        params,
        headers: rangeHeader,
        query: z.strictObject({ run: runParameter, ...logParameters }),
      },
      responses: LOG_RESPONSES,
      errors: ["range_not_satisfiable"],
    },
    async (c, { principal, params: { invocation_id }, query }) => {
      const { invocations } = c.get("services");
      const { run = null, attempt = null, stream = null } = query;
      const selection = { run, attempt, stream, step: null };
      if (query.follow === "true") {
        return followLog(c, await invocations.events(principal, invocation_id, run, 0), selection);
      }
      const reader = { log: invocations.log.bind(invocations, principal, invocation_id) };
      return logResponse(c, reader, selection);
    },
  );
}
