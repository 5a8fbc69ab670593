/** The shape of a pipeline's definition. What holds between its members is checked in `check.ts`. */
import { z } from "@hono/zod-openapi";
import type { TaskType } from "../executors/port.ts";
import { jsonSchema } from "../http/schemas.ts";
import { fields, freeObject, NO_EXECUTORS, openCodebaseSchema } from "../tasks/fields.ts";
import { fileRecordSchema } from "../tasks/files.ts";

export const MAX_STEPS = 10_000;
export const MAX_MATRIX_ITEMS = 1_000;
const MAX_PARALLEL = 1_000;
const MAX_WAIT_SECONDS = 366 * 86_400;
const MAX_RUN_SECONDS = 30 * 86_400;

export const STEP_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,99}$/;
const stepName = z
  .string()
  .regex(
    STEP_NAME,
    "Use 1 to 100 letters, digits, dashes and underscores, beginning with a letter or an underscore.",
  );
const upstreamName = z.string().min(1).max(100);
const expressionText = z.string().min(1).max(10_100);
const seconds = z.number().positive().max(MAX_WAIT_SECONDS);
const signalName = z
  .string()
  .regex(/^[\w.:-]{1,100}$/, "Use 1 to 100 letters, digits, dots, colons, dashes and underscores.");

const strategySchema = z
  .strictObject({
    matrix: z.union([expressionText, freeObject]).openapi({
      description:
        "Axis to its values, with `include` and `exclude` as in GitHub Actions; an axis, or the whole, may be an expression.",
    }),
    max_parallel: z.int().min(1).max(MAX_PARALLEL).nullish(),
    fail_fast: z.boolean().default(true),
  })
  .openapi("Strategy");

const cacheSchema = z.union([
  z.boolean(),
  z.strictObject({
    key: z.string().min(1).max(1_000).nullish().openapi({
      description:
        "Takes the place of inputs, files, codebase and environment in what a result depends on.",
    }),
    ttl_seconds: seconds.nullish(),
  }),
]);

const approvalSchema = z.union([
  z.literal(true),
  z.strictObject({ timeout_seconds: seconds.nullish(), message: z.string().max(4_000).nullish() }),
]);

const waitSchema = z.strictObject({
  seconds: z
    .union([z.number().min(0).max(MAX_WAIT_SECONDS), expressionText])
    .nullish()
    .openapi({ description: "How long to wait, or an expression that comes to a number." }),
  signal: signalName.nullish(),
  timeout_seconds: seconds.nullish(),
});

const artifactSourceSchema = z.strictObject({
  from: upstreamName,
  path: z.string().min(1).max(400).nullish().openapi({
    description: "Folder of the workspace that the files are put into; its root unless said.",
  }),
});

/** What every step may say. */
const commonFields = {
  name: stepName.openapi({ example: "test" }),
  description: fields.description.nullish(),
  needs: z.union([upstreamName, z.array(upstreamName).max(MAX_STEPS)]).nullish(),
  if: z.union([z.boolean(), expressionText]).nullish(),
  strategy: strategySchema.nullish(),
  continue_on_error: z.boolean().nullish(),
  timeout_seconds: fields.timeout_seconds.nullish(),
  retry: fields.retry.nullish(),
  labels: fields.labels.nullish(),
};

/** What a step that executes code says. */
const workFields = {
  task_type: fields.task_type.nullish(),
  command: fields.command.nullish(),
  script: fields.script.nullish(),
  language: fields.language.nullish(),
  environment: fields.environment.nullish(),
  secrets: fields.secrets.nullish(),
  files: fileRecordSchema.nullish().openapi({ type: ["object", "null"] }),
  working_directory: fields.working_directory.nullish(),
  codebase: openCodebaseSchema.nullable().optional().openapi({
    description: "In place of the pipeline's; null for none.",
  }),
  network: fields.network.nullish(),
  artifacts: fields.artifacts.nullish(),
  isolation: fields.isolation.nullish(),
  runs_on: fields.runs_on.nullish(),
  executors: fields.executors.min(1, NO_EXECUTORS).nullish(),
  image: fields.image.nullish(),
  template: fields.template.nullish(),
  sandbox: fields.sandbox.nullish(),
  outputs: fields.outputs.nullish(),
  cache: cacheSchema.nullish(),
  use_artifacts: z.array(artifactSourceSchema).max(100).nullish(),
};

