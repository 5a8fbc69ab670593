/** The wire shapes of invocations. */
import { z } from "@hono/zod-openapi";
import { listFilter, pageQuery } from "../http/page.ts";
import {
  idSchema,
  jsonSchema,
  listOf,
  orNull,
  projectIdSchema,
  timestampSchema,
} from "../http/schemas.ts";
import { RUN_STATUSES } from "../runs/types.ts";
import { freeObject } from "../tasks/fields.ts";
import { IMPLEMENTATION_TYPES } from "./content.ts";
import { PARENT_KINDS } from "./invocation-document.ts";
import { versionSchema } from "./invocation-version.ts";

export const INVOCATION_STATES = ["pending", ...RUN_STATUSES] as const;

export const invokeSchema = z
  .strictObject({
    inputs: freeObject.default({}).openapi({ description: "As the version's `inputs` says." }),
    version: versionSchema,
    context: freeObject
      .optional()
      .openapi({ description: "Noted with the invocation; nothing reads it." }),
  })
  .openapi("InvokeSkill");

const parentSchema = z
  .object({
    kind: z.enum(PARENT_KINDS),
    id: z.string(),
    run: z.int().openapi({ description: "Of an agent, the number of the turn." }),
  })
  .openapi("InvocationParent");

const summaryFields = {
  id: z.string(),
  project_id: z.string(),
  skill_id: z.string(),
  slug: z.string(),
  name: z.string(),
  version: z.string(),
  version_number: z.int(),
  digest: z.string(),
  implementation_type: z.enum(IMPLEMENTATION_TYPES),
  state: z.enum(INVOCATION_STATES),
  waiting_for: z.enum(["approval"]).nullable(),
  run: z.int(),
  attempt: z.int(),
  invoked_by: z.string().openapi({ description: "Who asked for it, as `kind:id`." }),
  parent: orNull(parentSchema).openapi({
    description: "What it is a step of, or was invoked by; null for a caller of the API.",
  }),
  error: z.string().nullable(),
  error_code: z.string().nullable(),
  created_at: timestampSchema,
  updated_at: timestampSchema,
  started_at: timestampSchema.nullable(),
  completed_at: timestampSchema.nullable(),
  duration_ms: z.number().nullable(),
};

/** An invocation as its skill's history shows it. */
export const invocationSummarySchema = z.object(summaryFields).openapi("InvocationSummary");
export type InvocationSummary = z.output<typeof invocationSummarySchema>;

export const invocationSchema = z
  .object({
    ...summaryFields,
    success: z.boolean().nullable().openapi({ description: "Null while it has not ended." }),
    inputs: jsonSchema,
    outputs: z.unknown().openapi({ description: "Any JSON; null unless it completed." }),
    context: freeObject.nullable(),
    stdout: z.string().nullable().openapi({ description: "The last 64 KiB; whole in `/logs`." }),
    stderr: z.string().nullable().openapi({ description: "The last 64 KiB; whole in `/logs`." }),
  })
  .openapi("Invocation");
export type Invocation = z.output<typeof invocationSchema>;

export const invocationListSchema = listOf(invocationSummarySchema).openapi("InvocationList");

export const listInvocationsQuery = z.strictObject({
  ...pageQuery,
  project_id: projectIdSchema.optional(),
  state: listFilter(INVOCATION_STATES).optional(),
  invoked_by: z.string().max(300).optional(),
  parent_id: idSchema.optional(),
});

export const decisionSchema = z
  .strictObject({
    approved: z.boolean().default(true),
    comment: z.string().max(4_000).nullable().default(null),
  })
  .openapi("InvocationDecision");
