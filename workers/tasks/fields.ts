/** The members that tasks, and the steps of pipelines, are made of. */
import { z } from "@hono/zod-openapi";
import { DETACHED_TYPES } from "../executors/detached.ts";
import { FAILURE_REASONS, LANGUAGES, TASK_TYPES } from "../executors/port.ts";
import { RUNNER_LABEL, RUNNER_LABEL_RULE } from "../executors/runner/protocol.ts";
import { jsonSchema, orNull } from "../http/schemas.ts";
import { evidenceSchema } from "../idealzr/evidence.ts";
import { BACKOFFS } from "../runs/types.ts";
import { parseHostRule } from "../security/outbound-hosts.ts";

/** The longest a local attempt may take: one platform invocation lasts 15 minutes at most. */
export const MAX_LOCAL_TIMEOUT_SECONDS = 840;
export const MAX_TIMEOUT_SECONDS = 86_400;
const MAX_SCRIPT_CHARS = 512 * 1024;
/** Lists show labels, so that they are bounded for the sake of a page. */
const MAX_LABELS = 64;
const MAX_COMMAND_CHARS = 64 * 1024;

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
export const variableName = z
  .string()
  .regex(NAME, "Use letters, digits and underscores, not starting with a digit.");
export const freeObject = z.record(z.string().max(200), jsonSchema);
const reference = z.string().min(1).max(200);

export const retrySchema = z
  .strictObject({
    max_attempts: z.int().min(1).max(20).default(3),
    backoff: z.enum(BACKOFFS).default("exponential"),
    initial_seconds: z.number().min(0).max(3600).default(1),
    max_seconds: z.number().min(0).max(3600).default(60),
    jitter: z.boolean().default(true),
    on: z
      .array(z.enum(FAILURE_REASONS))
      .min(1)
      .max(4)
      .default([...FAILURE_REASONS]),
  })
  .openapi("RetryPolicy", { description: "How a failed attempt is tried again by itself." });

export const networkSchema = z.strictObject({
  allow: z
    .array(
      z
        .string()
        .min(1)
        .max(253)
        .refine(
          (text) => parseHostRule(text) !== null,
          "Name a host, as `host`, `host:port`, `*.example.com` or `*`, without scheme and path.",
        ),
    )
    .max(50)
    .default([])
    .openapi({ description: "Hosts, `*.example.com` patterns, or `*`; none by default." }),
});

/** What executors of a list share is that one may have nothing connected, and that each has a machine. */
const NO_LOCAL =
  '"local" is always there, so that none after it would be tried, and it is no machine that could do what the others do. Set task_type to "local" without executors, or leave it out of the list.';
export const NO_EXECUTORS = "Name at least one executor, or leave executors out.";

const MOUNT_PATH = /^[\w@+-][\w.@+ -]*(?:\/[\w@+-][\w.@+ -]*)*\/?$/;
const NO_EXPRESSION = "Name it as it is: expressions are not resolved here.";
const inCodebase = z
  .string()
  .max(1_024)
  .regex(
    /^(?!\/)(?!(?:.*\/)?\.{1,2}(?:\/|$))[^\0\\]*$/,
    'Give a path relative to the top of the codebase, without "." and ".." parts.',
  );

/** `isLegal` says whether a text may stand where a codebase, or a part of one, is named. */
const mountSchema = (isLegal: (text: string) => boolean) => {
  const text = (maxChars: number) => z.string().min(1).max(maxChars).refine(isLegal, NO_EXPRESSION);
  return z.union([
    text(460),
    z.strictObject({
      codebase: text(200).openapi({ description: "Id or name of a codebase of the project." }),
      snapshot: z
        .union([text(255), z.int().positive()])
        .nullish()
        .openapi({
          description: "Number, id, ref, commit or root; the newest that is ready unless said.",
        }),
      folder: inCodebase
        .refine(isLegal, NO_EXPRESSION)
        .nullish()
        .openapi({ description: "Mounts this folder of it alone; all of it unless said." }),
      path: z
        .string()
        .max(200)
        .regex(
          MOUNT_PATH,
          "Give a folder of the workspace, of letters, digits, spaces and _ . @ + -, no part of which begins with a dot.",
        )
        .nullish()
        .openapi({ description: "Folder of the workspace that it stands at; `code` unless said." }),
    }),
  ]);
};

