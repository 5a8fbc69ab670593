/** What a bundle of a session may hold: it comes from outside, and nothing in it is trusted unread. */
import { z } from "zod";
import { NOTHING_USED } from "../accounts.ts";
import { BUDGET_NAMES, STOP_REASONS } from "../machine/types.ts";
import { parseJson } from "../models/complete.ts";
import { modelMessageSchema } from "../models/messages.ts";
import { agentSpecSchema } from "../spec.ts";

export const BUNDLE_FORMAT = "pipelzr.session/1";

const count = z.int().min(0);
const nullableCount = count.nullable();
const text = z.string();
const error = z.strictObject({ code: text, message: text });
const mode = z.enum(["boundary", "now"]);

const input = z.strictObject({
  kind: z.enum(["message", "compaction"]),
  id: text,
  is_urgent: z.boolean(),
});

const call = z.strictObject({
  id: text,
  name: text,
  recovery: z.enum(["rerun", "report", "ask", "attach"]),
  is_parallel: z.boolean(),
  digest: text,
  status: z.enum(["ready", "interrupted", "approval", "input", "answered"]),
  is_resting: z.boolean().default(false),
  epoch: nullableCount,
  expires_at: nullableCount,
});

/** Of a turn of a session at rest: nothing of it runs. */
const work = z.discriminatedUnion("status", [
  z.strictObject({ status: z.literal("due") }),
  z.strictObject({ status: z.literal("backoff"), retry_at: count }),
  z.strictObject({ status: z.literal("calls"), calls: z.array(call) }),
]);

const limit = z.number().min(0).nullable();

export const stateSchema = z.strictObject({
  phase: z.enum(["created", "ready", "error", "terminated"]),
  settings: z.strictObject({
    max_steps: count.min(1),
    turn_timeout_ms: z.number().positive().nullable(),
    max_parallel_tools: count.min(1).max(10),
    approval_timeout_ms: z.number().positive().nullable(),
    max_failures: count.min(1),
    /** A sub-agent that is taken in is one no more. */
    is_slotted: z.boolean().transform(() => true),
  }),
  epoch: count,
  preparing: z.null(),
  error: error.nullable(),
  pause: z.strictObject({ mode, is_reached: z.boolean() }).nullable(),
  queue: z.array(input),
  turn: z
    .strictObject({
      number: count,
      input,
      step: count,
      attempt: count,
      work,
      compacted_step: nullableCount,
      blocked_by: z.array(z.enum([...BUDGET_NAMES, "pool"])),
      active_before_ms: z.number(),
    })
    .nullable(),
  turns: count,
  last_turn: z
    .strictObject({ number: count, stop_reason: z.enum(STOP_REASONS), error: error.nullable() })
    .nullable(),
  slot: z.literal("none"),
  clock: z.strictObject({ active_ms: z.number(), since: z.null() }),
  budget: z.strictObject({
    limits: z.strictObject({
      usd_nanos: limit,
      tokens: limit,
      steps: limit,
      active_ms: limit,
      sandbox_ms: limit,
    }),
    spent: z.strictObject({
      usd_nanos: z.number(),
      tokens: z.number(),
      steps: count,
      sandbox_ms: z.number(),
    }),
    holds: z.array(z.never()),
    pool: z.array(z.never()),
  }),
  failures: count,
  is_disposed: z.boolean(),
  stopping: z.array(z.never()),
  seed: count,
});