/** What makes a step another thing than code: it says one of these. */
const kindFields = {
  approval: approvalSchema.nullish(),
  wait: waitSchema.nullish(),
  pipeline: z
    .string()
    .min(1)
    .max(200)
    .nullish()
    .openapi({ description: "Id of a pipeline to run." }),
  skill: z.string().min(1).max(200).nullish().openapi({
    description:
      "A skill to invoke with `inputs`: its slug, or `slug@` and a version or alias. A run keeps to the version that it began with.",
  }),
  agent: freeObject.nullish().openapi({
    description:
      "An agent to make and ask: a `prompt`, and what POST /agents takes beside it. With `outputs`, a JSON Schema, its result is what it hands in; else `{text, agent_id}`.",
    example: { prompt: "Review ${{ inputs.change }}", budget: { usd: 1 } },
  }),
};

export const stepSchema = z
  .strictObject({
    ...commonFields,
    inputs: jsonSchema.optional().openapi({ description: "Any JSON; texts may hold expressions." }),
    ...workFields,
    ...kindFields,
  })
  .openapi("PipelineStep");

/** Members that only a step of code may have. */
export const WORK_MEMBERS = z.object(workFields).keyof().options;

/** A step as it is kept: what was left out stays out, since a run may have ten thousand. */
export type StepDefinition = z.output<typeof stepSchema>;

/** The members of a definition apart from its steps. */
export const shellFields = {
  name: fields.name,
  description: fields.description.default(null),
  pipeline_type: z.string().min(1).max(100).default("generic"),
  labels: fields.labels.default({}),
  inputs: freeObject
    .nullable()
    .default(null)
    .openapi({ description: "A JSON Schema (2020-12) that the inputs of a run must satisfy." }),
  outputs: z
    .record(z.string().min(1).max(200), jsonSchema)
    .nullable()
    .default(null)
    .openapi({ description: "What a run's result is made of: name to JSON with expressions." }),
  evidence: fields.evidence.default(null),
  environment: fields.environment.default({}),
  codebase: openCodebaseSchema.nullable().default(null).openapi({
    description: "What every step of code mounts that names none itself.",
  }),
  dependencies: z
    .record(upstreamName, z.array(upstreamName).max(MAX_STEPS))
    .default({})
    .openapi({ description: "Name of a step to what it needs, beside `needs`." }),
  max_parallel: z.int().min(1).max(MAX_PARALLEL).default(5),
  stop_on_failure: z.boolean().default(true),
  timeout_seconds: z.number().positive().max(MAX_RUN_SECONDS).nullable().default(null),
  concurrency: z
    .enum(["reject", "allow"])
    .default("reject")
    .openapi({ description: "Whether a run may begin while another one is live." }),
  priority: fields.priority.default(0),
  extra_data: fields.extra_data.default({}),
};

export const definitionSchema = z
  .strictObject({ ...shellFields, tasks: z.array(stepSchema).min(1).max(MAX_STEPS) })
  .openapi("PipelineDefinition");

/** A pipeline's definition, as validated. */
export type PipelineDefinition = z.output<typeof definitionSchema>;

export const STEP_KINDS = ["work", "approval", "wait", "pipeline", "skill", "agent"] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/** The kinds that a step claims to be: exactly one, in a definition that was checked. */
export function kindsOf(step: StepDefinition): StepKind[] {
  return STEP_KINDS.filter((kind) =>
    kind === "work"
      ? (step.command ?? null) !== null || (step.script ?? null) !== null
      : (step[kind] ?? null) !== null,
  );
}

/** What a checked step is. */
export function kindOf(step: StepDefinition): StepKind {
  return kindsOf(step)[0] ?? "work";
}

/** The executor of a step that executes code; of several the first. */
export function taskTypeOf(step: Pick<StepDefinition, "task_type" | "executors">): TaskType {
  return step.executors?.[0] ?? step.task_type ?? "local";
}

/** Names of what a step needs, from `needs` and from the definition's `dependencies`, each once. */
export function needsOf(
  step: Pick<StepDefinition, "name" | "needs">,
  dependencies: PipelineDefinition["dependencies"],
): readonly string[] {
  const own = [step.needs ?? []].flat();
  const more = Object.hasOwn(dependencies, step.name) ? (dependencies[step.name] ?? []) : [];
  return own.length + more.length === 0 ? NO_NEEDS : [...new Set([...own, ...more])];
}

const NO_NEEDS: readonly string[] = [];
