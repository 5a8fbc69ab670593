/**
 * What a child tells its parent: one JSON array a line. The parent treats every frame as untrusted,
 * since the task's code shares the child's isolate.
 */
import { FAILURE_REASONS, type FailureReason, type Json } from "../port.ts";

/**
 * A header of the request that holds a `ChildRequest` as JSON when it is short, in place of a body:
 * most are, and a header is read at once.
 */
export const REQUEST_HEADER = "x-request";
/** Far below what a header may hold anywhere. */
export const MAX_HEADER_CHARS = 4096;

/**
 * A header of a request whose body is a `ChildRequest` as JSON of so many bytes, and after it the
 * archive of its tree, gzipped.
 */
export const TREE_HEADER = "x-request-bytes";
/** The most that a tree may take, unpacked: it is held in memory, beside what the code makes of it. */
export const MAX_LOCAL_TREE_BYTES = 48 * 1024 * 1024;

/**
 * A header of the answer that holds all frames of a short run, so that its parent need not read a
 * body. In place of line ends, which a header cannot hold, stand tabs, which JSON does not.
 */
export const FRAMES_HEADER = "x-frames";
export const FRAMES_SEPARATOR = "\t";

export type Frame =
  | readonly ["stdout" | "stderr", string]
  /** A part of an artifact in base64; the last part completes it. */
  | readonly ["artifact", path: string, part: string, isLast: boolean]
  | readonly ["completed", result: Json, exitCode: number]
  | readonly [
      "failed",
      reason: FailureReason,
      code: string,
      message: string,
      exitCode: number | null,
      result: Json,
    ]
  /** The process exited by itself with a code other than 0. */
  | readonly ["exited", result: Json, exitCode: number];

export type LastFrame = Exclude<Frame, readonly ["stdout" | "stderr" | "artifact", ...unknown[]]>;

/** What the parent asks of a child for one attempt. */
export interface ChildRequest {
  readonly inputs: Json;
  readonly environment: Readonly<Record<string, string>>;
  readonly files: Readonly<
    Record<
      string,
      { readonly content: string; readonly encoding: "utf8" | "base64"; readonly mode?: string }
    >
  >;
  /** Folder of the tree that comes with it; null for none. */
  readonly tree: string | null;
  /** Below the workspace root; `""` is the root. */
  readonly working_directory: string;
  readonly artifacts: readonly string[];
  readonly ref: {
    readonly resource_id: string;
    readonly run: number;
    readonly step: string;
    readonly attempt: number;
    readonly epoch: number;
  };
  /** ms since 1970 */
  readonly deadline_at: number;
  /** The shell script to run; null in a child that is the script. */
  readonly shell: string | null;
  /** Whether network commands exist. */
  readonly network: boolean;
}

const isReason = (value: unknown): value is FailureReason =>
  FAILURE_REASONS.some((reason) => reason === value);

/** Whether a parsed line is a frame. Its `result` came out of JSON.parse, so it is Json. */
export function isFrame(value: unknown): value is Frame {
  if (!Array.isArray(value)) return false;
  const [kind, first, second, third, fourth] = value;
  switch (kind) {
    case "stdout":
    case "stderr":
      return typeof first === "string";
    case "artifact":
      return typeof first === "string" && typeof second === "string" && typeof third === "boolean";
    case "completed":
    case "exited":
      return first !== undefined && Number.isSafeInteger(second);
    case "failed":
      return (
        isReason(first) &&
        typeof second === "string" &&
        typeof third === "string" &&
        (fourth === null || Number.isSafeInteger(fourth)) &&
        value[5] !== undefined
      );
    default:
      return false;
  }
}
