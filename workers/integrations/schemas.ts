/** The wire shapes of integrations. */
import { z } from "@hono/zod-openapi";
import { idSchema, listOf, timestampSchema } from "../http/schemas.ts";
import { NEIGHBOURS } from "./names.ts";

const HEALTH = ["disabled", "ok", "delayed", "down", "closed"] as const;

export const integrationSchema = z
  .object({
    name: z.enum(NEIGHBOURS),
    enabled: z.boolean(),
    url: z.string(),
    health: z.enum(HEALTH).openapi({
      description:
        "`delayed`: something could not be delivered and is tried again. `down`: the service itself cannot be reached.",
    }),
    lag_seconds: z.number().openapi({
      description: "Age of the oldest message that waits, those that are parked left out.",
    }),
    pending: z.int().openapi({ description: "Messages that wait, parked ones included." }),
    parked: z.int().openapi({ description: "Entities that are not tried any more." }),
    delivered: z.int().openapi({ description: "Deliveries that ended well." }),
    last_delivered_at: timestampSchema.nullable(),
    last_error: z.string().nullable(),
    last_error_at: timestampSchema.nullable(),
    next_try_at: timestampSchema.nullable().openapi({ description: "Of one that is down." }),
  })
  .openapi("Integration");
export type IntegrationView = z.output<typeof integrationSchema>;
export const integrationListSchema = z
  .object({ items: z.array(integrationSchema) })
  .openapi("IntegrationList");

export const parkedSchema = z
  .object({
    entity: z.string().openapi({ description: "Id of the resource." }),
    project_id: z.string(),
    tries: z.int(),
    error: z.string().nullable(),
    messages: z.int(),
    parked_at: timestampSchema,
    oldest_at: timestampSchema.nullable(),
  })
  .openapi("ParkedDelivery");
export const parkedListSchema = listOf(parkedSchema).openapi("ParkedDeliveryList");

export const redriveSchema = z
  .strictObject({
    entities: z
      .array(z.string().min(1).max(300))
      .min(1)
      .max(1_000)
      .nullable()
      .default(null)
      .openapi({
        description: "Ids of what is to be tried again; everything that is parked unless said.",
      }),
  })
  .openapi("RedriveIntegration");
export const redrivenSchema = z.object({ redriven: z.int() }).openapi("RedrivenIntegration");

export const integrationParams = z.object({ integration_id: idSchema });
