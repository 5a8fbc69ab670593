/** What the coordinator keeps of a resource and of its runs. Times are ms since 1970. */
import type { RunPlan, RunState, RunStatus, StepError, StoredResult } from "./types.ts";

/** A thing that has runs: a task, later a pipeline. `document` is its definition, the kind's own. */
export interface Resource {
  readonly id: string;
  readonly kind: string;
  readonly project_id: string;
  /** JSON text that the kind alone reads. */
  document: string;
  /** Rises with each edit of the document. */
  version: number;
  /** The newest run's number; 0 before the first. */
  run: number;
  retry_count: number;
  readonly created_at: number;
  updated_at: number;
  /** Seq of the newest event that lists have to show: the `revision` of the projection. */
  changed_seq: number;
}

export type Trigger = "execute" | "retry" | "cancel";

/** What is stored of a run, its steps and results apart. */
export interface RunHead {
  readonly run: number;
  readonly trigger: Trigger;
  readonly retry_of: number | null;
  /** The request that began the run, by which its repetition is recognised. */
  readonly request_id: string | null;
  readonly created_at: number;
  readonly state: RunState;
}

/** A run as the coordinator holds it in memory, from its begin or from recovery until it ends. */
export interface LiveRun extends RunHead {
  readonly resource: Resource;
  readonly plan: RunPlan;
  /** Results of this life of the object, by step; null for an attempt that ended without one. */
  readonly results: Map<number, StoredResult | null>;
  /** Kinds of event that its record may hold, so that a reader need not look for the others. */
  readonly recorded: Set<"stdout" | "stderr" | "artifact">;
  /** The call that began the run waits for its end. */
  readonly awaited: boolean;
}

export interface LogTail {
  readonly text: string;
  /** Bytes of the whole stream, of which `text` is the end. */
  readonly bytes: number;
}

export interface ArtifactSummary {
  readonly path: string;
  readonly bytes: number;
  /** The dispatch that stored it. */
  readonly epoch: number;
}

/** What a caller sees of one run; for a task its only step is folded in. */
export interface RunSummary {
  readonly run: number;
  readonly status: RunStatus;
  readonly trigger: Trigger;
  readonly retry_of: number | null;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly completed_at: number | null;
  readonly cancel_requested_at: number | null;
  readonly attempt: number;
  readonly exit_code: number | null;
  readonly error: StepError | null;
}

/** A resource with its newest run, as one answer to one call. */
export interface Snapshot {
  readonly resource: Resource;
  readonly run: RunSummary | null;
  readonly result: StoredResult | null;
  readonly stdout: LogTail | null;
  readonly stderr: LogTail | null;
  readonly artifacts: readonly ArtifactSummary[];
}

/** One row of the event log. `seq` rises by one within a resource. */
export interface EventRow {
  readonly seq: number;
  readonly run: number;
  readonly at: number;
  readonly type: string;
  /** A JSON object, as text. */
  readonly data: string;
}