export const headerSchema = z
  .strictObject({
    format: z.literal(BUNDLE_FORMAT),
    spec: agentSpecSchema,
    defaults: z.strictObject({ max_iterations: count, timeout_seconds: z.number().positive() }),
    created_at: count,
    state: stateSchema,
    progress: z.strictObject({
      changed_seq: count,
      updated_at: count,
      started_at: nullableCount,
      last_active_at: nullableCount,
      terminated_at: nullableCount,
      error_count: count,
      input_tokens: count,
      output_tokens: count,
      cached_input_tokens: count,
      is_partly_unknown: z.boolean(),
      pooled: z
        .strictObject({
          usd_nanos: count,
          tokens: count,
          sandbox_ms: z.number().min(0),
          input_tokens: count,
          output_tokens: count,
          cached_input_tokens: count,
        })
        .default(NOTHING_USED),
      charges: z.array(text).readonly(),
      calibration: z.strictObject({ model: text, input_tokens: count, bytes: count }).nullable(),
      too_long: z.strictObject({ model: text, tokens: count }).nullable(),
    }),
    /** What it was initialized with; its tools are prepared anew. */
    setup: z
      .strictObject({
        model: text,
        skills: z.array(z.strictObject({ slug: text, version: text, digest: text })),
        instructions: text.nullable(),
      })
      .nullable(),
  })
  .refine(({ state, setup }) => state.phase !== "ready" || setup !== null, {
    path: ["setup"],
    message: "A session that is ready has one.",
  });
export type BundleHeader = z.output<typeof headerSchema>;

const json = z.string().refine((written) => parseJson(written) !== undefined, "It is no JSON.");
const nullableText = text.nullable();

const message = z
  .strictObject({
    seq: count,
    id: text,
    at: count,
    turn: nullableCount,
    step: nullableCount,
    role: z.enum(["user", "assistant", "tool", "summary"]),
    state: z.enum(["queued", "taken", "cut", "rolled_back"]),
    content: json,
    attachments: json.refine((written) => z.array(text).safeParse(parseJson(written)).success),
    answers: nullableText,
    fingerprint: nullableText,
    through: nullableCount,
  })
  .refine(({ role, content }) => {
    const told = { role: role === "summary" ? "assistant" : role, content: parseJson(content) };
    return modelMessageSchema.safeParse(told).success;
  }, "Its content is that of no message.");

const turn = z.strictObject({
  number: count,
  input_kind: input.shape.kind,
  input_id: text,
  started_at: count,
  ended_at: nullableCount,
  stop_reason: z.enum(STOP_REASONS).nullable(),
});

const ref = { turn: count, step: count };

const storedCall = z.strictObject({
  ...ref,
  call: text,
  place: count,
  name: text,
  input: json,
  digest: text,
  problem: nullableText,
  requested_at: nullableCount,
  is_rerun: count,
  outcome: nullableText,
});

const ledger = z.strictObject({
  ...ref,
  /** Of what a sub-agent has used it is below 0. */
  epoch: z.int(),
  seq: nullableCount,
  at: nullableCount,
  attempt: count,
  model: text,
  is_priced: count,
  input_tokens: nullableCount,
  output_tokens: nullableCount,
  cached_input_tokens: nullableCount,
  usd_nanos: nullableCount,
  is_assumed: count,
  agent_id: nullableText.default(null),
});

const event = z.strictObject({
  seq: count,
  at: count,
  type: text,
  turn: nullableCount,
  epoch: nullableCount,
  data: json,
});

/** The members of each are the columns that are written out. */
export const ROWS = { messages: message, turns: turn, calls: storedCall, ledger, events: event };

export const rowSchema = z.discriminatedUnion("table", [
  z.strictObject({ table: z.literal("messages"), row: message }),
  z.strictObject({ table: z.literal("turns"), row: turn }),
  z.strictObject({ table: z.literal("calls"), row: storedCall }),
  z.strictObject({ table: z.literal("ledger"), row: ledger }),
  z.strictObject({ table: z.literal("events"), row: event }),
]);
export type BundleRow = z.output<typeof rowSchema>;

/** Who takes a bundle in, and as what. */
export const importSchema = z.strictObject({
  id: text,
  project_id: text,
  caller: z.strictObject({ by: text, grants: z.array(text) }),
});
export type ImportTarget = z.output<typeof importSchema>;
