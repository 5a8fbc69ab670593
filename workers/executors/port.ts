/**
 * What the run engine asks of anything that can execute code. Every executor passes the contract
 * suite in `contract.ts`; the engine knows no executor by name.
 */

import type { Json } from "../http/json.ts";

export const TASK_TYPES = ["local", "dagger", "e2b", "subprocess"] as const;
export type TaskType = (typeof TASK_TYPES)[number];

export const LANGUAGES = ["javascript", "typescript", "python", "bash"] as const;
export type Language = (typeof LANGUAGES)[number];

export type { Json };

/** A file given with the task. `mode` is the octal permission string, `"0755"` for an executable. */
export interface InlineFile {
  readonly content: string;
  readonly encoding: "utf8" | "base64";
  readonly mode?: string;
}

/** Files travel in the run's row while small; larger sets are one JSON object in the blob store. */
export type FileSet =
  | { readonly kind: "inline"; readonly entries: Readonly<Record<string, InlineFile>> }
  | { readonly kind: "stored"; readonly key: string; readonly bytes: number };

/** A blob that stands in the workspace as a file, as it is. */
export interface Mount {
  /** Relative to the workspace root. */
  readonly path: string;
  readonly key: string;
}

/** A tree of files that stands in the workspace and cannot be changed there. */
export interface MountedTree {
  /** Its folder, relative to the workspace root, in which nothing else stands. */
  readonly path: string;
  /** Of the archive (`tree-archive.ts`), gzipped. What a key names never changes. */
  readonly key: string;
  readonly files: number;
  /** Of all files, unpacked. */
  readonly bytes: number;
}

/** One unit of code to execute, complete but for the values of its secrets. */
export interface Work {
  readonly task_type: TaskType;
  /** A shell line; null when `script` is set. */
  readonly command: string | null;
  /** Source text in `language`; null when `command` is set. */
  readonly script: string | null;
  readonly language: Language;
  readonly inputs: Json;
  /** Plain values, or exactly `${{ secrets.NAME }}`, which the executor resolves. */
  readonly environment: Readonly<Record<string, string>>;
  /** Names of secrets that become environment variables of the same name. */
  readonly secrets: readonly string[];
  readonly files: FileSet;
  /** Over `files`, the later over the earlier: what earlier steps kept. */
  readonly mounts: readonly Mount[];
  /** Null, or left out, for none. */
  readonly tree?: MountedTree | null;
  /** Relative to the workspace root; null is the root. */
  readonly working_directory: string | null;
  readonly network: { readonly allow: readonly string[] };
  /** Globs, relative to the working directory, of files to keep after the attempt. */
  readonly artifacts: readonly string[];
  readonly isolation: "shared" | "fresh";
  /** JSON Schema (2020-12) that `result` must satisfy; null for no check. */
  readonly outputs: Json;
  /** Container image (`dagger`) and sandbox template (`e2b`); null for the backend's default. */
  readonly image: string | null;
  readonly template: string | null;
  /** `run`: steps of one run that ask for it share a sandbox (`e2b`); without, it has its own. */
  readonly sandbox?: { readonly reuse: "run" } | null;
  /** What the code may invoke as `ctx.skills` (`local`); null, or left out, for nothing. */
  readonly skills?: SkillGrant | null;
}

/** The skills that code may invoke, and on whose behalf. */
export interface SkillGrant {
  /** Slugs of those that it declares. */
  readonly allow: readonly string[];
  /** Slugs of the invocations under way, the outermost first, its own last. */
  readonly chain: readonly string[];
  /** Scopes of whoever invoked the outermost: nothing below may need more. */
  readonly grants: readonly string[];
  /** Who that was, as `kind:id`. */
  readonly invoked_by: string;
}

/** One HTTP request in place of code. */
export interface HttpCall {
  readonly via: "http";
  readonly method: string;
  readonly url: string;
  /** Plain values, or exactly `${{ secrets.NAME }}`. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text; null for none. */
  readonly body: string | null;
  readonly response: "json" | "text";
  readonly select: "body" | "all";
  /** Host rules; redirects are held to them too. */
  readonly allow: readonly string[];
  readonly outputs: Json;
}

