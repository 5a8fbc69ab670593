/** The vocabulary of the run engine: plan, state, events in, effects out. All times are ms since 1970. */
import type { Usage } from "../executors/detached.ts";
import type { FailureReason } from "../executors/port.ts";
import type { Location } from "./locations.ts";

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
  /**
   * Null: it starts when its needs completed, and is skipped when one did not. Else it is asked for
   * when all have ended; one that calls a status function is asked for whatever they came to.
   */
  readonly condition: { readonly calls_status: boolean } | null;
  /** The step is a group whose items are asked for when it is ready; its plan is each item's. */
  readonly matrix: MatrixPlan | null;
  /** The step waits for something outside instead of executing anything. */
  readonly gate: GatePlan | null;
  /** A failure of this step satisfies its dependents and does not fail the run. */
  readonly continue_on_error: boolean;
  readonly timeout_ms: number;
  readonly retry: RetryPolicy;
  /**
   * An attached attempt lives in the coordinator's own process and dies with it; a detached one
   * lives elsewhere, reports by epoch and is held by a lease.
   */
  readonly attached: boolean;
  /** The backend of a detached attempt keeps it through crashes: silence is asked about, not a loss. */
  readonly durable: boolean;
}

export interface MatrixPlan {
  /** Items at once; null for no limit of the group's own. */
  readonly max_parallel: number | null;
  /** The first item that fails for good stops the others. */
  readonly fail_fast: boolean;
}

export interface GatePlan {
  readonly type: "approval" | "signal" | "duration";
  /** Name of the signal; null otherwise. */
  readonly signal: string | null;
  /** How long a `duration` lasts, or others may take before they fail; null for a duration that is asked for, and for no limit. */
  readonly ms: number | null;
}

export interface RunPlan {
  readonly steps: readonly StepPlan[];
  /** Attempts in flight at once. */
  readonly max_parallel: number;
  /** After a failure nothing starts: steps that have not ended and are not in flight are skipped. */
  readonly stop_on_failure: boolean;
  /** From the first attempt to the end of the run; null for no limit. */
  readonly timeout_ms: number | null;
  /** The run needs a slot of the deployment while it has something in flight. */
  readonly slotted: boolean;
  /** The run's outputs are asked for before it completes. */
  readonly concludes: boolean;
}

export interface StepError {
  readonly code: string;
  readonly message: string;
  /** Lines of the mounted codebase that it points to; left out for none. */
  readonly locations?: readonly Location[];
}

/** A group's items are steps of the state behind those of the plan, one after the other. */
export interface GroupState {
  readonly first: number;
  readonly count: number;
  /** Items that have not ended. */
  open: number;
  /** Items that have begun and not ended. */
  active: number;
  /** The next item to be made ready. */
  next: number;
  /** Items that failed, and that were cancelled. */
  failed: number;
  cancelled: number;
}

