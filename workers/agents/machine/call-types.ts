/** Calls of tools, as the model asks for them and as they stand. */

/** What becomes of a call whose process dies, or that a pause stops. */
export type Recovery =
  /** It is run again. */
  | "rerun"
  /** The model is told that its result is not known, and it is not run again. */
  | "report"
  /** Somebody approves that it is run again, or denies it. */
  | "ask"
  /** It lives elsewhere, under the call's own name: it goes on, and is only asked after. */
  | "attach";

export interface CallSpec {
  /** Unique within its step. */
  readonly id: string;
  readonly name: string;
  /** `invalid` for an unknown tool, or an input that is not as its schema says. */
  readonly policy: "allow" | "ask" | "deny" | "invalid";
  /** An `input` is a question to the user, whose answer is the result. */
  readonly kind: "tool" | "input";
  readonly recovery: Recovery;
  /** It may run beside others that may. */
  readonly is_parallel: boolean;
  /** Of its input: what is approved is what was seen. */
  readonly digest: string;
}

/** How a call was answered; each is, once. */
export type CallOutcome =
  | "succeeded"
  | "failed"
  /** By the user, to an `input`. */
  | "answered"
  | "denied"
  /** Nobody approved it in time. */
  | "expired"
  | "invalid"
  /** It did not run. */
  | "cancelled"
  /** It was stopped, or its process died: what it did is not known. */
  | "interrupted";

export interface CallState extends Omit<CallSpec, "policy" | "kind" | "digest"> {
  digest: string;
  /** `interrupted` by a pause: it is dealt with when the session resumes. */
  status: "ready" | "running" | "interrupted" | "approval" | "input" | "answered";
  /** It lives elsewhere, and waits there for somebody: the session need not stay awake for it. */
  is_resting: boolean;
  /** Of its newest start; null before the first. */
  epoch: number | null;
  /** When an approval counts as denied. */
  expires_at: number | null;
}

/** Call ids may come again in later steps. */
export interface CallRef {
  readonly turn: number;
  readonly step: number;
  readonly call: string;
}
