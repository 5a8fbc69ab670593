/**
 * What a version of a skill is: everything that decides what an invocation does. A version never
 * changes, and is known by the digest of this.
 */
import { z } from "@hono/zod-openapi";
import { jsonSchema } from "../http/schemas.ts";
import {
  fields,
  freeObject,
  networkSchema,
  retrySchema,
  skillCodebaseSchema,
  variableName,
} from "../tasks/fields.ts";
import type { KeptFiles } from "../tasks/files.ts";
import { slugSchema } from "./slug.ts";

/** As long as Agent Skills allow, so that every skill can be a bundle. */
const MAX_DESCRIPTION_CHARS = 1_024;
const MAX_INSTRUCTIONS_CHARS = 256 * 1024;
const MAX_TEMPLATE_CHARS = 256 * 1024;
const MAX_EXAMPLES = 50;
const MAX_SKILL_SECONDS = 86_400;
const DEFAULT_TIMEOUT_SECONDS = 60;

const HTTP_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;
const WITH_EXPRESSIONS = "Texts may hold expressions over `inputs`, such as `${{ inputs.name }}`.";

const template = (maxChars: number) => z.string().min(1).max(maxChars);

const executorFields = {
  executor: fields.task_type.default("local"),
  image: fields.image.default(null),
  template: fields.template.default(null),
  runs_on: fields.runs_on.default([]),
  environment: fields.environment.default({}),
};

const scriptImplementation = z
  .strictObject({
    type: z.enum(["javascript", "typescript", "bash"]),
    script: fields.script.unwrap(),
    ...executorFields,
  })
  .openapi("ScriptImplementation", {
    description:
      "A module whose default export is `(inputs, ctx) => outputs`, or a shell script as tasks have them.",
  });

const pythonImplementation = z
  .strictObject({
    type: z.literal("python"),
    script: fields.script.unwrap(),
    ...executorFields,
    executor: z.enum(["dagger", "e2b", "subprocess"]).default("dagger"),
  })
  .openapi("PythonImplementation");

const commandImplementation = z
  .strictObject({
    type: z.literal("command"),
    command: fields.command.unwrap(),
    ...executorFields,
  })
  .openapi("CommandImplementation", {
    description: "A shell line, in the image, sandbox or workspace of its executor.",
  });

const promptImplementation = z
  .strictObject({
    type: z.literal("prompt"),
    template: template(MAX_TEMPLATE_CHARS).openapi({
      description: `The user message. ${WITH_EXPRESSIONS}`,
    }),
    model: z
      .string()
      .min(1)
      .max(200)
      .nullable()
      .default(null)
      .openapi({ description: "The deployment's default unless said." }),
    temperature: z.number().min(0).max(2).nullable().default(null),
    max_output_tokens: z.int().min(1).max(200_000).default(4_096),
  })
  .openapi("PromptImplementation", {
    description:
      "One call of a model. With `outputs` the answer is JSON that satisfies it; without, the output is `{text}`.",
  });

const pipelineImplementation = z
  .strictObject({
    type: z.literal("pipeline"),
    pipeline_id: z.string().min(1).max(200),
  })
  .openapi("PipelineImplementation", {
    description: "A run of a pipeline: its inputs are the invocation's, its outputs too.",
  });

const httpImplementation = z
  .strictObject({
    type: z.literal("http"),
    method: z.enum(HTTP_METHODS).default("GET"),
    url: template(8_192).openapi({
      description: `${WITH_EXPRESSIONS} They stand behind the host alone, and are percent-encoded.`,
    }),
    query: z
      .record(z.string().min(1).max(200), jsonSchema)
      .default({})
      .openapi({ description: "Added to the URL; null leaves a name out." }),
    headers: z.record(z.string().min(1).max(200), z.string().max(8_192)).default({}).openapi({
      description: "A value may be exactly `${{ secrets.NAME }}`, named in `permissions.secrets`.",
    }),
    body: jsonSchema.default(null).openapi({ description: `Sent as JSON. ${WITH_EXPRESSIONS}` }),
    response: z.enum(["json", "text"]).default("json").openapi({
      description:
        "How the answer is read. Output is `{status, headers, body}` unless `select` is set.",
    }),
    select: z.enum(["body", "all"]).default("all"),
  })
  .openapi("HttpImplementation");

export const implementationSchema = z
  .discriminatedUnion("type", [
    scriptImplementation,
    pythonImplementation,
    commandImplementation,
    promptImplementation,
    pipelineImplementation,
    httpImplementation,
  ])
  .openapi("SkillImplementation");
