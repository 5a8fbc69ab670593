/** The wire shapes of pipelines: what is sent, and how lists and readers see one. */
import { z } from "@hono/zod-openapi";
import { labelFilter } from "../http/filters.ts";
import { listFilter, pageQuery } from "../http/page.ts";
import { issueSchema } from "../http/problem.ts";
import { jsonSchema, listOf, orNull, projectIdSchema, timestampSchema } from "../http/schemas.ts";
import { RUN_STATUSES } from "../runs/types.ts";
import { fields } from "../tasks/fields.ts";
import { definitionSchema } from "./definition-schema.ts";
import { runSchema } from "./run-schemas.ts";

export const PIPELINE_STATES = ["draft", "pending", ...RUN_STATUSES] as const;
export const stateSchema = z.enum(PIPELINE_STATES).openapi("PipelineState");

const triggeredBy = z.string().min(1).max(255);
const freeInputs = z.record(z.string().max(200), jsonSchema);

/** What a creation says beside the definition. */
const creation = {
  project_id: projectIdSchema.optional(),
  triggered_by: triggeredBy.nullish(),
  execute: z
    .boolean()
    .default(false)
    .openapi({ description: "Starts a run in the same call; see `Prefer: wait`." }),
  run_inputs: freeInputs.optional().openapi({
    description: "Inputs of the run that `execute` starts, as the definition's `inputs` says.",
  }),
};

/** Of the definition only its being an object: the service checks it whole, in one answer. */
export const createPipelineSchema = z.looseObject(creation);
export const createPipelineDocument = definitionSchema.extend(creation).openapi("CreatePipeline");

/** A PATCH names what changes; the whole is then checked as a new definition would be. */
export const patchPipelineSchema = z.looseObject({});
export const patchPipelineDocument = definitionSchema.partial().openapi("PatchPipeline");

/** Anything is taken: what is wrong with it is the answer. */
export const validateSchema = z.looseObject({});

export const validationSchema = z
  .object({
    valid: z.boolean(),
    issues: z.array(issueSchema),
    steps: z.array(
      z.object({
        name: z.string(),
        kind: z.string(),
        needs: z.array(z.string()),
        matrix: z.boolean(),
      }),
    ),
  })
  .openapi("PipelineValidation");

const summaryFields = {
  id: z.string(),
  project_id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  pipeline_type: z.string(),
  state: stateSchema,
  state_changed_at: timestampSchema,
  version: z.int().openapi({ description: "Of the definition; rises with each PATCH." }),
  run: z.int().openapi({ description: "Number of the newest run; 0 before the first." }),
  labels: fields.labels,
  priority: fields.priority,
  triggered_by: z.string().nullable().openapi({
    description: "As its creation says; else who began the newest run, as `kind:id`.",
  }),
  max_parallel: z.int(),
  stop_on_failure: z.boolean(),
  timeout_seconds: z.number().nullable(),
  progress_percent: z.number(),
  total_tasks: z.int(),
  completed_tasks: z.int(),
  failed_tasks: z.int(),
  skipped_tasks: z.int(),
  failed_steps: z.array(z.string()).openapi({ description: "Up to ten that failed." }),
  error: z.string().nullable(),
  error_code: z.string().nullable(),
  retry_count: z.int(),
  created_at: timestampSchema,
  updated_at: timestampSchema,
  started_at: timestampSchema.nullable(),
  completed_at: timestampSchema.nullable(),
  cancel_requested_at: timestampSchema.nullable(),
  duration_ms: z.number().nullable(),
};

/** A pipeline as lists show it. */
export const pipelineSummarySchema = z.object(summaryFields).openapi("PipelineSummary");
export type PipelineSummary = z.output<typeof pipelineSummarySchema>;

/** A pipeline with its definition and what its newest run came to. */
export const pipelineSchema = z
  .object({
    ...summaryFields,
    definition: z.record(z.string(), z.unknown()).openapi({
      description: "As it was accepted; files over 64 KiB of a step are listed, not shown.",
    }),
    newest_run: orNull(runSchema),
    outputs: z.unknown().openapi({ description: "Of the newest run; any JSON." }),
    extra_data: fields.extra_data,
    created_by: z.string(),
  })
  .openapi("Pipeline");
export type Pipeline = z.output<typeof pipelineSchema>;

export const pipelineListSchema = listOf(pipelineSummarySchema).openapi("PipelineList");

/** What lists and bulk actions choose by. */
export const pipelineFilter = {
  project_id: projectIdSchema.optional(),
  state: listFilter(PIPELINE_STATES).optional(),
  name: z.string().max(255).optional(),
  pipeline_type: z.string().max(100).optional(),
  triggered_by: z.string().max(255).optional(),
  label: labelFilter.optional(),
};

export const listPipelinesQuery = z.strictObject({ ...pageQuery, ...pipelineFilter });
