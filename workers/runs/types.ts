/** The vocabulary of the run engine: plan, state, events in, effects out. All times are ms since 1970. */
import type { FailureReason } from "../executors/port.ts";

export const RUN_STATUSES = [
  "queued",
  "running",
  "paused",
  "completed",
  "failed",
  "cancelled",
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

export const STEP_STATUSES = [
  "pending",
  "waiting",
  "queued",
  "running",
  "completed",
  "failed",
  "cancelled",
  "skipped",
] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];

export const BACKOFFS = ["fixed", "linear", "exponential"] as const;

/** How failed attempts are tried again. One attempt is `max_attempts: 1`. */
export interface RetryPolicy {
  readonly max_attempts: number;
  readonly backoff: (typeof BACKOFFS)[number];
  readonly initial_ms: number;
  readonly max_ms: number;
  /** Spreads each delay over its upper half, so that tries of many runs do not coincide. */
  readonly jitter: boolean;
  readonly on: readonly FailureReason[];
}

export interface StepPlan {
  readonly name: string;
  /** Indexes, in the plan, of the steps that must end first. */
  readonly needs: readonly number[];
  /** A failure of this step satisfies its dependents and does not fail the run. */
  readonly continue_on_error: boolean;
  readonly timeout_ms: number;
  readonly retry: RetryPolicy;
  /**
   * An attached attempt lives in the coordinator's own process and dies with it; a detached one
   * lives elsewhere, reports by epoch and is held by a lease.
   */
  readonly attached: boolean;
}

export interface RunPlan {
  readonly steps: readonly StepPlan[];
  /** Attempts in flight at once. */
  readonly max_parallel: number;
  /** After a failure nothing starts: steps that have not ended and are not in flight are skipped. */
  readonly stop_on_failure: boolean;
  /** From the first attempt to the end of the run; null for no limit. */
  readonly timeout_ms: number | null;
}

export interface StepError {
  readonly code: string;
  readonly message: string;
}

export interface StepState {
  status: StepStatus;
  /** Dependencies that have not ended. */
  open_needs: number;
  /** A dependency ended in a way that does not satisfy this step. */
  blocked: boolean;
  /** Tries of the retry policy begun, from 1; 0 before the first. */
  attempt: number;
  /** Dispatches made; the newest one's number is the only one whose reports count. */
  epoch: number;
  /** When a waiting step is tried again. */
  retry_at: number | null;
  /** When the running attempt has used up its time. */
  deadline_at: number | null;
  /** When a detached attempt counts as lost, or before its start is sent again, unless it reports. */
  lease_until: number | null;
  /** Set while a kill is under way: why, and when it is given up as unconfirmed. */
  stopping: { readonly reason: StopCause; readonly give_up_at: number } | null;
  /** Times the process died with this step in flight. */
  suspicion: number;
  /** Of these, the times it was in flight as the only suspect. */
  alone_deaths: number;
  /** This dispatch is a suspect's, and no attached attempt of the run starts beside it. */
  alone: boolean;
  /** Times in a row that the infrastructure lost the attempt although the coordinator lived. */
  losses: number;
  started_at: number | null;
  completed_at: number | null;
  exit_code: number | null;
  error: StepError | null;
}

export type StopCause = "cancel" | "timeout" | "pause" | "run_timeout";

export interface RunState {
  status: RunStatus;
  steps: StepState[];
  /** Steps that are ready to be dispatched, oldest first. */
  ready: number[];
  /** Steps queued or running. */
  in_flight: number;
  /** Steps that have not ended. */
  open_steps: number;
  /** Steps that failed without `continue_on_error`. */
  failures: number;
  /** Open steps that were in flight when the process died. */
  suspects: number;
  started_at: number | null;
  completed_at: number | null;
  deadline_at: number | null;
  cancel_requested_at: number | null;
  pause_requested: boolean;
  /** The run used up its own time; what is in flight is being stopped. */
  expired: boolean;
  /** Why the run failed: the first failure's. */
  error: StepError | null;
  /** Seeds the jitter, so that the machine stays a function of its input. */
  readonly seed: number;
}

/** What an attempt came to. `unconfirmed` is set when nobody could say that the code has stopped. */
export type AttemptResult =
  | { readonly status: "completed"; readonly exit_code: number | null }
  | {
      readonly status: "failed";
      readonly reason: FailureReason;
      readonly exit_code: number | null;
      readonly code: string;
      readonly message: string;
    }
  | { readonly status: "cancelled"; readonly unconfirmed?: boolean };

export type RunEvent =
  | { readonly type: "start" }
  | { readonly type: "attempt_started"; readonly step: number; readonly epoch: number }
  | { readonly type: "heartbeat"; readonly step: number; readonly epoch: number }
  | {
      readonly type: "attempt_finished";
      readonly step: number;
      readonly epoch: number;
      readonly result: AttemptResult;
    }
  /** The backend lost the attempt although the coordinator lives. */
  | { readonly type: "attempt_lost"; readonly step: number; readonly epoch: number }
  /** A lone suspect has run long enough for the next suspect to start beside it. */
  | { readonly type: "probation_passed"; readonly step: number; readonly epoch: number }
  /** The coordinator's process is new: what it had in memory is gone. */
  | { readonly type: "recovered" }
  | { readonly type: "timer" }
  | { readonly type: "cancel" }
  | { readonly type: "pause"; readonly mode: "boundary" | "now" }
  | { readonly type: "resume" };

export type Effect =
  /** May repeat one already performed, under the same epoch: the backend then reports again. */
  | {
      readonly type: "dispatch";
      readonly step: number;
      readonly attempt: number;
      readonly epoch: number;
      readonly alone: boolean;
    }
  | {
      readonly type: "kill";
      readonly step: number;
      readonly epoch: number;
      readonly reason: StopCause;
    }
  | { readonly type: "emit"; readonly event: MachineEvent };

/** What the machine adds to the run's event log. */
export type MachineEvent =
  | { readonly type: "run.queued" }
  | { readonly type: "run.started" }
  | { readonly type: "run.pausing" | "run.paused" | "run.resumed" | "run.cancelling" }
  | { readonly type: "run.completed" | "run.cancelled" }
  | { readonly type: "run.failed"; readonly error: StepError | null }
  | {
      readonly type: "attempt.started";
      readonly step: number;
      readonly attempt: number;
      readonly epoch: number;
      readonly alone: boolean;
    }
  | {
      readonly type: "attempt.finished";
      readonly step: number;
      readonly attempt: number;
      readonly epoch: number;
      readonly result: AttemptResult;
    }
  | {
      readonly type: "attempt.lost";
      readonly step: number;
      readonly attempt: number;
      readonly epoch: number;
      readonly cause: "process_died" | "lease_expired" | "backend";
    }
  | {
      readonly type: "attempt.refused";
      readonly step: number;
      readonly epoch: number;
      readonly current_epoch: number;
      readonly report: RunEvent["type"];
    }
  | {
      readonly type: "step.waiting";
      readonly step: number;
      readonly attempt: number;
      readonly retry_at: number;
    }
  | { readonly type: "step.skipped" | "step.cancelled"; readonly step: number };

export interface Transition {
  readonly state: RunState;
  readonly effects: readonly Effect[];
  /** Indexes of the steps whose state changed; what the store has to write. */
  readonly touched: ReadonlySet<number>;
}

/** A result kept inline, or named by its key in the blob store. */
export type StoredResult =
  | { readonly kind: "inline"; readonly json: string }
  | { readonly kind: "stored"; readonly key: string; readonly bytes: number };