export type Implementation = z.output<typeof implementationSchema>;

export const IMPLEMENTATION_TYPES = [
  "javascript",
  "typescript",
  "bash",
  "python",
  "command",
  "prompt",
  "pipeline",
  "http",
] as const satisfies readonly Implementation["type"][];

/** Denied is what is not named here. */
export const permissionsSchema = z
  .strictObject({
    network: networkSchema.shape.allow,
    secrets: z.array(variableName).max(50).default([]),
    executors: z.array(fields.task_type).max(4).default(["local"]),
    skills: z
      .array(slugSchema)
      .max(50)
      .default([])
      .openapi({ description: "Slugs of the skills that it may invoke." }),
  })
  .openapi("SkillPermissions", {
    description: "What the skill may use; whoever invokes it needs the scopes for it.",
  });
export type Permissions = z.output<typeof permissionsSchema>;

export const exampleSchema = z
  .strictObject({
    name: z.string().min(1).max(200).nullable().default(null),
    description: z.string().max(2_000).nullable().default(null),
    inputs: freeObject.default({}),
    outputs: jsonSchema.optional().openapi({
      description: "What the invocation has to come to; without it, it has to succeed.",
    }),
  })
  .openapi("SkillExample");

/** Every member of a version that a caller may set, each without a default. */
export const contentFields = {
  description: z.string().min(1).max(MAX_DESCRIPTION_CHARS).nullable(),
  implementation: implementationSchema.nullable().openapi({
    description: "Null for a skill that is instructions alone, which cannot be invoked.",
  }),
  inputs: freeObject.nullable().openapi({
    description: "A JSON Schema (2020-12) of an object; null takes any object.",
  }),
  outputs: freeObject.nullable().openapi({ description: "A JSON Schema (2020-12); null for any." }),
  system_prompt: z.string().min(1).max(MAX_TEMPLATE_CHARS).nullable(),
  instructions: z.string().max(MAX_INSTRUCTIONS_CHARS).nullable().openapi({
    description: "Markdown for agents: the body of `SKILL.md`.",
  }),
  examples: z.array(exampleSchema).max(MAX_EXAMPLES),
  permissions: permissionsSchema,
  codebase: skillCodebaseSchema.nullable().openapi({
    description: "What code sees, read-only, in its workspace; null for none.",
  }),
  requires_approval: z.boolean(),
  timeout_seconds: z.number().positive().max(MAX_SKILL_SECONDS),
  retry: retrySchema.nullable(),
  cache: z
    .strictObject({
      ttl_seconds: z
        .number()
        .positive()
        .max(MAX_SKILL_SECONDS * 366),
    })
    .nullable()
    .openapi({ description: "Outputs for equal inputs may be reused for so long; null never." }),
  license: z.string().min(1).max(500).nullable(),
  compatibility: z.string().min(1).max(500).nullable(),
  allowed_tools: z.string().min(1).max(2_000).nullable(),
  metadata: z.record(z.string().min(1).max(200), z.string().max(2_000)),
};

export const contentSchema = z.strictObject({
  description: contentFields.description.default(null),
  implementation: contentFields.implementation.default(null),
  inputs: contentFields.inputs.default(null),
  outputs: contentFields.outputs.default(null),
  system_prompt: contentFields.system_prompt.default(null),
  instructions: contentFields.instructions.default(null),
  examples: contentFields.examples.default([]),
  permissions: contentFields.permissions.prefault({}),
  codebase: contentFields.codebase.default(null),
  requires_approval: contentFields.requires_approval.default(false),
  timeout_seconds: contentFields.timeout_seconds.default(DEFAULT_TIMEOUT_SECONDS),
  retry: contentFields.retry.default(null),
  cache: contentFields.cache.default(null),
  license: contentFields.license.default(null),
  compatibility: contentFields.compatibility.default(null),
  allowed_tools: contentFields.allowed_tools.default(null),
  metadata: contentFields.metadata.default({}),
});
export type SkillContent = z.output<typeof contentSchema>;

/** A version that an invocation is pinned to, complete. */
export interface PinnedSkill {
  readonly skill_id: string;
  readonly project_id: string;
  readonly slug: string;
  readonly name: string;
  /** Counts from 1. */
  readonly number: number;
  /** As people call it, such as 1.2.0. */
  readonly version: string;
  /** `sha256:` and the hash of content and files. */
  readonly digest: string;
  readonly content: SkillContent;
  readonly files: KeptFiles;
}
