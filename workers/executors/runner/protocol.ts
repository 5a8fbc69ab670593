/**
 * What the pool and a companion runner say to each other: JSON frames over a WebSocket, or the same
 * frames by long-poll. Both sides import this file; a change that an older side cannot read raises
 * `PROTOCOL_VERSION`, and the pool refuses a hello of another version with the reason.
 */
import { z } from "zod";
import { FAILURE_REASONS, type Json, LANGUAGES, MAX_RESULT_BYTES, TASK_TYPES } from "../port.ts";

export const PROTOCOL_VERSION = 2;
/** How often a runner says what it has under way. */
export const HEARTBEAT_MS = 3_000;
/** An attempt whose runner has been silent for this long is lost. */
export const LEASE_MS = 10_000;
/** The longest that output stays in the runner before it is sent. */
export const LOG_FLUSH_MS = 25;
/** Between the signal to end and the kill. */
export const GRACE_MS = 1_000;
/** The most text of one frame of output. */
export const MAX_LOG_FRAME_CHARS = 64 * 1024;
/**
 * The most that one exchange by long-poll may hold: any one frame, the largest being the end of an
 * attempt with its result, and the rest of what a runner says in the meantime.
 */
export const MAX_EXCHANGE_BYTES = MAX_RESULT_BYTES + 8 * 1024 * 1024;
/** The code that a runner closes its WebSocket with when its process ends. */
export const CLOSE_ENDED = 4000;
/** How long an exchange by long-poll waits for frames. */
export const POLL_WAIT_MS = 25_000;

/** A label of a runner, which tasks ask for by `runs_on`; labels are compared as they are, case and all. */
export const RUNNER_LABEL = /^[\w.:-]{1,63}$/;
export const RUNNER_LABEL_RULE =
  "Use 1 to 63 letters (A to Z, a to z), digits, dots, colons, dashes and underscores.";

export const MAX_LABELS = 50;

/** What is said of labels that no task could ask for. */
export function labelProblem(labels: readonly string[]): string {
  const named = labels.map((label) => JSON.stringify(label)).join(", ");
  return `cannot hold ${named}: no task could ask for it. ${RUNNER_LABEL_RULE}`;
}

/** One dispatch: `attempt` names the step of a run, `epoch` its dispatch. */
const dispatched = { attempt: z.string().min(1).max(200), epoch: z.int().positive() };
export type Dispatched = z.output<z.ZodObject<typeof dispatched>>;
/** Names a dispatch; the same as `dispatchKey` does where there is its reference. */
export function dispatchedKey({ attempt, epoch }: Dispatched): string {
  return `${attempt}/${epoch}`;
}

/** Of entries of output of the dispatch, files or bytes. */
const count = z.int().nonnegative();

/** A frame comes out of JSON.parse, so that any value in it is JSON. */
const jsonSchema = z.custom<Json>((value) => value !== undefined, "A value is missing.");

const inlineFile = z.object({
  content: z.string(),
  encoding: z.enum(["utf8", "base64"]),
  mode: z.string().exactOptional(),
});

const workSchema = z.object({
  task_type: z.enum(TASK_TYPES),
  command: z.string().nullable(),
  script: z.string().nullable(),
  language: z.enum(LANGUAGES),
  inputs: jsonSchema,
  environment: z.record(z.string(), z.string()),
  secrets: z.array(z.string()),
  files: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("inline"), entries: z.record(z.string(), inlineFile) }),
    z.object({ kind: z.literal("stored"), key: z.string(), bytes: z.number() }),
  ]),
  mounts: z.array(z.object({ path: z.string(), key: z.string() })),
  tree: z
    .object({ path: z.string(), key: z.string(), files: count, bytes: count })
    .nullable()
    .exactOptional(),
  working_directory: z.string().nullable(),
  network: z.object({ allow: z.array(z.string()) }),
  artifacts: z.array(z.string()),
  isolation: z.enum(["shared", "fresh"]),
  outputs: jsonSchema,
  image: z.string().nullable(),
  template: z.string().nullable(),
});

const outcomeSchema = z.discriminatedUnion("status", [
  z.object({
    status: z.literal("completed"),
    exit_code: z.int().nullable(),
    result: jsonSchema,
  }),
  z.object({
    status: z.literal("failed"),
    reason: z.enum(FAILURE_REASONS),
    exit_code: z.int().nullable(),
    code: z.string(),
    message: z.string(),
    result: jsonSchema,
  }),
  z.object({ status: z.literal("cancelled") }),
]);

/** An attempt that the runner has: `output` is how many entries it has produced. */
const held = z.object({ ...dispatched, output: count });
export type Held = z.output<typeof held>;

