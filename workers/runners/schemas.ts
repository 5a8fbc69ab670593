/** The wire form of runners, and of what runners ask for themselves. */
import { z } from "@hono/zod-openapi";
import { TASK_TYPES } from "../executors/port.ts";
import { exchangeRequestSchema } from "../executors/runner/protocol.ts";
import { isWorkspacePath } from "../executors/workspace-path.ts";
import { listOf, projectIdSchema, timestampSchema } from "../http/schemas.ts";

const name = z.string().trim().min(1).max(100);
const taskType = z.enum(TASK_TYPES);

export const runnerSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    project_id: z
      .string()
      .nullable()
      .openapi({ description: "null for a shared runner, which serves all projects." }),
    shared: z.boolean(),
    state: z.enum(["pending", "offline", "connected", "unknown", "revoked"]).openapi({
      description:
        "`pending`: its registration token has not been used yet. `unknown`: its pool does not answer now.",
    }),
    machine: z.string().nullable().openapi({ description: "What it calls its machine." }),
    version: z.string().nullable(),
    labels: z.array(z.string()).openapi({ description: "What `runs_on` asks for." }),
    task_types: z.array(taskType).openapi({ description: "What it can run now." }),
    unavailable: z
      .record(z.string(), z.string())
      .openapi({ description: "Task types that it was started for and cannot run now, with why." }),
    slots: z.int().openapi({ description: "Attempts that it runs at once." }),
    running: z.int(),
    draining: z.boolean().openapi({ description: "It takes nothing more." }),
    last_seen: timestampSchema.nullable(),
    created_by: z.string(),
    created_at: timestampSchema,
    registered_at: timestampSchema.nullable(),
    revoked_at: timestampSchema.nullable(),
  })
  .openapi("Runner");

export const createdRunnerSchema = runnerSchema
  .extend({
    token: z.string().nullable().openapi({
      description:
        "Registers one runner, once. It is shown once: a repeated request with the same Idempotency-Key is answered with null.",
    }),
    token_expires_at: timestampSchema,
    command: z.string().nullable().openapi({
      description:
        "Starts the runner, in a copy of this repository, for the kinds of task that are enabled: with `--allow-subprocess` it runs processes of its machine.",
    }),
  })
  .openapi("CreatedRunner");

export const runnerListSchema = listOf(runnerSchema).openapi("RunnerList");

export const createRunnerSchema = z
  .strictObject({
    name,
    project_id: projectIdSchema.optional(),
    shared: z.boolean().default(false).openapi({
      description: "Serves all projects; for callers of all projects.",
    }),
  })
  .refine((body) => !(body.shared && body.project_id !== undefined), {
    path: ["shared"],
    message: "A shared runner has no project; send project_id or shared, not both.",
  })
  .openapi("CreateRunner");

export const registerSchema = z
  .strictObject({
    token: z.string().max(200),
    public_key: z.string().max(200).openapi({
      description: "Ed25519: its 32 bytes, or their DER form (SPKI), in base64 or base64url.",
    }),
    name: z.string().trim().max(200).openapi({ description: "What the runner calls its machine." }),
  })
  .openapi("RegisterRunner");

export const registeredSchema = z
  .object({
    runner_id: z.string(),
    pool: z.string().openapi({ description: "The pool that it belongs to." }),
    project_id: z.string().nullable().openapi({ description: "Null for the shared pool." }),
  })
  .openapi("RegisteredRunner");
export type RegisteredRunner = Readonly<z.output<typeof registeredSchema>>;

/** An attempt, as its runner names it in a query. */
const attemptQuery = {
  attempt: z.string().min(1).max(200),
  epoch: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, "Send the epoch of the assignment.")
    .transform(Number)
    .openapi({ type: "integer", minimum: 1 }),
};

export const blobQuery = z.strictObject({
  ...attemptQuery,
  key: z.string().min(1).max(1024).openapi({ description: "One that the assignment names." }),
});

export const artifactQuery = z.strictObject({
  ...attemptQuery,
  path: z
    .string()
    .max(700)
    .refine(
      (path) => isWorkspacePath(path) && path.isWellFormed(),
      'Send a relative path without "." and ".." parts.',
    ),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "Send the SHA-256 in hex.")
    .optional()
    .openapi({ description: "Of the content. With it, a large file is stored in one go." }),
});

/** What frames hold is described by the protocol, not by the API. */
const frame = z.looseObject({ type: z.string() });
export const exchangeDocument = z
  .object({
    session: z.string().min(8).max(100).openapi({ description: "Names one connection." }),
    frames: z.array(frame),
    wait_ms: exchangeRequestSchema.shape.wait_ms,
    ends: z.boolean().optional().openapi({
      description: "The runner's process ends: the session is over once the frames are heard.",
    }),
  })
  .openapi("RunnerExchange");
export const exchangeReply = z.object({ frames: z.array(frame) }).openapi("RunnerExchangeReply");

export type CreateRunner = z.output<typeof createRunnerSchema>;
export type RegisterRunner = z.output<typeof registerSchema>;
export type RunnerDocument = z.output<typeof runnerSchema>;
export type CreatedRunner = z.output<typeof createdRunnerSchema>;
