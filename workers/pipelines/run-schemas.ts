/** The wire shapes of a pipeline's runs: summary, steps, graph, explanation. */
import { z } from "@hono/zod-openapi";
import { listOf, timestampSchema } from "../http/schemas.ts";
import { TRIGGERS } from "../runs/store-types.ts";
import { RUN_STATUSES, STEP_STATUSES } from "../runs/types.ts";
import {
  artifactSchema,
  attemptSchema,
  locationsSchema,
  pinnedCodebaseSchema,
} from "../runs/wire.ts";

const runState = z.enum(RUN_STATUSES).openapi("RunState");
const stepState = z.enum(STEP_STATUSES).openapi("StepState");
const moment = timestampSchema.nullable();

export const runSchema = z
  .object({
    run: z.int(),
    state: runState,
    trigger: z.enum(TRIGGERS).openapi({
      description:
        "What began it; `parent` is a step of another pipeline's run, `cancel` a cancel before the first.",
    }),
    triggered_by: z.string().nullable().openapi({
      description:
        "Who began it, as `kind:id`; of a `parent` who began that. Null for runs of before this was noted.",
    }),
    retry_of: z.int().nullable(),
    version: z.int().openapi({ description: "Of the definition that the run was begun with." }),
    parent: z
      .object({ pipeline_id: z.string(), run: z.int() })
      .nullable()
      .openapi({ description: "The run whose step began this one." }),
    counts: z.record(z.string(), z.int()).openapi({ description: "Steps by state." }),
    progress_percent: z.number(),
    total_tasks: z.int(),
    completed_tasks: z.int(),
    failed_tasks: z.int(),
    skipped_tasks: z.int(),
    reused_tasks: z.int().openapi({ description: "Steps whose result is an earlier run's." }),
    failed_steps: z.array(z.string()),
    error: z.string().nullable(),
    error_code: z.string().nullable(),
    created_at: timestampSchema,
    started_at: moment,
    completed_at: moment,
    cancel_requested_at: moment,
    duration_ms: z.number().nullable(),
  })
  .openapi("PipelineRun");
export type PipelineRun = z.output<typeof runSchema>;

export const runListSchema = listOf(runSchema).openapi("PipelineRunList");

export const runDetailSchema = runSchema
  .extend({
    pipeline_id: z.string(),
    inputs: z.unknown().openapi({ description: "What the run was started with; any JSON." }),
    outputs: z.unknown().openapi({ description: "What it came to; any JSON." }),
    codebases: z.array(pinnedCodebaseSchema).openapi({
      description: "The trees that its steps mount, as they were found when it began.",
    }),
  })
  .openapi("PipelineRunDetail");

const stepFields = {
  name: z.string(),
  state: stepState,
  group: z
    .string()
    .nullable()
    .openapi({ description: "Of an item: the step that has the matrix." }),
  items: z.int().nullable().openapi({ description: "Of a matrix that was expanded." }),
  attempt: z.int(),
  reused_from: z.int().nullable().openapi({ description: "Run that the result was made by." }),
  started_at: moment,
  completed_at: moment,
  duration_ms: z.number().nullable(),
};

export const stepSummarySchema = z
  .object({
    ...stepFields,
    exit_code: z.int().nullable(),
    error: z.string().nullable(),
    error_code: z.string().nullable(),
  })
  .openapi("StepSummary");

export const stepListSchema = listOf(stepSummarySchema).openapi("StepList");

export const stepSchema = stepSummarySchema
  .extend({
    matrix: z.unknown().openapi({ description: "Of an item: its values." }),
    result: z.unknown().openapi({ description: "Any JSON." }),
    stdout: z.string().nullable().openapi({ description: "The last 64 KiB; whole in `/logs`." }),
    stderr: z.string().nullable(),
    stdout_bytes: z.int(),
    stderr_bytes: z.int(),
    artifacts: z.array(artifactSchema),
    locations: locationsSchema,
    cache: z
      .object({
        hit: z.boolean(),
        pipeline_id: z.string().nullable(),
        run: z.int().nullable(),
        step: z.string().nullable(),
        differs: z.array(z.string()).nullable(),
      })
      .nullable()
      .openapi({
        description:
          "Of a step with `cache`: whose result it took, or what was other than when one was kept (null when none was). A file taken from an earlier step is named `use_artifacts: STEP/PATH`.",
      }),
    attempts: z.array(attemptSchema),
  })
  .openapi("Step");

export const graphSchema = z
  .object({
    run: z.int(),
    state: runState,
    nodes: z.array(z.object({ ...stepFields, critical: z.boolean() })),
    edges: z.array(z.object({ from: z.string(), to: z.string() })),
    critical_path: z.object({ duration_ms: z.number(), steps: z.array(z.string()) }),
  })
  .openapi("RunGraph");

export const whyRunSchema = z
  .object({
    run: z.int(),
    state: z.enum(["draft", ...RUN_STATUSES]),
    reason: z.string(),
    allowed: z.array(z.string()),
    open_steps: z.int(),
    waiting: z.record(z.string(), z.int()).openapi({ description: "Open steps by their reason." }),
    steps: z.array(
      z.object({
        step: z.string(),
        state: stepState,
        reason: z.string(),
        waiting_for: z.object({
          type: z.string(),
          until: moment,
          position: z.int().nullable(),
          needs: z.array(z.string()),
          open_needs: z.int(),
          signal: z.string().nullable(),
          pipeline_id: z.string().nullable(),
          agent_id: z.string().nullable(),
          remedy: z
            .object({
              method: z.literal("POST"),
              path: z.string(),
              body: z.record(z.string(), z.unknown()),
            })
            .nullable(),
        }),
      }),
    ),
  })
  .openapi("RunExplanation");

export const artifactsSchema = z
  .object({
    items: z.array(artifactSchema.extend({ step: z.string() })),
    next_cursor: z.string().nullable(),
  })
  .openapi("RunArtifactList");