/** One answer of a model in place of code. */
export interface ModelCall {
  readonly via: "model";
  /** Null for the deployment's default. */
  readonly model: string | null;
  readonly instructions: string | null;
  readonly prompt: string;
  readonly temperature: number | null;
  readonly max_output_tokens: number;
  /** JSON Schema of the answer; null for text. */
  readonly outputs: Json;
}

/** Something outside that is asked once, complete but for the values of its secrets. */
export type Call = HttpCall | ModelCall;

/**
 * Names one try at one step. `attempt` counts the retry policy's tries from 1; `epoch` rises with
 * every dispatch and is minted by the coordinator alone, so that a late report is recognised.
 */
export interface AttemptRef {
  readonly resource_id: string;
  readonly run: number;
  readonly step: string;
  readonly attempt: number;
  readonly epoch: number;
}

interface Attempt {
  readonly ref: AttemptRef;
  readonly project_id: string;
  /** Wall clock, ms since 1970, at which the engine aborts the attempt. */
  readonly deadline_at: number;
  /** The whole time of the attempt, of which some has passed when its executor gets it. */
  readonly timeout_ms: number;
}

export interface AttemptRequest extends Attempt {
  readonly work: Work;
}

export interface CallRequest extends Attempt {
  readonly call: Call;
}

export type LogStream = "stdout" | "stderr";

/** Where an executor reports while it runs. Everything handed over is masked already. */
export interface AttemptSink {
  /** Appends output in order. Chunks are valid UTF-8 and end anywhere. */
  log(stream: LogStream, text: string): void;
  /** Keeps one artifact; resolves when it is stored. `path` is relative to the working directory. */
  artifact(path: string, body: Uint8Array): Promise<void>;
}

/** Why an attempt did not complete, in the terms of a retry policy's `on`. */
export const FAILURE_REASONS = ["exit", "timeout", "lost", "error"] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];

export type Outcome =
  | { readonly status: "completed"; readonly exit_code: number | null; readonly result: Json }
  | {
      readonly status: "failed";
      readonly reason: FailureReason;
      readonly exit_code: number | null;
      /** Stable snake_case code, such as `exit_nonzero`, `timeout`, `secret_not_found`, `output_invalid`. */
      readonly code: string;
      /** What happened and what to do about it. */
      readonly message: string;
      readonly result: Json;
    }
  | { readonly status: "cancelled" };

/** The `reason` of the AbortSignal given to `run`. */
export type StopReason = "timeout" | "cancel";

export interface Executor {
  readonly type: TaskType;
  /**
   * Executes one attempt to its end. Resolves, never rejects, and only once the code has stopped:
   * after an abort with `"cancel"` the outcome is `cancelled`, with `"timeout"` it is `failed`
   * with reason `timeout`.
   */
  run(request: AttemptRequest, sink: AttemptSink, signal: AbortSignal): Promise<Outcome>;
}

/** Like an executor, of calls. */
export interface Caller {
  run(request: CallRequest, sink: AttemptSink, signal: AbortSignal): Promise<Outcome>;
}

/** Resolves secret names of a project to their values; a name that does not exist is left out. */
export interface SecretResolver {
  resolve(projectId: string, names: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

/** `result` up to this many bytes of JSON stays in the run's row; a larger one goes to the blob store. */
export const MAX_INLINE_RESULT_BYTES = 64 * 1024;
/** The most that one attempt may return as `result`. */
export const MAX_RESULT_BYTES = 16 * 1024 * 1024;
/** The most that one attempt may log; past it a marker line is written and the rest is dropped. */
export const MAX_LOG_BYTES = 16 * 1024 * 1024;
/** The most that one attempt, of whichever executor, may keep as artifacts, all together. */
export const MAX_ARTIFACT_BYTES = 64 * 1024 * 1024;
