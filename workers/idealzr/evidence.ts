/**
 * What a definition says of the evidence that its outcomes are for a hypothesis or an idea of
 * IDEALZR. Tasks, pipelines and agents share it. Pure.
 */
import { z } from "@hono/zod-openapi";

export const OUTCOMES = ["completed", "failed", "cancelled"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** IDEALZR's own. */
const EVIDENCE_TYPES = [
  "data",
  "research",
  "interview",
  "experiment",
  "observation",
  "document",
  "expert",
  "anecdote",
] as const;
const STRENGTHS = ["weak", "moderate", "strong", "definitive"] as const;

const PATH = /^(?:[\w-]+|\[\d+\])(?:\.[\w-]+|\[\d+\])*$/;
const IMPACT = 0.1;
const reference = z.string().min(1).max(200);

/** `impact` is what the outcome weighs unless it says so itself. */
const evidenceOf = (supports: boolean, impact: number) =>
  z.strictObject({
    evidence_type: z.enum(EVIDENCE_TYPES).default("experiment"),
    strength: z.enum(STRENGTHS).default("moderate"),
    supports_hypothesis: z.boolean().default(supports),
    confidence_impact: z.number().min(-1).max(1).default(impact).openapi({
      description:
        "How far the confidence moves, in the direction of `supports_hypothesis`; 0 leaves it to the strength.",
    }),
    description: z.string().min(1).max(10_000).nullish(),
    tags: z.array(z.string().min(1).max(100)).max(20).default([]),
    data_value: z
      .string()
      .max(500)
      .regex(PATH, "Give a path into the result, as `score` or `runs[0].seconds`.")
      .nullish()
      .openapi({ description: "Path of a number in the result, which is sent with it." }),
  });

export const evidenceSchema = z
  .strictObject({
    hypothesis_id: reference.nullish(),
    idea_id: reference.nullish(),
    title: z.string().min(1).max(255).nullish(),
    on: z
      .strictObject({
        completed: evidenceOf(true, IMPACT).nullable().prefault({}),
        failed: evidenceOf(false, -IMPACT).nullable().prefault({}),
        cancelled: evidenceOf(false, -IMPACT).nullable().default(null),
      })
      .prefault({})
      .openapi({ description: "By outcome; null for one that is no evidence." }),
  })
  .refine(({ hypothesis_id, idea_id }) => (hypothesis_id ?? idea_id ?? null) !== null, {
    message: "Name the hypothesis_id or the idea_id that it is evidence for.",
  })
  .openapi("Evidence", {
    description:
      "What is told to IDEALZR when a run ends, or an agent is terminated. POST /integrations/idealzr/preview shows it.",
  });
export type EvidenceSpec = z.output<typeof evidenceSchema>;
