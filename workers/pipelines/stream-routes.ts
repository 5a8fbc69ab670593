/** What of a run is read as a stream or a file: events, output, artifacts. */
import { z } from "@hono/zod-openapi";
import type { AppContext, Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { wantsSocket } from "../http/event-socket.ts";
import { pageOfIndexes, sliceQuery, toSlice } from "../http/slice.ts";
import { lastEventId } from "../http/sse.ts";
import type { Snapshot } from "../runs/store-types.ts";
import {
  download,
  followLog,
  LOG_RESPONSES,
  logParameters,
  logResponse,
  rangeHeader,
  socketOf,
  streamEvents,
} from "../runs/streaming.ts";
import { FILE_RESPONSE, pathQuery, toArtifact } from "../runs/wire.ts";
import type { Principal } from "../security/principal.ts";
import { runParams, tags } from "./replies.ts";
import { artifactsSchema } from "./run-schemas.ts";

const stepName = z.string().min(1).max(300);

/** The events of the run that a call began. */
export async function streamRun(
  c: AppContext,
  principal: Principal,
  { resource, run }: Snapshot,
): Promise<Response> {
  const ref = { id: resource.id, run: run?.run ?? null };
  return streamEvents(c, await c.get("services").pipelineRuns.events(principal, ref, 0));
}

export function streamRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/pipelines/{pipeline_id}/runs/{run}/events",
      operationId: "streamRunEvents",
      tags,
      summary: "Follow a run's events, live and from the beginning",
      description:
        "Server-sent events, or with `Upgrade: websocket` one JSON message an event. `Last-Event-ID` or `?after=` resumes after a seq without gap or repeat. The stream ends with the run; 204 says that nothing follows.",
      scope: "pipelines:read",
      request: {
        params: runParams,
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
        200: { description: "The events.", content: { "text/event-stream": z.string() } },
        204: { description: "The run has ended and all of it has been told." },
      },
    },
    async (c, { principal, params: { pipeline_id: id, run }, query }) => {
      const after = query.after ?? lastEventId(c) ?? 0;
      const source = await c.get("services").pipelineRuns.events(principal, { id, run }, after);
      return wantsSocket(c) ? socketOf(c, source) : streamEvents(c, source);
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/pipelines/{pipeline_id}/runs/{run}/logs",
      operationId: "readRunLogs",
      tags,
      summary: "Read the output of a run, or of one step, as text",
      description:
        "In the order of its writing, of every attempt, unless narrowed. `Range: bytes=…` reads a part; `follow=true` goes on until the run ends.",
      scope: "pipelines:read",
      request: {
        params: runParams,
        headers: rangeHeader,
        query: z.strictObject({ step: stepName.optional(), ...logParameters }),
      },
      responses: LOG_RESPONSES,
      errors: ["range_not_satisfiable"],
    },
    async (c, { principal, params: { pipeline_id: id, run }, query }) => {
      const { pipelineRuns } = c.get("services");
      const { step = null, attempt = null, stream = null } = query;
      const selection = { run, step, attempt, stream };
      if (query.follow === "true") {
        return followLog(c, await pipelineRuns.events(principal, { id, run }, 0), selection);
      }
      const reader = { log: pipelineRuns.log.bind(pipelineRuns, principal, id) };
      return logResponse(c, reader, selection);
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/pipelines/{pipeline_id}/runs/{run}/artifacts",
      operationId: "listRunArtifacts",
      tags,
      summary: "List the files that the steps of a run kept",
      scope: "pipelines:read",
      request: {
        params: runParams,
        query: z.strictObject({ ...sliceQuery, step: stepName.optional() }),
      },
      responses: { 200: { description: "A page of files.", schema: artifactsSchema } },
    },
    async (c, { principal, params: { pipeline_id: id, run }, query }) => {
      const all = await c.get("services").pipelineRuns.artifacts(principal, { id, run });
      const kept = all.filter(({ step }) => query.step === undefined || step === query.step);
      const { indexes, next } = pageOfIndexes(kept.length, () => true, query);
      const items = indexes
        .flatMap((index) => kept[index] ?? [])
        .map((artifact) => ({ step: artifact.step, ...toArtifact(artifact) }));
      return toSlice(c.req.url, items, next);
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/pipelines/{pipeline_id}/runs/{run}/artifacts/content",
      operationId: "downloadRunArtifact",
      tags,
      summary: "Download a file that a step of a run kept",
      scope: "pipelines:read",
      request: { params: runParams, query: pathQuery.extend({ step: stepName }) },
      responses: { 200: FILE_RESPONSE },
    },
    async (c, { principal, params: { pipeline_id: id, run }, query: { step, path } }) =>
      download(await c.get("services").pipelineRuns.artifact(principal, { id, run }, step, path)),
  );
}
