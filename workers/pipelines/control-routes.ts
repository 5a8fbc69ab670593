/** What is asked of a pipeline's runs: begin, repeat, hold, go on, end, and what steps wait for. */
import { z } from "@hono/zod-openapi";
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { preferenceHeaders, preferHeader, readPreference } from "../http/prefer.ts";
import { wantsEvents } from "../http/sse.ts";
import { answerRoutes } from "./answer-routes.ts";
import { pauseSchema, rerunSchema, retrySchema, startSchema } from "./control-schemas.ts";
import {
  begun,
  CHANGED,
  changed,
  liveRunQuery,
  PIPELINE,
  params,
  STARTED,
  started,
  tags,
} from "./replies.ts";
import { pipelineSchema } from "./schemas.ts";
import { streamRun } from "./stream-routes.ts";

const WAITS =
  "Answers 200 when the run has ended, whatever it came to, and 202 when it is still going after `Prefer: wait=N` seconds (30 unless said, 60 at most). With `Accept: text/event-stream` the answer is the run's events.";

export function controlRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "post",
      path: "/pipelines/{pipeline_id}/start",
      operationId: "startPipeline",
      tags,
      summary: "Begin a run, and do not wait for it",
      scope: "pipelines:execute",
      request: { params, body: startSchema },
      responses: { 202: STARTED },
      errors: ["illegal_transition", "unavailable"],
    },
    async (c, { principal, seed, params: { pipeline_id }, body: { inputs } }) => {
      const { pipelineRuns } = c.get("services");
      const run = { trigger: "start", inputs, wait_ms: 0 } as const;
      return begun(await pipelineRuns.start(principal, pipeline_id, seed, run));
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/pipelines/{pipeline_id}/execute",
      operationId: "executePipeline",
      tags,
      summary: "Begin a run and wait for its end",
      description: WAITS,
      scope: "pipelines:execute",
      request: { params, headers: preferHeader, body: startSchema },
      responses: { 200: PIPELINE, 202: STARTED },
      errors: ["illegal_transition", "unavailable"],
    },
    async (c, { principal, seed, params: { pipeline_id }, headers, body: { inputs } }) => {
      const preference = readPreference(headers.prefer);
      const wait_ms = wantsEvents(c) ? 0 : preference.wait_seconds * 1000;
      const { pipelineRuns } = c.get("services");
      const run = { trigger: "execute", inputs, wait_ms } as const;
      const pipeline = await pipelineRuns.start(principal, pipeline_id, seed, run);
      if (wantsEvents(c)) return streamRun(c, principal, pipeline.snapshot);
      return started(pipeline, preferenceHeaders(preference));
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/pipelines/{pipeline_id}/retry",
      operationId: "retryPipeline",
      tags,
      summary: "Run again what failed, or everything from one step on, and reuse the rest",
      description: `The definition is the one that the run was begun with. ${WAITS}`,
      scope: "pipelines:execute",
      request: { params, headers: preferHeader, body: retrySchema },
      responses: {
        200: {
          description: "The pipeline, or with `dry_run` what would run again.",
          schema: z.union([pipelineSchema, rerunSchema]),
        },
        202: STARTED,
      },
      errors: ["illegal_transition", "unavailable"],
    },
    async (c, { principal, seed, params: { pipeline_id }, headers, body }) => {
      const { pipelineRuns } = c.get("services");
      const { run = null, from = null, inputs } = body;
      if (body.dry_run) {
        const plan = await pipelineRuns.planRetry(principal, pipeline_id, { run, from });
        return { status: 200, body: { dry_run: true, ...plan } };
      }
      const preference = readPreference(headers.prefer);
      const wait_ms = wantsEvents(c) ? 0 : preference.wait_seconds * 1000;
      const which = { run, from, inputs, wait_ms };
      const pipeline = await pipelineRuns.retry(principal, pipeline_id, seed, which);
      if (wantsEvents(c)) return streamRun(c, principal, pipeline.snapshot);
      return started(pipeline, preferenceHeaders(preference));
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/pipelines/{pipeline_id}/pause",
      operationId: "pausePipeline",
      tags,
      summary: "Start nothing more of a run until it is resumed",
      scope: "pipelines:execute",
      request: { params, query: liveRunQuery, body: pauseSchema },
      responses: { 200: CHANGED },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { pipeline_id: id }, query: { run = null }, body: { mode } }) =>
      changed(await c.get("services").pipelineRuns.pause(principal, { id, run }, mode)),
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/pipelines/{pipeline_id}/resume",
      operationId: "resumePipeline",
      tags,
      summary: "Let a paused run go on where it stopped",
      scope: "pipelines:execute",
      request: { params, query: liveRunQuery },
      responses: { 200: CHANGED },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { pipeline_id: id }, query: { run = null } }) =>
      changed(await c.get("services").pipelineRuns.resume(principal, { id, run })),
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/pipelines/{pipeline_id}/cancel",
      operationId: "cancelPipeline",
      tags,
      summary: "Cancel a run, and the runs of other pipelines that it began",
      description:
        "Nothing of it starts any more. Answers 200 once all code has stopped, or 202 when that is yet to be confirmed.",
      scope: "pipelines:execute",
      request: { params, query: liveRunQuery },
      responses: { 200: PIPELINE, 202: STARTED },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { pipeline_id: id }, query: { run = null } }) =>
      started(await c.get("services").pipelineRuns.cancel(principal, { id, run })),
  );

  answerRoutes(router);
}
