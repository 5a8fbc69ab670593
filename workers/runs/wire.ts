/** Wire shapes of what every resource with runs shows. */
import { z } from "@hono/zod-openapi";
import { usageSchema } from "../executors/detached.ts";
import { TASK_TYPES } from "../executors/port.ts";
import { timestamp, timestampOrNull, timestampSchema } from "../http/schemas.ts";
import type { MountedCodebase, PinnedCodebase } from "./codebases.ts";
import type { ArtifactSummary } from "./store-types.ts";
import type { StepError } from "./types.ts";
import type { AttemptView } from "./views.ts";

/** A query parameter that counts from 1. */
export const ordinal = (message: string) =>
  z
    .string()
    .regex(/^[1-9]\d{0,8}$/, message)
    .transform(Number);

/** `?run=`. */
export const runParameter = ordinal("Send the number of a run, from 1.")
  .optional()
  .openapi({ type: "integer", minimum: 1, description: "The newest unless said." });

export const runQuery = z.strictObject({ run: runParameter });

export const fileEntrySchema = z.object({ path: z.string(), bytes: z.int() });

/** A file that a step kept. */
export const artifactSchema = fileEntrySchema.extend({
  sha256: z.string().nullable().openapi({
    description: "Of its content, in hex; null for a file kept before it was computed.",
  }),
});

export const artifactListSchema = z
  .object({ items: z.array(artifactSchema) })
  .openapi("ArtifactList");

/** `?path=` of a file that was kept. */
export const pathQuery = z.strictObject({ path: z.string().min(1).max(1_000) });

export const FILE_RESPONSE = {
  description: "The file.",
  content: { "application/octet-stream": z.string() },
};

export function toArtifact(kept: ArtifactSummary): z.output<typeof artifactSchema> {
  return { path: kept.path, bytes: kept.bytes, sha256: kept.sha256 };
}

export const pinnedCodebaseSchema = z
  .object({
    codebase_id: z.string(),
    name: z.string(),
    snapshot: z.int().openapi({ description: "Number of the snapshot." }),
    ref: z.string().nullable(),
    commit: z.string().nullable(),
    folder: z.string().openapi({ description: "Of the codebase; empty for all of it." }),
    root: z.string().openapi({ description: "OID of the tree, as git has it." }),
    files: z.int(),
    bytes: z.int(),
    left_out: z.object({ files: z.int(), paths: z.array(z.string()) }).openapi({
      description:
        "What is not mounted: files above 8 MiB, whose content is not kept, and links that lead outside. How many, and the first of them.",
    }),
  })
  .openapi("PinnedCodebase");

export const mountedCodebaseSchema = pinnedCodebaseSchema
  .extend({ path: z.string().openapi({ description: "Folder of the workspace." }) })
  .openapi("MountedCodebase");

export function toPinned({
  left_out,
  ...pinned
}: PinnedCodebase): z.output<typeof pinnedCodebaseSchema> {
  return { ...pinned, left_out: { files: left_out.files, paths: [...left_out.paths] } };
}

export function toMounted(mounted: MountedCodebase): z.output<typeof mountedCodebaseSchema> {
  return { ...toPinned(mounted), path: mounted.path };
}

export const locationsSchema = z
  .array(
    z
      .object({
        path: z.string().openapi({ description: "In the codebase." }),
        line: z.int(),
        column: z.int().nullable(),
        snapshot: z.int(),
        url: z
          .string()
          .openapi({ description: "Of the file's content; the fragment is the line." }),
      })
      .openapi("SourceLocation"),
  )
  .openapi({ description: "Lines of the mounted codebase that the error points to, 20 at most." });

export function toLocations(error: StepError | null): z.output<typeof locationsSchema> {
  return (error?.locations ?? []).map((location) => ({ ...location }));
}

export const attemptSchema = z
  .object({
    run: z.int(),
    attempt: z.int(),
    epoch: z.int(),
    state: z.enum(["running", "completed", "failed", "cancelled", "lost"]),
    started_at: timestampSchema,
    completed_at: timestampSchema.nullable(),
    duration_ms: z.number().nullable(),
    exit_code: z.int().nullable(),
    error: z.string().nullable(),
    error_code: z.string().nullable(),
    executor: z.enum(TASK_TYPES).nullable().openapi({
      description: "What carried it out; null of a result from a cache, and of a sub-pipeline.",
    }),
    runner_id: z.string().nullable().openapi({
      description: "The companion runner that carried it out; null where none did.",
    }),
    usage: usageSchema.nullable().openapi({
      description:
        "What sandboxes of the attempt cost until its end was told, of a shared one its part. After a stop that E2B did not confirm it comes once the sandbox is dead.",
    }),
  })
  .openapi("Attempt");

export const attemptListSchema = z.object({ items: z.array(attemptSchema) }).openapi("AttemptList");

export function toAttempt(view: AttemptView): z.output<typeof attemptSchema> {
  return {
    run: view.run,
    attempt: view.attempt,
    epoch: view.epoch,
    state: view.state,
    started_at: timestamp(view.started_at),
    completed_at: timestampOrNull(view.completed_at),
    duration_ms: view.completed_at === null ? null : view.completed_at - view.started_at,
    exit_code: view.exit_code,
    error: view.error?.message ?? null,
    error_code: view.error?.code ?? null,
    executor: view.executor,
    runner_id: view.runner_id,
    usage: view.usage,
  };
}
