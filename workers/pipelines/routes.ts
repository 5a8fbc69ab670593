/** /api/v1/pipelines: from HTTP to the services and back. */
import { freshHeader, isFresh, matchHeader, matchOf, notModified } from "../http/conditional.ts";
import { createRouter, type Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { readPage, toPage } from "../http/page.ts";
import { preferenceHeaders, preferHeader, readPreference } from "../http/prefer.ts";
import { bulkRoutes } from "./bulk-routes.ts";
import { controlRoutes } from "./control-routes.ts";
import { definitionSchema } from "./definition-schema.ts";
import { toFilter } from "./filter.ts";
import {
  CHANGED,
  changed,
  headersOf,
  location,
  PIPELINE,
  params,
  render,
  tags,
} from "./replies.ts";
import { runRoutes } from "./run-routes.ts";
import type { PipelineRunService } from "./run-service.ts";
import {
  createPipelineDocument,
  createPipelineSchema,
  listPipelinesQuery,
  patchPipelineDocument,
  patchPipelineSchema,
  pipelineListSchema,
  validateSchema,
  validationSchema,
} from "./schemas.ts";
import type { PipelineService } from "./service.ts";
import { streamRoutes } from "./stream-routes.ts";
import { toValidation } from "./validation.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly pipelines: PipelineService;
    readonly pipelineRuns: PipelineRunService;
  }
}

export function pipelineRoutes(): Router {
  const router = createRouter();
  // Before the routes with an id, which would take "bulk" for one.
  bulkRoutes(router);

  endpoint(
    router,
    {
      method: "post",
      path: "/pipelines",
      operationId: "createPipeline",
      tags,
      summary: "Create a pipeline, and run it at once if asked",
      description:
        "With `execute: true` the answer comes when the run has ended, or after `Prefer: wait=N` seconds (30 unless said, 60 at most).",
      scope: "pipelines:write",
      yaml: true,
      request: { headers: preferHeader, body: createPipelineSchema },
      body_document: createPipelineDocument,
      responses: {
        201: { ...PIPELINE, headers: { Location: "The pipeline.", ETag: "Its revision." } },
      },
      errors: ["payload_too_large"],
    },
    async (c, { principal, seed, headers, body }) => {
      const { project_id, triggered_by = null, execute, run_inputs, ...definition } = body;
      const preference = readPreference(headers.prefer);
      const execute_wait_ms = execute ? preference.wait_seconds * 1000 : null;
      const input = { definition, project_id, triggered_by, run_inputs, execute_wait_ms };
      const pipeline = await c.get("services").pipelines.create(principal, seed, input);
      const { snapshot } = pipeline;
      const applied = execute ? preferenceHeaders(preference) : {};
      const all = { ...headersOf(snapshot), Location: location(snapshot), ...applied };
      return { status: 201, body: render(pipeline), headers: all };
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/pipelines/validate",
      operationId: "validatePipeline",
      tags,
      summary: "Say everything that is wrong with a definition; nothing is stored",
      description: "A definition that is not valid is answered with 200 and `valid: false`.",
      scope: "pipelines:read",
      yaml: true,
      request: { body: validateSchema },
      body_document: definitionSchema,
      responses: { 200: { description: "What was found.", schema: validationSchema } },
    },
    (c, { body, locate }) => {
      const parsed = c.get("services").pipelines.validate(body);
      return { status: 200, body: toValidation(parsed, locate) };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/pipelines",
      operationId: "listPipelines",
      tags,
      summary: "List pipelines, newest first",
      description:
        "Served from an index that follows the pipelines within about a tenth of a second.",
      scope: "pipelines:read",
      request: { query: listPipelinesQuery },
      responses: { 200: { description: "A page of pipelines.", schema: pipelineListSchema } },
    },
    async (c, { principal, query }) => {
      const page = readPage(query, c.req.url);
      const rows = await c.get("services").pipelines.list(principal, toFilter(query), page);
      const { body, headers } = toPage(
        rows,
        page,
        c.req.url,
        (row) => row,
        (row) => row.summary,
      );
      return { status: 200, body, headers };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/pipelines/{pipeline_id}",
      operationId: "getPipeline",
      tags,
      summary: "Read a pipeline with its definition and its newest run",
      scope: "pipelines:read",
      request: { params, headers: freshHeader },
      responses: {
        200: CHANGED,
        304: { description: "Not changed since the given revision." },
      },
    },
    async (c, { principal, params: { pipeline_id }, headers }) => {
      const pipeline = await c.get("services").pipelines.get(principal, pipeline_id);
      const { resource, run } = pipeline.snapshot;
      const settled = !run || run.completed_at !== null;
      if (settled && isFresh(headers["if-none-match"], resource.changed_seq)) {
        return notModified(resource.changed_seq);
      }
      return changed(pipeline);
    },
  );

  endpoint(
    router,
    {
      method: "patch",
      path: "/pipelines/{pipeline_id}",
      operationId: "patchPipeline",
      tags,
      summary: "Make a new version of the definition; runs that were begun keep theirs",
      scope: "pipelines:write",
      yaml: true,
      request: { params, headers: matchHeader, body: patchPipelineSchema },
      body_document: patchPipelineDocument,
      responses: { 200: CHANGED },
      errors: ["precondition_failed", "payload_too_large"],
    },
    async (c, { principal, params: { pipeline_id }, headers, body }) => {
      const match = matchOf(headers["if-match"]);
      return changed(await c.get("services").pipelines.patch(principal, pipeline_id, body, match));
    },
  );

  endpoint(
    router,
    {
      method: "delete",
      path: "/pipelines/{pipeline_id}",
      operationId: "deletePipeline",
      tags,
      summary: "Delete a pipeline that is not running, with its runs, logs and artifacts",
      scope: "pipelines:write",
      request: { params, headers: matchHeader },
      responses: { 204: { description: "Deleted." } },
      errors: ["illegal_transition", "precondition_failed"],
    },
    async (c, { principal, params: { pipeline_id }, headers }) => {
      const match = matchOf(headers["if-match"]);
      await c.get("services").pipelines.remove(principal, pipeline_id, match);
      return { status: 204 };
    },
  );

  controlRoutes(router);
  runRoutes(router);
  streamRoutes(router);
  return router;
}
