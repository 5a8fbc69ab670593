/** The wire shapes of tasks. Limits are this service's own; names and defaults are the original's. */
import { z } from "@hono/zod-openapi";
import { LANGUAGES, TASK_TYPES } from "../executors/port.ts";
import { labelFilter } from "../http/filters.ts";
import { listFilter, pageQuery } from "../http/page.ts";
import { listOf, orNull, projectIdSchema, timestampSchema } from "../http/schemas.ts";
import { RUN_STATUSES } from "../runs/types.ts";
import {
  artifactSchema,
  fileEntrySchema,
  locationsSchema,
  mountedCodebaseSchema,
  runParameter,
} from "../runs/wire.ts";
import { fields, NO_EXECUTORS, networkSchema, retrySchema } from "./fields.ts";
import { filesSchema } from "./files.ts";

export const TASK_STATES = ["pending", ...RUN_STATUSES] as const;

const specFields = {
  name: fields.name,
  description: fields.description.default(null),
  task_type: fields.task_type.default("local"),
  command: fields.command.default(null),
  script: fields.script.default(null),
  language: fields.language.default(null),
  inputs: fields.inputs.default(null),
  environment: fields.environment.default({}),
  secrets: fields.secrets.default([]),
  working_directory: fields.working_directory.default(null),
  codebase: fields.codebase.default(null),
  timeout_seconds: fields.timeout_seconds.default(300),
  retry: fields.retry.default(null),
  max_retries: fields.max_retries.default(3),
  priority: fields.priority.default(0),
  labels: fields.labels.default({}),
  outputs: fields.outputs.default(null),
  evidence: fields.evidence.default(null),
  artifacts: fields.artifacts.default([]),
  network: fields.network.default({ allow: [] }),
  isolation: fields.isolation.default("shared"),
  runs_on: fields.runs_on.default([]),
  executors: fields.executors.default([]),
  image: fields.image.default(null),
  template: fields.template.default(null),
  sandbox: fields.sandbox.default(null),
  pipeline_id: fields.pipeline_id.default(null),
  agent_id: fields.agent_id.default(null),
  extra_data: fields.extra_data.default({}),
};

export const specSchema = z.strictObject(specFields);
/** What a task is, as validated. */
export type TaskSpec = z.output<typeof specSchema>;

export const createTaskSchema = z
  .strictObject({
    ...specFields,
    task_type: fields.task_type
      .optional()
      .openapi({ description: "The first of `executors` unless said; `local` without any." }),
    executors: fields.executors.min(1, NO_EXECUTORS).default([]),
    project_id: projectIdSchema.optional(),
    files: filesSchema.prefault({}),
    execute: z
      .boolean()
      .default(false)
      .openapi({ description: "Starts the task in the same call; see `Prefer: wait`." }),
  })
  .openapi("CreateTask");

/** A PATCH names what changes; the whole is then checked as a new task would be. */
export const patchTaskSchema = z
  .strictObject({ ...z.object(fields).partial().shape, files: filesSchema.optional() })
  .openapi("PatchTask");

export const stateSchema = z.enum(TASK_STATES).openapi("TaskState");

const summaryFields = {
  id: z.string(),
  project_id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  task_type: fields.task_type,
  language: z.enum(LANGUAGES),
  state: stateSchema,
  state_changed_at: timestampSchema,
  run: z.int().openapi({
    description:
      "Number of the run shown, the newest unless a request is repeated; 0 before the first.",
  }),
  attempt: z.int().openapi({ description: "Try of the retry policy, from 1; 0 before the first." }),
  labels: fields.labels,
  priority: fields.priority,
  pipeline_id: fields.pipeline_id,
  agent_id: fields.agent_id,
  retry_count: z.int(),
  max_retries: fields.max_retries,
  timeout_seconds: z.number(),
  exit_code: z.int().nullable(),
  error: z.string().nullable(),
  error_code: z.string().nullable(),
  created_at: timestampSchema,
  updated_at: timestampSchema,
  started_at: timestampSchema.nullable(),
  completed_at: timestampSchema.nullable(),
  cancel_requested_at: timestampSchema.nullable(),
  duration_ms: z.number().nullable(),
};

/** A task as lists show it. */
export const taskSummarySchema = z.object(summaryFields).openapi("TaskSummary");
export type TaskSummary = z.output<typeof taskSummarySchema>;

/** A task with its definition and what its newest run came to. */
export const taskSchema = z
  .object({
    ...summaryFields,
    command: fields.command,
    script: fields.script,
    inputs: fields.inputs,
    environment: fields.environment,
    secrets: fields.secrets,
    files: z.array(fileEntrySchema),
    working_directory: fields.working_directory,
    codebase: orNull(mountedCodebaseSchema).openapi({
      description: "The tree that the task mounts, whatever is pushed later.",
    }),
    retry: retrySchema.nullable(),
    outputs: fields.outputs,
    evidence: fields.evidence,
    artifacts: fields.artifacts,
    artifact_files: z.array(artifactSchema),
    network: networkSchema,
    isolation: fields.isolation,
    runs_on: fields.runs_on,
    executors: fields.executors,
    image: fields.image,
    template: fields.template,
    sandbox: fields.sandbox,
    extra_data: fields.extra_data,
    locations: locationsSchema,
    created_by: z.string(),
    result: z.unknown().openapi({ description: "Any JSON." }),
    stdout: z.string().nullable().openapi({ description: "The last 64 KiB; whole in `/logs`." }),
    stderr: z.string().nullable().openapi({ description: "The last 64 KiB; whole in `/logs`." }),
    stdout_bytes: z.int(),
    stderr_bytes: z.int(),
  })
  .openapi("Task");
export type Task = z.output<typeof taskSchema>;

export const taskListSchema = listOf(taskSummarySchema).openapi("TaskList");

export const listTasksQuery = z.strictObject({
  ...pageQuery,
  project_id: projectIdSchema.optional(),
  state: listFilter(TASK_STATES).optional(),
  task_type: listFilter(TASK_TYPES).optional(),
  name: z.string().max(255).optional(),
  pipeline_id: z.string().max(200).optional().openapi({
    description:
      "Lists the steps of this pipeline's newest run, or of `run`, in the order of its definition.",
  }),
  run: runParameter,
  linked_pipeline_id: z
    .string()
    .max(200)
    .optional()
    .openapi({ description: "Tasks that were created with this `pipeline_id`." }),
  agent_id: z.string().max(200).optional(),
  label: labelFilter.optional(),
});
export type ListTasksQuery = z.output<typeof listTasksQuery>;

export const whySchema = z
  .object({
    state: stateSchema,
    reason: z.string(),
    waiting_for: z
      .object({
        type: z.enum(["execute", "slot", "retry", "attempt", "quarantine", "stop"]),
        until: timestampSchema.nullable(),
        position: z.int().nullable(),
      })
      .nullable(),
    allowed: z.array(z.string()),
  })
  .openapi("Explanation");
