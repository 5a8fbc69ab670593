/** What is read of a pipeline's runs. */
import { z } from "@hono/zod-openapi";
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { listFilter } from "../http/page.ts";
import { sliceQuery, toSlice } from "../http/slice.ts";
import { STEP_STATUSES } from "../runs/types.ts";
import { toPinned } from "../runs/wire.ts";
import { params, runParams, tags } from "./replies.ts";
import {
  graphSchema,
  runDetailSchema,
  runListSchema,
  stepListSchema,
  stepSchema,
  whyRunSchema,
} from "./run-schemas.ts";
import { neverRun } from "./run-service.ts";
import { toExplanation, toGraph, toRun, toStep, toStepSummary } from "./run-view.ts";
import { stepPageQuery } from "./step-page.ts";

const stepParams = runParams.extend({ step: z.string().min(1).max(300) });
const DRAFT = {
  run: 0,
  state: "draft",
  reason: "It has not been run. POST its /start or /execute.",
  allowed: ["start", "execute"],
  open_steps: 0,
  waiting: {},
  steps: [],
} as const;

export function runRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/pipelines/{pipeline_id}/runs",
      operationId: "listPipelineRuns",
      tags,
      summary: "List the runs of a pipeline, newest first",
      scope: "pipelines:read",
      request: { params, query: z.strictObject(sliceQuery) },
      responses: { 200: { description: "A page of runs.", schema: runListSchema } },
    },
    async (c, { principal, params: { pipeline_id }, query: { limit, cursor = null } }) => {
      const { pipelineRuns } = c.get("services");
      const runs = await pipelineRuns.list(principal, pipeline_id, cursor, limit + 1);
      const more = runs.length > limit ? (runs[limit - 1]?.run ?? null) : null;
      return toSlice(c.req.url, runs.slice(0, limit).map(toRun), more);
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/pipelines/{pipeline_id}/runs/{run}",
      operationId: "getPipelineRun",
      tags,
      summary: "Read a run with its inputs and outputs",
      scope: "pipelines:read",
      request: { params: runParams },
      responses: { 200: { description: "The run.", schema: runDetailSchema } },
    },
    async (c, { principal, params: { pipeline_id: id, run } }) => {
      const { summary, codebases, ...rest } = await c
        .get("services")
        .pipelineRuns.get(principal, { id, run });
      const shown = { pipeline_id: id, ...rest, codebases: codebases.map(toPinned) };
      return { status: 200, body: { ...toRun(summary), ...shown } };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/pipelines/{pipeline_id}/runs/{run}/graph",
      operationId: "getRunGraph",
      tags,
      summary: "Read a run as a graph, with states, timings and the critical path",
      scope: "pipelines:read",
      request: { params: runParams },
      responses: { 200: { description: "The graph.", schema: graphSchema } },
    },
    async (c, { principal, params: { pipeline_id: id, run } }) => {
      const { pipelineRuns } = c.get("services");
      const { inspection, graph } = await pipelineRuns.graph(principal, { id, run }, Date.now());
      return { status: 200, body: toGraph(inspection, graph) };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/pipelines/{pipeline_id}/runs/{run}/why",
      operationId: "explainRun",
      tags,
      summary: "Say what a run and each of its open steps wait for, and what can be done",
      scope: "pipelines:read",
      request: { params: runParams },
      responses: { 200: { description: "The explanation.", schema: whyRunSchema } },
    },
    async (c, { principal, params: { pipeline_id: id, run } }) => {
      const { pipelineRuns } = c.get("services");
      const explanation = await pipelineRuns.why(principal, { id, run }, Date.now());
      return { status: 200, body: explanation ? toExplanation(explanation) : DRAFT };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/pipelines/{pipeline_id}/runs/{run}/steps",
      operationId: "listRunSteps",
      tags,
      summary: "List the steps of a run: those of the definition, then the items of matrices",
      scope: "pipelines:read",
      request: {
        params: runParams,
        query: z.strictObject({ ...stepPageQuery, state: listFilter(STEP_STATUSES).optional() }),
      },
      responses: { 200: { description: "A page of steps.", schema: stepListSchema } },
    },
    async (c, { principal, params: { pipeline_id: id, run }, query }) => {
      const { pipelineRuns } = c.get("services");
      const page = await pipelineRuns.steps(
        principal,
        { id, run },
        query,
        ({ state }) => query.state?.includes(state.status) ?? true,
      );
      if (!page) throw neverRun(id);
      const now = Date.now();
      const items = page.steps.map((step) => toStepSummary(step, now));
      return toSlice(c.req.url, items, page.next_cursor);
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/pipelines/{pipeline_id}/runs/{run}/steps/{step}",
      operationId: "getRunStep",
      tags,
      summary: "Read a step of a run: its result, the ends of its output, its attempts",
      description: "An item of a matrix is called `name[0]`, in the order of the matrix.",
      scope: "pipelines:read",
      request: { params: stepParams },
      responses: { 200: { description: "The step.", schema: stepSchema } },
    },
    async (c, { principal, params: { pipeline_id: id, run, step } }) => {
      const { pipelineRuns } = c.get("services");
      const found = await pipelineRuns.step(principal, { id, run }, step);
      const body = toStep(found.detail, found.result, found.attempts, Date.now());
      return { status: 200, body };
    },
  );
}
