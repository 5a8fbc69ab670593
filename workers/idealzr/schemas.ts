/** The wire shapes of the preview of evidence. */
import { z } from "@hono/zod-openapi";
import { idSchema, jsonSchema } from "../http/schemas.ts";
import { OUTCOMES } from "./evidence.ts";
import { EVIDENCE_KINDS } from "./mapping.ts";

export const previewEvidenceSchema = z
  .strictObject({
    kind: z.enum(EVIDENCE_KINDS),
    id: idSchema,
    run: z.int().min(1).nullish().openapi({ description: "The newest unless said." }),
    outcome: z
      .enum(OUTCOMES)
      .nullish()
      .openapi({ description: "In place of what the run came to, or has not come to yet." }),
  })
  .openapi("PreviewEvidence");
export type PreviewEvidence = z.output<typeof previewEvidenceSchema>;

export const evidencePreviewSchema = z
  .object({
    outcome: z.enum(OUTCOMES).nullable(),
    method: z.literal("POST"),
    path: z.string(),
    body: z.record(z.string(), jsonSchema).nullable().openapi({
      description: "Exactly what IDEALZR is sent; null for nothing.",
    }),
    reason: z.string().nullable().openapi({ description: "Why nothing is sent." }),
  })
  .openapi("EvidencePreview");
