/** The wire forms of secrets. A value goes in and never comes out. */
import { z } from "@hono/zod-openapi";
import { idSchema, listOf, projectIdSchema, timestampSchema } from "../http/schemas.ts";

export const SECRET_NAME_PATTERN = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
export const MAX_SECRET_BYTES = 64 * 1024;

export const secretNameSchema = z
  .string()
  .regex(
    SECRET_NAME_PATTERN,
    "A secret's name is 1 to 128 letters, digits and underscores, and does not start with a digit.",
  )
  .openapi({ example: "DEPLOY_TOKEN" });

const valueSchema = z
  .string()
  .min(1, "A secret's value is not empty.")
  .refine(
    (value) => new TextEncoder().encode(value).byteLength <= MAX_SECRET_BYTES,
    `A secret's value is at most ${MAX_SECRET_BYTES} bytes of UTF-8.`,
  )
  .openapi({
    format: "password",
    writeOnly: true,
    description:
      "1 to 65,536 bytes of UTF-8. It is encrypted, and given to tasks that name it. Where it appears in their output it is masked, unless it is shorter than 4 characters.",
  });

export const secretSchema = z
  .object({
    id: z.string(),
    project_id: z.string(),
    name: secretNameSchema,
    version: z
      .int()
      .openapi({ description: "1 when created; each new value raises it. It is the ETag." }),
    created_by: z.string(),
    created_at: timestampSchema,
    updated_at: timestampSchema,
  })
  .openapi("Secret");

export const secretListSchema = listOf(secretSchema).openapi("SecretList");

export const createSecretSchema = z
  .strictObject({
    name: secretNameSchema,
    value: valueSchema,
    project_id: projectIdSchema.optional(),
  })
  .openapi("SecretCreate");

export const updateSecretSchema = z.strictObject({ value: valueSchema }).openapi("SecretUpdate");

export const rotationSchema = z
  .object({
    rotated: z.int().openapi({ description: "Secrets that this call encrypted anew." }),
    remaining: z.int().openapi({
      description: "Secrets still under an older master key; call again until it is 0.",
    }),
    unreadable: z
      .array(z.object({ id: z.string(), project_id: z.string(), name: z.string() }))
      .openapi({
        description:
          "Secrets that do not decrypt. Restore their master key, or give them a new value.",
      }),
  })
  .openapi("SecretRotation");

export const secretParams = z.object({ secret_id: idSchema });
export const ifMatchHeaders = z.object({ "if-match": z.string().max(500).optional() });

export type Secret = z.output<typeof secretSchema>;
export type CreateSecret = z.output<typeof createSecretSchema>;
export type Rotation = z.output<typeof rotationSchema>;
