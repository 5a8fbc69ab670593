/**
 * What happens to a session: commands, which `refusal` judges first, and reports on what its effects
 * asked for. A report names the epoch of the effect; one under any other changes nothing, but that
 * what a step has used is still counted.
 */
import type { FinishReason } from "../models/port.ts";
import type { CallSpec } from "./call-types.ts";
import type {
  Limits,
  PauseMode,
  SessionError,
  SessionSettings,
  StepKind,
  StepUsage,
} from "./types.ts";

/** What becomes of a message that comes while a turn is live. */
export type MessagePolicy = "enqueue" | "reject" | "interrupt" | "rollback";

export type Command =
  | { readonly type: "initialize" }
  /** Answers the oldest open question, unless it stops the turn. The id is new: the shell sees to that. */
  | { readonly type: "message"; readonly id: string; readonly policy: MessagePolicy }
  | { readonly type: "compact"; readonly id: string }
  | { readonly type: "pause"; readonly mode: PauseMode }
  | { readonly type: "resume" }
  /** Null for whichever is live. */
  | { readonly type: "cancel_turn"; readonly turn: number | null }
  | {
      readonly type: "approve";
      readonly call: string;
      readonly by: string;
      /** Of the input that was seen; null for whatever it is. */
      readonly digest: string | null;
      /** Of the input that it is to run with instead. */
      readonly edited_digest: string | null;
    }
  | {
      readonly type: "deny";
      readonly call: string;
      readonly by: string;
      readonly reason: string | null;
    }
  | { readonly type: "answer"; readonly call: string }
  | { readonly type: "budget_changed"; readonly limits: Limits }
  | { readonly type: "configured"; readonly settings: SessionSettings }
  /** A sub-agent draws on the pool: by the most that its step can use. */
  | ({ readonly type: "hold"; readonly id: string } & StepUsage)
  | { readonly type: "terminate" };

export type Report =
  | { readonly type: "prepared"; readonly epoch: number }
  | { readonly type: "prepare_failed"; readonly epoch: number; readonly error: SessionError }
  /** The most that the step can use; what is null is not bounded. */
  | {
      readonly type: "step_quoted";
      readonly epoch: number;
      readonly kind: StepKind;
      readonly quote: StepUsage;
      /** The pool of a parent has no such amount left. */
      readonly is_pool_exhausted: boolean;
    }
  | {
      readonly type: "step_finished";
      readonly epoch: number;
      readonly finish_reason: FinishReason;
      readonly calls: readonly CallSpec[];
      readonly usage: StepUsage;
    }
  | {
      readonly type: "step_failed";
      readonly epoch: number;
      readonly error: SessionError;
      readonly is_retryable: boolean;
      readonly retry_after_ms: number | null;
      readonly usage: StepUsage;
    }
  /** The answer to the `abort` of a step: what it has used. */
  | { readonly type: "step_aborted"; readonly epoch: number; readonly usage: StepUsage }
  | { readonly type: "call_finished"; readonly epoch: number; readonly is_error: boolean }
  /** The answer to `stop_call`: nothing of it runs any more. */
  | { readonly type: "call_aborted"; readonly epoch: number };

export type SessionEvent =
  | Command
  | Report
  | { readonly type: "slot_granted" }
  /** The lease of a held slot ran out while nobody renewed it. */
  | { readonly type: "slot_lost" }
  /** What a hold came to; an id that is not held is one that was settled before. */
  | {
      readonly type: "hold_settled";
      readonly id: string;
      readonly usd_nanos: number;
      readonly tokens: number;
    }
  /** Spent beside the session's steps: in sandboxes, by skills. Each comes once: the shell sees to that. */
  | {
      readonly type: "charged";
      readonly usd_nanos: number;
      readonly tokens: number;
      readonly sandbox_ms: number;
    }
  /** A call that lives elsewhere waits there for somebody, or goes on. */
  | { readonly type: "call_rested"; readonly epoch: number; readonly is_resting: boolean }
  /** The parent's pool may have room again. */
  | { readonly type: "pool_changed" }
  /** The session cannot go on until it is initialized again. */
  | { readonly type: "faulted"; readonly error: SessionError }
  | { readonly type: "disposed" }
  /** The process is new: what it had in memory is gone. */
  | { readonly type: "recovered" }
  | { readonly type: "timer" };

const COMMANDS: Readonly<Record<Command["type"], true>> = {
  initialize: true,
  message: true,
  compact: true,
  pause: true,
  resume: true,
  cancel_turn: true,
  approve: true,
  deny: true,
  answer: true,
  budget_changed: true,
  configured: true,
  hold: true,
  terminate: true,
};

export function isCommand(event: SessionEvent): event is Command {
  return Object.hasOwn(COMMANDS, event.type);
}
