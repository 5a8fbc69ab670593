/** The wire shapes of what is asked of runs: start, retry, answers, bulk actions. */
import { z } from "@hono/zod-openapi";
import { jsonSchema } from "../http/schemas.ts";

const inputs = z.record(z.string().max(200), jsonSchema);
const stepName = z.string().min(1).max(300);
const runNumber = z.int().min(1).max(999_999_999);

export const startSchema = z
  .strictObject({
    inputs: inputs.optional().openapi({ description: "As the definition's `inputs` says." }),
  })
  .prefault({})
  .openapi("StartPipeline");

export const retrySchema = z
  .strictObject({
    run: runNumber.optional().openapi({ description: "The newest unless said." }),
    from: stepName.optional().openapi({
      description:
        "Runs this step and all that depend on it again. Unless said, what failed, was cancelled or never ran, and what depends on that.",
    }),
    inputs: jsonSchema.optional().openapi({
      description: "Takes the place of the inputs of the step `from`.",
    }),
    dry_run: z
      .boolean()
      .default(false)
      .openapi({ description: "Says what would run again, and does nothing." }),
  })
  .refine((body) => body.inputs === undefined || body.from !== undefined, {
    path: ["inputs"],
    message: "They are those of one step: name it in from.",
  })
  .prefault({})
  .openapi("RetryPipeline");

export const rerunSchema = z
  .object({
    dry_run: z.literal(true),
    run: z.int(),
    retry_of: z.int(),
    rerun: z.array(z.string()),
    reuse: z.array(z.string()),
  })
  .openapi("RerunPlan");

export const pauseSchema = z
  .strictObject({
    mode: z
      .enum(["boundary", "now"])
      .default("boundary")
      .openapi({ description: "`boundary` lets what runs end; `now` stops it, to run again." }),
  })
  .prefault({})
  .openapi("PausePipeline");

export const approveSchema = z
  .strictObject({
    step: stepName.optional().openapi({ description: "The only open approval unless said." }),
    approved: z.boolean().default(true),
    comment: z.string().max(4_000).nullish(),
  })
  .prefault({})
  .openapi("ApproveStep");

/** The engine keeps a payload in a row of its own. */
const MAX_PAYLOAD_CHARS = 64 * 1024;

export const signalSchema = z
  .strictObject({
    name: z
      .string()
      .regex(
        /^[\w.:-]{1,100}$/,
        "Use 1 to 100 letters, digits, dots, colons, dashes and underscores.",
      ),
    payload: jsonSchema
      .default(null)
      .refine(
        (payload) => JSON.stringify(payload).length <= MAX_PAYLOAD_CHARS,
        "A payload has at most 64 KiB of JSON; pass large data by reference.",
      )
      .openapi({ description: "Any JSON; becomes the result of the step that waits." }),
  })
  .openapi("SignalPipeline");

/** `next_cursor` goes on where a call stopped. */
export const bulkSchema = z
  .object({
    matched: z.int(),
    succeeded: z.array(z.object({ id: z.string(), run: z.int() })),
    failed: z.array(z.object({ id: z.string(), code: z.string(), reason: z.string() })),
    next_cursor: z.string().nullable(),
  })
  .openapi("BulkOutcome");
