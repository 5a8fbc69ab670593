/** What a session asks of the shell, and what it adds to its log. */
import type { FinishReason } from "../models/port.ts";
import type { CallOutcome, CallRef } from "./call-types.ts";
import type { MessagePolicy, SessionEvent } from "./events.ts";
import type {
  Block,
  Limits,
  PauseMode,
  SessionError,
  SessionState,
  StepKind,
  StopReason,
  TurnInput,
} from "./types.ts";

export type Effect =
  /** Asks for `prepared` or `prepare_failed`. */
  | { readonly type: "prepare"; readonly epoch: number }
  /** Asks for `step_quoted`. Of a `reply` that `may_compact` the answer may be a compaction before it. */
  | {
      readonly type: "quote_step";
      readonly turn: number;
      readonly step: number;
      readonly epoch: number;
      readonly kind: StepKind;
      readonly may_compact: boolean;
    }
  /** Asks for `step_finished` or `step_failed`. */
  | {
      readonly type: "run_step";
      readonly turn: number;
      readonly step: number;
      readonly attempt: number;
      readonly epoch: number;
      readonly kind: StepKind;
    }
  /** Asks for `call_finished`. Of an `attach` call it comes again under the same epoch after a crash. */
  | ({ readonly type: "run_call"; readonly epoch: number } & CallRef)
  /** Stops what the process runs under the epoch; of a step it asks for `step_aborted`. */
  | { readonly type: "abort"; readonly epoch: number }
  /** Stops a call that lives elsewhere, or keeps it from beginning; comes again until `call_aborted`. */
  | ({ readonly type: "stop_call"; readonly epoch: number } & CallRef)
  /** Asks for `slot_granted`; repeated after a crash. */
  | { readonly type: "acquire_slot" }
  | { readonly type: "release_slot" }
  /** Frees all that the session has, and asks for `disposed`; comes again until that is said. */
  | { readonly type: "dispose" }
  | { readonly type: "emit"; readonly event: MachineEvent };

type StepRef = {
  readonly turn: number;
  readonly step: number;
  readonly epoch: number;
  readonly kind: StepKind;
};

export type MachineEvent =
  | { readonly type: "session.initializing" | "session.ready" | "session.terminated" }
  | { readonly type: "session.failed"; readonly error: SessionError }
  | { readonly type: "session.pausing"; readonly mode: PauseMode }
  | { readonly type: "session.paused" | "session.resumed" | "session.configured" }
  | { readonly type: "message.queued"; readonly message: string; readonly policy: MessagePolicy }
  | { readonly type: "compaction.queued"; readonly id: string }
  /** The session ends before its turn came. */
  | { readonly type: "input.dropped"; readonly input: TurnInput }
  | { readonly type: "turn.started"; readonly turn: number; readonly input: TurnInput }
  | {
      readonly type: "turn.ended";
      readonly turn: number;
      readonly stop_reason: StopReason;
      readonly error: SessionError | null;
    }
  | ({ readonly type: "step.started"; readonly attempt: number } & StepRef)
  | ({
      readonly type: "step.finished";
      readonly finish_reason: FinishReason;
      readonly calls: number;
    } & StepRef)
  /** `retry_at` is null when it is not tried again, and the past when that is at once. */
  | ({
      readonly type: "step.failed";
      readonly error: SessionError;
      readonly retry_at: number | null;
    } & StepRef)
  /** What a reply has written so far stays, unless its turn is rolled back. */
  | ({ readonly type: "step.stopped"; readonly reason: StopReason | "paused" } & StepRef)
  /** Nothing is to be held for a quote that nobody waits for any more. */
  | { readonly type: "quote.dropped"; readonly epoch: number }
  /** What a step has cost; `is_assumed` when it is not known, and as much as was held. */
  | {
      readonly type: "usage.settled";
      readonly epoch: number;
      readonly usd_nanos: number;
      readonly tokens: number;
      readonly is_assumed: boolean;
    }
  | ({ readonly type: "tool.called"; readonly name: string } & CallRef)
  | ({
      readonly type: "tool.approval_requested";
      readonly expires_at: number | null;
      /** It has run before, and what it did is not known. */
      readonly is_rerun: boolean;
    } & CallRef)
  | ({
      readonly type: "tool.approved";
      readonly by: string;
      /** Of the input that it runs with. */
      readonly digest: string;
      readonly is_edited: boolean;
    } & CallRef)
  | ({
      readonly type: "tool.denied";
      readonly by: string;
      readonly reason: string | null;
    } & CallRef)
  | ({ readonly type: "tool.input_requested" } & CallRef)
  | ({ readonly type: "tool.started" | "tool.stopped"; readonly epoch: number } & CallRef)
  /** The answer of the call, the only one. `message` is the one that answers a question. */
  | ({
      readonly type: "tool.finished";
      readonly outcome: CallOutcome;
      readonly message: string | null;
    } & CallRef)
  | { readonly type: "budget.reached"; readonly limits: readonly Block[] }
  | { readonly type: "budget.changed"; readonly limits: Limits }
  | {
      readonly type: "report.refused";
      readonly epoch: number;
      readonly report: SessionEvent["type"];
    };

export interface Transition {
  readonly state: SessionState;
  readonly effects: readonly Effect[];
}