const MOUNT =
  "A codebase of the project that stands in the workspace, read-only: `name`, `name@snapshot`, or an object.";
export const codebaseSpecSchema = mountSchema((text) => !text.includes("${{")).openapi(
  "CodebaseMount",
  { description: MOUNT, example: "acme/shop@main" },
);
/** Of a pipeline, whose runs have inputs. */
export const openCodebaseSchema = mountSchema(() => true).openapi("PipelineCodebaseMount", {
  description: `${MOUNT} Expressions may read the run's \`inputs\`.`,
  example: "acme/shop@${{ inputs.ref }}",
});

/** Of a skill, whose invocations have inputs. */
export const skillCodebaseSchema = mountSchema(() => true).openapi("SkillCodebaseMount", {
  description: `${MOUNT} Expressions may read the invocation's \`inputs\`; where the name of the codebase comes to null, nothing is mounted.`,
  example: "${{ inputs.codebase }}",
});

/** What a task is, apart from its files: every member that a caller may set and change. Steps share most of them. */
export const fields = {
  name: z.string().min(1).max(255).openapi({ example: "greet" }),
  description: z.string().max(10_000).nullable(),
  task_type: z.enum(TASK_TYPES),
  command: z.string().min(1).max(MAX_COMMAND_CHARS).nullable(),
  script: z.string().min(1).max(MAX_SCRIPT_CHARS).nullable(),
  language: z
    .enum(LANGUAGES)
    .nullable()
    .openapi({ description: "Of `script`: javascript unless said. A command is always bash." }),
  inputs: jsonSchema.openapi({ description: "Any JSON; the first argument of a script." }),
  environment: z.record(variableName, z.string().max(32 * 1024)),
  secrets: z.array(variableName).max(50),
  working_directory: z.string().min(1).max(512).nullable(),
  codebase: codebaseSpecSchema.nullable(),
  timeout_seconds: z.number().positive().max(MAX_TIMEOUT_SECONDS),
  retry: retrySchema.nullable(),
  max_retries: z.int().min(0).max(100),
  priority: z.int().min(-100).max(100),
  labels: z
    .record(z.string().min(1).max(63), z.string().max(255))
    .refine(
      (labels) => Object.keys(labels).length <= MAX_LABELS,
      `There are at most ${MAX_LABELS} labels.`,
    ),
  evidence: orNull(evidenceSchema),
  outputs: freeObject
    .nullable()
    .openapi({ description: "A JSON Schema (2020-12) that the result must satisfy." }),
  artifacts: z
    .array(z.string().min(1).max(256))
    .max(50)
    .openapi({ description: "Globs of files to keep, relative to the working directory." }),
  network: networkSchema,
  isolation: z.enum(["shared", "fresh"]),
  runs_on: z.array(z.string().regex(RUNNER_LABEL, RUNNER_LABEL_RULE)).max(20).openapi({
    description:
      "Labels that the runner has to have, every one of them, in the same case (`dagger` and `subprocess`).",
  }),
  executors: z
    .array(
      z.enum(DETACHED_TYPES, { error: ({ input }) => (input === "local" ? NO_LOCAL : undefined) }),
    )
    .max(DETACHED_TYPES.length)
    .refine((types) => new Set(types).size === types.length, "Name each executor once.")
    .openapi({
      description:
        "Executors in the order of preference: while nothing connected can run the task by one, or E2B makes no sandbox, the next is tried, and what is not enabled here is skipped. The first is the `task_type`.",
    }),
  image: z
    .string()
    .min(1)
    .max(500)
    .nullable()
    .openapi({ description: "Of the container (`dagger`): `[registry/]name[:tag][@digest]`." }),
  template: z
    .string()
    .min(1)
    .max(200)
    .nullable()
    .openapi({ description: "Of the sandbox (`e2b`): `[team/]name[:tag]`." }),
  sandbox: z
    .strictObject({ reuse: z.literal("run") })
    .nullable()
    .openapi({
      description:
        "With `reuse: run`, the `e2b` steps of one run that say so, with the same template and network, share one sandbox: its home and what was set up there, not the working directory. A task outside of a pipeline has one of its own.",
    }),
  pipeline_id: reference.nullable().openapi({
    description: "What you say it belongs to; it becomes no step of that pipeline.",
  }),
  agent_id: reference.nullable(),
  extra_data: freeObject,
};
