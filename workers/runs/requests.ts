/** What is asked of a coordinator, and its refusals. */
import type { Issue } from "../http/errors.ts";
import type { RequestTrace } from "../http/trace.ts";
import type { EventRow } from "./store-types.ts";

export interface CreateInput {
  readonly id: string;
  readonly kind: string;
  readonly project_id: string;
  /** JSON text. */
  readonly document: string;
  /** Starts the first run in the same commit and waits for its end; null only creates. */
  readonly start: StartInput | null;
  /** It is begun by code of an attempt, which may have ended: then it is not begun. */
  readonly is_nested?: boolean;
}

export interface StartInput {
  /** How long to wait for the end of the run before answering. */
  readonly wait_ms: number;
  /** Names the request, so that one repeated after a crash finds its run and starts no other. */
  readonly request_id: string | null;
  /** JSON text of the run's inputs; null for none. */
  readonly inputs?: string | null;
  /** Who asks, as `kind:id`. */
  readonly triggered_by?: string | null;
  /** The request that asks for it. */
  readonly trace?: RequestTrace | null;
  /** What was asked for, when it is no retry; `execute` unless said. */
  readonly trigger?: "start" | "execute";
}

/** Which run is run again, and from where. */
export interface RerunInput {
  /** Null is the newest. */
  readonly run?: number | null;
  /** This step and all that depend on it run again; null for what failed and what depends on that. */
  readonly from?: string | null;
}

export interface RetryInput extends StartInput, RerunInput {
  /** JSON text that takes the place of the `inputs` of the step `from`. */
  readonly step_inputs?: string | null;
}

export interface ApprovalInput {
  /** Null is the only approval that is open. */
  readonly step: string | null;
  readonly approved: boolean;
  readonly by: string;
  readonly comment: string | null;
}

export interface SignalInput {
  readonly name: string;
  /** JSON text of up to 64 KiB. */
  readonly payload: string;
  readonly request_id: string | null;
}

/** A refusal that the caller turns into an API error. */
export type Refusal =
  | { readonly refused: "not_found" }
  | { readonly refused: "busy" }
  | {
      readonly refused: "illegal";
      readonly detail: string;
      readonly state: string;
      readonly allowed: readonly string[];
    }
  | { readonly refused: "inputs"; readonly issues: readonly Issue[] }
  /** What the definition names and is not to be had; paths are those of the definition. */
  | { readonly refused: "references"; readonly issues: readonly Issue[] }
  | { readonly refused: "version"; readonly current: number }
  | { readonly refused: "unknown_step"; readonly step: string; readonly known: readonly string[] };

export interface EventPage {
  readonly events: readonly EventRow[];
  /** The run has ended, so that nothing follows the last page. */
  readonly ended: boolean;
}
