/** The wire forms of webhooks. */
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../http/page.ts";
import { idSchema, listOf, projectIdSchema, timestampSchema } from "../http/schemas.ts";
import { EVENT_TYPES, MAX_PATTERN_CHARS, problemOf, WEBHOOK_KINDS } from "./events.ts";
import { isSecret, MAX_KEY_BYTES, MIN_KEY_BYTES } from "./signature.ts";

const MAX_PATTERNS = 100;
const MAX_RESOURCES = 1_000;
const DEFAULT_OVERLAP_SECONDS = 86_400;
const MAX_OVERLAP_SECONDS = 7 * 86_400;

const urlSchema = z.string().min(1).max(2_000).openapi({
  format: "uri",
  description:
    "http or https, on a public host. It is checked again before each request; redirects are not followed.",
});
const eventsSchema = z
  .array(
    z
      .string()
      .max(MAX_PATTERN_CHARS)
      .superRefine((pattern, context) => {
        const message = problemOf(pattern);
        if (message !== null) context.addIssue({ code: "custom", message });
      }),
  )
  .min(1)
  .max(MAX_PATTERNS)
  .openapi({
    description: `Types, or patterns in which * stands for any part, such as \`task.*\` and \`*.failed\`. There are: ${EVENT_TYPES.map((type) => `\`${type}\``).join(", ")}. \`audit.recorded\` has to be named: no pattern that begins with * stands for it.`,
    example: ["task.*", "*.failed"],
  });
const filterSchema = z
  .strictObject({
    kinds: z.array(z.enum(WEBHOOK_KINDS)).min(1).max(WEBHOOK_KINDS.length).nullable().default(null),
    resource_ids: z.array(idSchema).min(1).max(MAX_RESOURCES).nullable().default(null).openapi({
      description: "Ids of the tasks, pipelines, invocations and agents that are of interest.",
    }),
  })
  .openapi("WebhookFilter", {
    description:
      "What an event has to be about; null is anything. Labels are not part of events, and cannot be asked for.",
  });
const descriptionSchema = z.string().trim().max(1_000);
const secretSchema = z
  .string()
  .max(200)
  .refine(
    isSecret,
    `A secret is \`whsec_\` and the base64 of ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} bytes.`,
  )
  .openapi({
    format: "password",
    writeOnly: true,
    description: `\`whsec_\` and the base64 of ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} bytes; a random one unless given.`,
  });

export const webhookSchema = z
  .object({
    id: z.string(),
    project_id: z.string(),
    url: z.string(),
    events: z.array(z.string()).readonly(),
    filter: z.object({
      kinds: z.array(z.enum(WEBHOOK_KINDS)).readonly().nullable(),
      resource_ids: z.array(z.string()).readonly().nullable(),
    }),
    description: z.string(),
    enabled: z.boolean(),
    disabled_reason: z.string().nullable().openapi({
      description: "Why the service disabled it; null for one that it did not.",
    }),
    previous_secret_until: timestampSchema.nullable().openapi({
      description: "Until when the secret before signs as well; null when it does not.",
    }),
    revision: z.int().openapi({ description: "Each change raises it. It is the ETag." }),
    created_by: z.string(),
    created_at: timestampSchema,
    updated_at: timestampSchema,
  })
  .openapi("Webhook");
export type WebhookView = z.output<typeof webhookSchema>;

export const webhookStatusSchema = z
  .object({
    health: z.enum(["disabled", "ok", "delayed", "down"]).openapi({
      description:
        "`delayed`: something could not be delivered, and is tried again or parked. `down`: the endpoint itself cannot be reached.",
    }),
    pending: z.int().openapi({
      description:
        "Messages that wait, each with one event or a few of one resource; parked ones included.",
    }),
    parked: z
      .int()
      .openapi({ description: "Resources that are not tried any more, until they are redriven." }),
    lag_seconds: z.number().openapi({ description: "Age of the oldest that waits and is tried." }),
    last_delivered_at: timestampSchema.nullable(),
    last_error: z.string().nullable(),
    last_error_at: timestampSchema.nullable(),
    next_try_at: timestampSchema.nullable().openapi({ description: "Of one that is down." }),
  })
  .openapi("WebhookStatus");
