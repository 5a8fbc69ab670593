/** What steps wait for from outside: approvals and signals, of a run or of the newest live one. */
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { approveSchema, signalSchema } from "./control-schemas.ts";
import { CHANGED, changed, params, runParams, tags } from "./replies.ts";

export function answerRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "post",
      path: "/pipelines/{pipeline_id}/runs/{run}/approve",
      operationId: "approveRunStep",
      tags,
      summary: "Approve, or refuse, what a step of a run asks",
      scope: "pipelines:execute",
      request: { params: runParams, body: approveSchema },
      responses: { 200: CHANGED },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { pipeline_id: id, run }, body }) => {
      const { step = null, approved, comment = null } = body;
      const approval = { step, approved, comment };
      return changed(
        await c.get("services").pipelineRuns.approve(principal, { id, run }, approval),
      );
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/pipelines/{pipeline_id}/approve",
      operationId: "approveStep",
      tags,
      summary: "Approve, or refuse, what a step of the newest live run asks",
      scope: "pipelines:execute",
      request: { params, body: approveSchema },
      responses: { 200: CHANGED },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { pipeline_id: id }, body }) => {
      const { step = null, approved, comment = null } = body;
      const approval = { step, approved, comment };
      const ref = { id, run: null };
      return changed(await c.get("services").pipelineRuns.approve(principal, ref, approval));
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/pipelines/{pipeline_id}/runs/{run}/signal",
      operationId: "signalRun",
      tags,
      summary: "Send a run a signal; one that no step waits for yet is kept for the next that does",
      scope: "pipelines:execute",
      request: { params: runParams, body: signalSchema },
      responses: { 200: CHANGED },
      errors: ["illegal_transition"],
    },
    async (c, { principal, seed, params: { pipeline_id: id, run }, body }) =>
      changed(await c.get("services").pipelineRuns.signal(principal, { id, run }, seed, body)),
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/pipelines/{pipeline_id}/signal",
      operationId: "signalPipeline",
      tags,
      summary: "Send the newest live run a signal",
      scope: "pipelines:execute",
      request: { params, body: signalSchema },
      responses: { 200: CHANGED },
      errors: ["illegal_transition"],
    },
    async (c, { principal, seed, params: { pipeline_id: id }, body }) => {
      const ref = { id, run: null };
      return changed(await c.get("services").pipelineRuns.signal(principal, ref, seed, body));
    },
  );
}
