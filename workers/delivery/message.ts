/** What neighbours are told: messages of the outbox, each with events of one resource in their order. */
import { z } from "zod";
import { jsonSchema } from "../http/schemas.ts";

const eventSchema = z.object({
  /** Rises within the resource. */
  seq: z.number(),
  /** Number of the run that it is about; 0 for none. */
  run: z.number().default(0),
  /** ms since 1970. */
  at: z.number(),
  type: z.string(),
  data: z.record(z.string(), jsonSchema),
});
export type OutboxEvent = Readonly<z.output<typeof eventSchema>>;

export const traceSchema = z.object({
  correlation_id: z.string(),
  traceparent: z.string().nullable(),
  tracestate: z.string().nullable(),
});

export const messageSchema = z.object({
  /** Rises with the order in which messages were committed. */
  position: z.number(),
  /** The same when a message is repeated. */
  id: z.string(),
  /** Kind of the resource. */
  topic: z.string(),
  project_id: z.string(),
  resource_id: z.string(),
  events: z.array(eventSchema).readonly(),
  /** The request that it goes back to; null when nobody noted it. */
  trace: traceSchema.nullable().default(null),
  /** ms since 1970. */
  created_at: z.number(),
});
export type OutboxMessage = Readonly<z.output<typeof messageSchema>>;

export const payloadSchema = z.array(eventSchema);
