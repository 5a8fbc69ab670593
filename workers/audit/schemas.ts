/** The wire form of audit logs. */
import { z } from "@hono/zod-openapi";
import { DEPLOYMENT_LOG, OUTCOMES } from "../http/audit-record.ts";
import { pageQuery } from "../http/page.ts";
import { jsonSchema, listOf, projectIdSchema } from "../http/schemas.ts";
import { entrySchema } from "./chain.ts";

const HASH = /^[0-9a-f]{64}$/;
const hashSchema = z.string().regex(HASH, "Send a SHA-256 in hex, 64 digits.");

export const auditEntrySchema = entrySchema
  .extend({ hash: z.string().openapi({ description: "SHA-256 of the rest of the entry." }) })
  .openapi("AuditEntry");

export const auditEntryListSchema = listOf(auditEntrySchema).openapi("AuditEntryList");

export const auditEntryDetailSchema = auditEntrySchema
  .extend({
    before: jsonSchema.nullable().openapi({
      description:
        "The entity as the entry before about it left it: its `after`. Null when there is none, or it was too large.",
    }),
    before_digest: entrySchema.shape.after_digest,
  })
  .openapi("AuditEntryDetail");

/** Which log is read. */
export const whichLog = {
  project_id: projectIdSchema.optional(),
  log: z.enum(["project", DEPLOYMENT_LOG]).default("project").openapi({
    description: "`deployment` has what belongs to no project; it is for callers of all projects.",
  }),
};

const text = z.string().min(1).max(200).optional();

export const auditQuery = z.strictObject({
  ...pageQuery,
  ...whichLog,
  actor: text.openapi({ description: "`kind:id`, such as `api_key:0199…`." }),
  action: text.openapi({ description: "An operationId, or the name of an MCP tool." }),
  entity_type: text,
  entity_id: text,
  outcome: z.enum(OUTCOMES).optional(),
  request_id: text,
});

const MAX_SEQ = Number.MAX_SAFE_INTEGER;
const SEQ = /^[1-9]\d{0,15}$/;
const seqText = z
  .string()
  .regex(SEQ, "Send the number of an entry, from 1.")
  .transform(Number)
  .refine((seq) => seq <= MAX_SEQ, "No log has so many entries.")
  .openapi({ type: "integer", minimum: 1 });

export const entryParams = z.object({ seq: z.string().max(200) });
/** Null for what is no number of an entry. */
export function readSeq(text: string): number | null {
  return seqText.safeParse(text).data ?? null;
}

export const entryQuery = z.strictObject(whichLog);

export const exportQuery = z.strictObject({
  ...whichLog,
  from: seqText.optional().openapi({ description: "Number of the first entry." }),
  to: seqText.optional().openapi({ description: "Number of the last entry." }),
});

export const verifySchema = z
  .strictObject({
    ...whichLog,
    expect_seq: z.int().min(1).optional().openapi({ description: "An entry that you remember." }),
    expect_hash: hashSchema.optional().openapi({ description: "The hash that it had." }),
    cursor: z
      .string()
      .max(500)
      .optional()
      .openapi({ description: "`next_cursor` of the call before, to go on after it." }),
  })
  .refine(
    ({ expect_seq, expect_hash }) => (expect_seq === undefined) === (expect_hash === undefined),
    { path: ["expect_hash"], message: "Send expect_seq and expect_hash together." },
  )
  .openapi("VerifyAudit");
export type VerifyRequest = z.output<typeof verifySchema>;

export const verificationSchema = z
  .object({
    status: z.enum(["intact", "broken", "unfinished"]).openapi({
      description: "`unfinished`: all is as it was up to `head`; go on with `next_cursor`.",
    }),
    head: z
      .object({ seq: z.int(), hash: z.string() })
      .openapi({ description: "The last entry that is as it was. Remember it for `expect_seq`." }),
    broken: z
      .union([
        z.object({
          seq: z.int(),
          fault: z.enum(["changed", "rewritten", "missing"]),
          detail: z.string(),
        }),
        z.null(),
      ])
      .openapi({ description: "The first entry that is not as it was." }),
    next_cursor: z.string().nullable(),
  })
  .openapi("AuditVerification");
export type Verification = z.output<typeof verificationSchema>;