export const fromRunnerSchema = z.discriminatedUnion("type", [
  /** The first frame of every connection. */
  z.object({
    type: z.literal("hello"),
    protocol: z.int(),
    version: z.string().max(100),
    /** Names one life of the runner's process. */
    boot_id: z.string().max(100),
    labels: z.array(z.string().max(200)).max(MAX_LABELS),
    /** What it can run now; an engine that does not answer takes `dagger` out. */
    task_types: z.array(z.enum(TASK_TYPES)),
    /** Of each type that it was started for and cannot run now, why. */
    unavailable: z.partialRecord(z.enum(TASK_TYPES), z.string().max(2_000)),
    slots: z.int().positive().max(1_000),
    running: z.array(held),
  }),
  /** Renews the lease of what it names; what it does not name it does not have. */
  z.object({
    type: z.literal("heartbeat"),
    running: z.array(held),
    task_types: z.array(z.enum(TASK_TYPES)),
    unavailable: z.partialRecord(z.enum(TASK_TYPES), z.string().max(2_000)),
    /** Takes nothing more. */
    draining: z.boolean(),
  }),
  z.object({ type: z.literal("started"), ...dispatched }),
  /** `from` counts the entries before these. */
  z.object({
    type: z.literal("log"),
    ...dispatched,
    from: count,
    entries: z.array(z.tuple([z.enum(["stdout", "stderr"]), z.string()])),
  }),
  /** Sent again until it is acknowledged; the pool takes it when all `output` has come. */
  z.object({ type: z.literal("complete"), ...dispatched, output: count, outcome: outcomeSchema }),
  /** It does not take the assignment; the pool offers it elsewhere. */
  z.object({ type: z.literal("rejected"), ...dispatched, reason: z.string().max(2_000) }),
]);
export type FromRunner = z.output<typeof fromRunnerSchema>;

export const toRunnerSchema = z.discriminatedUnion("type", [
  /** The answer to a hello. Of what it has running it goes on with `resumed`, and kills the rest. */
  z.object({
    type: z.literal("welcome"),
    protocol: z.int(),
    runner_id: z.string(),
    pool: z.string(),
    heartbeat_ms: z.int(),
    lease_ms: z.int(),
    /** `output` entries are on the disk; the runner sends what follows. */
    resumed: z.array(held),
  }),
  z.object({
    type: z.literal("assign"),
    ...dispatched,
    ref: z.object({
      resource_id: z.string(),
      run: z.int(),
      step: z.string(),
      attempt: z.int(),
      epoch: z.int(),
    }),
    project_id: z.string(),
    /** The attempt's time from its start: clocks may differ. */
    timeout_ms: z.int().positive(),
    work: workSchema,
    /** Values of the secrets that the work names. */
    secrets: z.record(z.string(), z.string()),
  }),
  z.object({ type: z.literal("log_ack"), ...dispatched, output: count }),
  z.object({ type: z.literal("complete_ack"), ...dispatched }),
  z.object({
    type: z.literal("cancel"),
    ...dispatched,
    reason: z.enum(["cancel", "timeout"]),
    grace_ms: z.int(),
  }),
  /** The dispatch is not wanted any more: kill it and report nothing. */
  z.object({ type: z.literal("fenced"), ...dispatched }),
  /** Said before the connection is closed for good: the runner ends with the message. */
  z.object({ type: z.literal("refused"), code: z.string(), message: z.string() }),
]);
export type ToRunner = z.output<typeof toRunnerSchema>;

/** Body of `POST /api/v1/runner/exchange`, where no WebSocket gets through, and of its answer. */
export const exchangeRequestSchema = z.object({
  /** Names one connection; another one takes its place. */
  session: z.string().min(8).max(100),
  /** Each is a frame; one that is none is refused as over a WebSocket. */
  frames: z.array(z.unknown()),
  /** Waits for frames for up to this long when there are none. */
  wait_ms: z.int().nonnegative().max(POLL_WAIT_MS),
  /** The runner's process ends: the session is over once the frames are heard. */
  ends: z.boolean().exactOptional(),
});
export const exchangeAnswerSchema = z.object({ frames: z.array(toRunnerSchema) });

/**
 * Requests of a runner are signed with its Ed25519 key: `Authorization: PIPELZR-Runner
 * id=<runner id>,ts=<unix seconds>,nonce=<16 bytes hex>,sig=<base64url>` over this text.
 * `path` is with its query, as it is sent. `sha256` is the hex digest of the body, also of an empty
 * one; "-" for a streamed one and for the WebSocket upgrade.
 */
export function signedText(
  method: string,
  path: string,
  timestamp: string,
  nonce: string,
  sha256: string,
): string {
  return ["pipelzr-runner-1", method, path, timestamp, nonce, sha256].join("\n");
}
/** How far the clocks of a runner and the service may be apart. */
export const SIGNATURE_WINDOW_SECONDS = 300;

/** Paths of the runner's own API, below the service's address. */
export const RUNNER_PATHS = {
  /** `POST {token, public_key, name}` with a one-time token; answers `{runner_id, pool}`. */
  register: "/api/v1/runner/register",
  /** WebSocket. */
  connect: "/api/v1/runner/connect",
  exchange: "/api/v1/runner/exchange",
  /** `GET ?attempt=&epoch=&key=`: a blob of an attempt's files. */
  blobs: "/api/v1/runner/blobs",
  /**
   * `PUT ?attempt=&epoch=&path=`: keeps a file; answers 204, 409 when fenced. With `&sha256=`, the
   * content's digest in hex, a large one is stored in one go.
   */
  artifacts: "/api/v1/runner/artifacts",
} as const;
