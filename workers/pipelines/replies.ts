/** What the routes of pipelines share: parameters, the entity as an answer, headers. */
import { z } from "@hono/zod-openapi";
import { etag } from "../http/conditional.ts";
import { idSchema } from "../http/schemas.ts";
import type { Snapshot } from "../runs/store-types.ts";
import { pipelineSchema } from "./schemas.ts";
import type { FoundPipeline } from "./service.ts";
import { toPipeline } from "./view.ts";

export const tags = ["Pipelines"];
export const params = z.object({ pipeline_id: idSchema });

const LATEST = "latest";
export const runParams = z.object({
  pipeline_id: idSchema,
  run: z
    .string()
    .regex(/^(?:latest|[1-9]\d{0,8})$/, `Send the number of a run, from 1, or ${LATEST}.`)
    .transform((run) => (run === LATEST ? null : Number(run)))
    .openapi({ type: "string", description: "A run's number, or `latest`." }),
});

/** `?run=` of what is done to a live run. */
export const liveRunQuery = z.strictObject({
  run: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, "Send the number of a run, from 1.")
    .transform(Number)
    .optional()
    .openapi({ type: "integer", minimum: 1, description: "The newest live one unless said." }),
});

export const PIPELINE = { description: "The pipeline.", schema: pipelineSchema };
export const CHANGED = { ...PIPELINE, headers: { ETag: "Its revision." } };
export const STARTED = {
  description: "Still going; `Location` is the run, its `/events` tell of it live.",
  schema: pipelineSchema,
  headers: { Location: "The run." },
};

export function render({ snapshot, outputs }: FoundPipeline) {
  return toPipeline(snapshot, outputs);
}

export function location({ resource }: Snapshot): string {
  return `/api/v1/pipelines/${resource.id}`;
}

export function headersOf({ resource }: Snapshot): Record<string, string> {
  return { ETag: etag(resource.changed_seq) };
}

export function changed(pipeline: FoundPipeline) {
  const headers = headersOf(pipeline.snapshot);
  return { status: 200, body: render(pipeline), headers } as const;
}

/** 202 with the run that is on its way. */
export function begun(pipeline: FoundPipeline, headers: Record<string, string> = {}) {
  const { snapshot } = pipeline;
  const at = snapshot.run ? `${location(snapshot)}/runs/${snapshot.run.run}` : location(snapshot);
  const all = { ...headersOf(snapshot), ...headers, Location: at };
  return { status: 202, body: render(pipeline), headers: all } as const;
}

/** 200 with a run that has ended, 202 with one that has not. */
export function started(pipeline: FoundPipeline, headers: Record<string, string> = {}) {
  const { snapshot } = pipeline;
  if (snapshot.run?.completed_at === null) return begun(pipeline, headers);
  const all = { ...headersOf(snapshot), ...headers };
  return { status: 200, body: render(pipeline), headers: all } as const;
}
