/** The wire form of dead letters. */
import { z } from "@hono/zod-openapi";
import { DETACHED_TYPES } from "../executors/detached.ts";
import { pageQuery } from "../http/page.ts";
import {
  idSchema,
  listOf,
  projectIdSchema,
  timestamp,
  timestampOrNull,
  timestampSchema,
} from "../http/schemas.ts";
import { type DeadLetterRow, RESOURCE_KINDS, STATUSES } from "./repository.ts";

/** Runs that one call retries at most. */
export const MAX_REDRIVEN = 50;

export const deadLetterSchema = z
  .object({
    id: z.string(),
    project_id: z.string(),
    resource_id: z.string().openapi({ description: "The task or pipeline." }),
    resource_kind: z.enum(RESOURCE_KINDS).nullable(),
    run: z.int(),
    step: z.int().openapi({ description: "Index of the step in its run." }),
    epoch: z.int().openapi({ description: "Which dispatch of the step it was." }),
    task_type: z.enum(DETACHED_TYPES),
    reason: z.string(),
    attempts: z.int().openapi({ description: "How often its delivery was tried." }),
    status: z.enum(STATUSES),
    dead_at: timestampSchema,
    redriven_at: timestampSchema.nullable(),
    redriven_by: z.string().nullable(),
  })
  .openapi("DeadLetter");

export const deadLetterListSchema = listOf(deadLetterSchema).openapi("DeadLetterList");

const filter = {
  project_id: projectIdSchema.optional(),
  task_type: z.enum(DETACHED_TYPES).optional(),
  resource_id: idSchema.optional(),
};

export const deadLetterQuery = z.strictObject({
  ...pageQuery,
  ...filter,
  status: z.enum(STATUSES).optional(),
});

export const redriveSchema = z
  .strictObject({
    ...filter,
    ids: z
      .array(idSchema)
      .min(1)
      .max(MAX_REDRIVEN)
      .optional()
      .openapi({ description: "These alone, in place of a filter." }),
    limit: z.int().min(1).max(MAX_REDRIVEN).default(MAX_REDRIVEN),
    cursor: z
      .string()
      .max(500)
      .optional()
      .openapi({ description: "`next_cursor` of the call before, to go on after it." }),
  })
  .refine(
    ({ ids, project_id, task_type, resource_id, cursor }) =>
      ids === undefined ||
      [project_id, task_type, resource_id, cursor].every((it) => it === undefined),
    { path: ["ids"], message: "Send ids or a filter, not both." },
  )
  .openapi("RedriveDeadLetters");
export type RedriveRequest = z.output<typeof redriveSchema>;

export const redriveReplySchema = z
  .object({
    redriven: z.int(),
    skipped: z.int(),
    items: z.array(
      z.object({
        id: z.string(),
        resource_id: z.string().nullable(),
        status: z.enum(["redriven", "skipped"]),
        run: z.int().nullable().openapi({ description: "The run that it began." }),
        reason: z.string().nullable().openapi({ description: "Why it was skipped." }),
      }),
    ),
    next_cursor: z
      .string()
      .nullable()
      .openapi({ description: "Send it as `cursor` to go on; null when there are no more." }),
  })
  .openapi("RedrivenDeadLetters");
export type Redriven = z.output<typeof redriveReplySchema>;
export type RedrivenItem = Redriven["items"][number];

export function toDocument(row: DeadLetterRow): z.output<typeof deadLetterSchema> {
  const { dead_at, redriven_at, ...rest } = row;
  return {
    ...rest,
    status: redriven_at === null ? "open" : "redriven",
    dead_at: timestamp(dead_at),
    redriven_at: timestampOrNull(redriven_at),
  };
}