export interface StepState {
  status: StepStatus;
  /** Dependencies that have not ended. */
  open_needs: number;
  /** A dependency ended in a way that does not satisfy this step. */
  blocked: boolean;
  /**
   * A step that this one depends on, however far, failed and was not tolerated, or did not begin
   * because of a failure elsewhere.
   */
  failed_above: boolean;
  /** A step that this one depends on, however far, was cancelled. */
  cancelled_above: boolean;
  /** The question whether it runs, and with which items, has no answer yet. */
  deciding: boolean;
  /** It was ended before it started, by a failure elsewhere, the run's time or a cancel. */
  abandoned: boolean;
  /** Of an item: the index of its group, and its place in it; null for a step of the plan. */
  readonly group: number | null;
  readonly item: number | null;
  /** Of a group that was expanded. */
  items: GroupState | null;
  /** Where its result was made, when an earlier run's is reused. */
  reused_from: { readonly run: number; readonly epoch: number } | null;
  /** Tries of the retry policy begun, from 1; 0 before the first. */
  attempt: number;
  /** Dispatches made; the newest one's number is the only one whose reports count. */
  epoch: number;
  /** When a waiting step is tried again. */
  retry_at: number | null;
  /** When an open gate ends by itself. */
  gate_until: number | null;
  /** When the running attempt has used up its time. */
  deadline_at: number | null;
  /** When a detached attempt counts as lost, or before its start is sent again, unless it reports. */
  lease_until: number | null;
  /** Of a durable attempt in flight: its backend says that it only waits, and needs no slot. */
  resting: boolean;
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

export type StopCause = "cancel" | "timeout" | "pause" | "run_timeout" | "fail_fast";

export type SlotState = "none" | "asked" | "held";

export interface RunState {
  status: RunStatus;
  steps: StepState[];
  /** Steps that are ready to be dispatched, oldest first. Like all of `RunIndex` not stored. */
  ready: number[];
  /** Steps that wait, are queued or run, groups apart: all that a deadline may meet. */
  timed: Set<number>;
  /** Steps that are asked about. */
  deciding: number;
  /** The run was started, and what needs nothing has been made ready. */
  begun: boolean;
  /** Steps queued or running. */
  in_flight: number;
  /** Those of them that rest. */
  resting: number;
  /** Steps that have not ended. */
  open_steps: number;
  /** Steps that failed without `continue_on_error`. */
  failures: number;
  /** Open steps that were in flight when the process died. */
  suspects: number;
  slot: SlotState;
  /** Names of signals that no gate has taken yet, with what the shell knows each by, oldest first. */
  signals: { readonly name: string; readonly id: string }[];
  /** The question for the run's outputs has no answer yet. */
  concluding: boolean;
  /** What is left of the run's time while nothing is in flight; null while its clock runs. */
  remaining_ms: number | null;
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

/** Where a cached result was made. */
export interface CacheOrigin {
  readonly resource_id: string;
  readonly run: number;
  readonly step: string;
}

/** The answer to whether a ready step runs. */
export type Verdict =
  | { readonly do: "run" /** Of a duration gate. */; readonly wait_ms?: number }
  | { readonly do: "skip" }
  | { readonly do: "expand"; readonly items: number }
  | { readonly do: "fail"; readonly error: StepError };

/** The members of the state that follow from the rest. */
export type RunIndex = "ready" | "timed" | "deciding" | "in_flight" | "open_steps" | "resting";

/** What an attempt came to. `unconfirmed` is set when nobody could say that the code has stopped. */
export type AttemptResult =
  | {
      readonly status: "completed";
      readonly exit_code: number | null;
      /** The run that the result was taken from, when a cache had it. */
      readonly cached_from?: CacheOrigin;
    }
  | {
      readonly status: "failed";
      readonly reason: FailureReason;
      readonly exit_code: number | null;
      readonly code: string;
      readonly message: string;
      /** Lines of the mounted codebase that it points to; left out for none. */
      readonly locations?: readonly Location[];
    }
  | { readonly status: "cancelled"; readonly unconfirmed?: boolean };

export type RunEvent =
  | { readonly type: "start" }
  | { readonly type: "attempt_started"; readonly step: number; readonly epoch: number }
  | {
      readonly type: "heartbeat";
      readonly step: number;
      readonly epoch: number;
      /** Of a durable attempt: whether it only waits; left out when that is not known. */
      readonly resting?: boolean;
    }
  | {
      readonly type: "attempt_finished";
      readonly step: number;
      readonly epoch: number;
      readonly result: AttemptResult;
      readonly usage?: Usage | undefined;
    }
  /** The backend lost the attempt although the coordinator lives. */
  | {
      readonly type: "attempt_lost";
      readonly step: number;
      readonly epoch: number;
      readonly usage?: Usage | undefined;
      /** What the code ran in is gone, and the code with it. */
      readonly is_code_dead?: boolean | undefined;
    }
  /** A dispatch that has not begun goes to another backend, under an epoch of its own. */
  | { readonly type: "attempt_moved"; readonly step: number; readonly epoch: number }
  /** A lone suspect has run long enough for the next suspect to start beside it. */
  | { readonly type: "probation_passed"; readonly step: number; readonly epoch: number }
  /** The coordinator's process is new: what it had in memory is gone. */
  | { readonly type: "recovered" }
  | { readonly type: "timer" }
  | { readonly type: "decided"; readonly step: number; readonly verdict: Verdict }
  | { readonly type: "concluded"; readonly error: StepError | null }
  | { readonly type: "slot_granted" }
  /** The lease of a held slot ran out while nobody renewed it. */
  | { readonly type: "slot_lost" }
  /** Somebody approves, or refuses, what an approval gate asks. */
  | {
      readonly type: "approve";
      readonly step: number;
      readonly approved: boolean;
      readonly by: string;
      readonly comment: string | null;
    }
  /** `id` names the signal's payload to the shell. */
  | { readonly type: "signal"; readonly name: string; readonly id: string }
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
  /** Asks for the answer `decided`; repeated after a crash until it comes. */
  | { readonly type: "decide"; readonly step: number }
  /** Asks for the answer `concluded`; repeated after a crash until it comes. */
  | { readonly type: "conclude" }
  /** The signal's payload becomes the step's result. */
  | { readonly type: "take_signal"; readonly step: number; readonly id: string }
  /** Asks for `slot_granted`; repeated after a crash. */
  | { readonly type: "acquire_slot" }
  | { readonly type: "release_slot" }
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
      readonly usage?: Usage;
    }
  | {
      readonly type: "attempt.lost";
      readonly step: number;
      readonly attempt: number;
      readonly epoch: number;
      readonly cause: "process_died" | "lease_expired" | "backend";
      readonly usage?: Usage;
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
  | { readonly type: "step.skipped" | "step.cancelled"; readonly step: number }
  /** A durable attempt only waits from now on, or wants to go on. */
  | { readonly type: "step.resting" | "step.resumed"; readonly step: number }
  | { readonly type: "step.expanded"; readonly step: number; readonly items: number }
  /** A step without an attempt, a group or a gate, ended. */
  | {
      readonly type: "step.completed" | "step.failed";
      readonly step: number;
      readonly error: StepError | null;
    }
  | {
      readonly type: "gate.opened";
      readonly step: number;
      readonly gate: GatePlan["type"];
      readonly until: number | null;
    }
  | {
      readonly type: "gate.approved" | "gate.refused";
      readonly step: number;
      readonly by: string;
      readonly comment: string | null;
    }
  | { readonly type: "signal.received"; readonly name: string; readonly id: string };

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