export type WebhookStatus = z.output<typeof webhookStatusSchema>;

export const webhookDetailSchema = webhookSchema
  .extend({ status: webhookStatusSchema })
  .openapi("WebhookDetail");
export const webhookListSchema = listOf(webhookSchema).openapi("WebhookList");
export const revealedSchema = webhookSchema
  .extend({
    secret: z.string().nullable().openapi({
      description:
        "The signing secret. It is shown once: a repeated request with the same Idempotency-Key is answered with null.",
    }),
  })
  .openapi("RevealedWebhook");

export const createWebhookSchema = z
  .strictObject({
    url: urlSchema,
    events: eventsSchema,
    filter: filterSchema.default({ kinds: null, resource_ids: null }),
    description: descriptionSchema.default(""),
    enabled: z.boolean().default(true),
    secret: secretSchema.optional(),
    project_id: projectIdSchema.optional(),
  })
  .openapi("CreateWebhook");
export type CreateWebhook = z.output<typeof createWebhookSchema>;

export const updateWebhookSchema = z
  .strictObject({
    url: urlSchema.optional(),
    events: eventsSchema.optional(),
    filter: filterSchema.optional(),
    description: descriptionSchema.optional(),
    enabled: z.boolean().optional().openapi({
      description:
        "What happens while it is disabled is not sent. What waited before is, once it is enabled again.",
    }),
  })
  .openapi("UpdateWebhook");
export type UpdateWebhook = z.output<typeof updateWebhookSchema>;

export const rotateWebhookSchema = z
  .strictObject({
    secret: secretSchema.optional(),
    overlap_seconds: z
      .int()
      .min(0)
      .max(MAX_OVERLAP_SECONDS)
      .default(DEFAULT_OVERLAP_SECONDS)
      .openapi({ description: "How long the secret before signs beside the new one." }),
  })
  .openapi("RotateWebhookSecret");
export type RotateWebhook = z.output<typeof rotateWebhookSchema>;

export const webhookDeliverySchema = z
  .object({
    number: z.int(),
    event_id: z.string().openapi({ description: "The header `webhook-id`." }),
    type: z.string(),
    resource_id: z.string(),
    attempt: z.int(),
    outcome: z.enum(["delivered", "failed"]),
    status_code: z
      .int()
      .nullable()
      .openapi({ description: "Of the answer; null when there was none." }),
    duration_ms: z.number(),
    error: z.string().nullable(),
    at: timestampSchema,
  })
  .openapi("WebhookDelivery");
export type WebhookDelivery = z.output<typeof webhookDeliverySchema>;
export const webhookDeliveryListSchema =
  listOf(webhookDeliverySchema).openapi("WebhookDeliveryList");
export const webhookAnswerSchema = webhookDeliverySchema
  .omit({ at: true })
  .extend({
    answer: z.string().openapi({ description: "The first 1,000 bytes of what was answered." }),
  })
  .openapi("WebhookAnswer");
export type WebhookAnswer = z.output<typeof webhookAnswerSchema>;

export const redriveWebhookSchema = z
  .strictObject({
    resource_ids: z
      .array(idSchema)
      .min(1)
      .max(MAX_RESOURCES)
      .nullable()
      .default(null)
      .openapi({ description: "What is to be tried again; all that is parked unless said." }),
  })
  .openapi("RedriveWebhook");
export const redrivenWebhookSchema = z
  .object({ redriven: z.int().openapi({ description: "Resources that are tried again." }) })
  .openapi("RedrivenWebhook");

export const webhookParams = z.object({ webhook_id: idSchema });
export const deliveryParams = webhookParams.extend({
  number: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, "Send the `number` of a delivery.")
    .transform(Number)
    .openapi({ type: "integer", minimum: 1 }),
});
export const webhookQuery = z.strictObject({
  ...pageQuery,
  project_id: z.string().max(200).optional(),
  enabled: z
    .enum(["true", "false"])
    .transform((text) => text === "true")
    .optional()
    .openapi({ type: "boolean" }),
});
