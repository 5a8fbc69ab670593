/** The wire form of API keys. */
import { z } from "@hono/zod-openapi";
import { listOf, projectIdSchema, timestampSchema } from "../http/schemas.ts";
import { SCOPES } from "../security/principal.ts";

const MAX_PROJECTS = 100;
const MAX_LIFETIME_SECONDS = 10 * 366 * 86_400;

const projects = z
  .array(projectIdSchema)
  .min(1)
  .max(MAX_PROJECTS)
  .refine((ids) => new Set(ids).size === ids.length, "Name each project once.");

export const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string().openapi({ description: "The beginning of the key, to recognise it by." }),
    scopes: z.array(z.enum(SCOPES)),
    projects: z.array(z.string()).nullable().openapi({ description: "null means all projects." }),
    created_by: z.string(),
    created_at: timestampSchema,
    expires_at: timestampSchema.nullable(),
    revoked_at: timestampSchema.nullable(),
  })
  .openapi("ApiKey");

export const createdKeySchema = keySchema
  .extend({
    key: z.string().nullable().openapi({
      description:
        "The key itself. It is shown once: a repeated request with the same Idempotency-Key is answered with null.",
    }),
  })
  .openapi("CreatedApiKey");

export const keyListSchema = listOf(keySchema).openapi("ApiKeyList");

export const createKeySchema = z
  .strictObject({
    name: z.string().trim().min(1).max(100),
    scopes: z
      .array(z.enum(SCOPES))
      .min(1)
      .max(SCOPES.length)
      .refine((names) => new Set(names).size === names.length, "Name each scope once."),
    projects: projects
      .nullish()
      .openapi({ description: "null for all projects; left out, those of the caller." }),
    expires_in_seconds: z.int().min(1).max(MAX_LIFETIME_SECONDS).optional(),
    expires_at: z.iso.datetime({ offset: true }).optional().openapi({ format: "date-time" }),
  })
  .refine((body) => body.expires_at === undefined || body.expires_in_seconds === undefined, {
    path: ["expires_at"],
    message: "Send expires_at or expires_in_seconds, not both.",
  })
  .openapi("CreateApiKey");

export type CreateKey = z.output<typeof createKeySchema>;
export type KeyDocument = z.output<typeof keySchema>;
