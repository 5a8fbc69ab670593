/** What goes on after the call that began it, for those who follow it: one file a kind beside this. */
import type { CallToolResult } from "@modelcontextprotocol/server";
import type { RunStatus } from "../../runs/types.ts";
import type { Scope } from "../../security/principal.ts";
import type { Caller } from "../caller.ts";
import type { LongRunRef } from "../task-id.ts";

export interface LongRun {
  readonly status: RunStatus;
  /** ms since 1970. */
  readonly created_at: number;
  readonly updated_at: number;
  /** What it does or waits for, in a sentence. */
  readonly message: string;
  /** What it waits to be told by a person. */
  readonly questions: readonly Question[];
  /** What the tool call comes to; null while it goes on. */
  readonly result: CallToolResult | null;
}

/** An open approval. */
export interface Question {
  /** Names it for as long as the run is kept. */
  readonly key: string;
  readonly message: string;
  /** The step of a pipeline that waits; null where the whole does. */
  readonly step: string | null;
}

export interface Decision {
  readonly approved: boolean;
  readonly comment: string | null;
}

export interface LongRunKindPort {
  readonly scopes: { readonly read: Scope; readonly act: Scope; readonly decide: Scope };
  /** Throws `not_found`. */
  read(caller: Caller, ref: LongRunRef): Promise<LongRun>;
  /** Throws `not_found`, and `illegal_transition` when it has ended. */
  cancel(caller: Caller, ref: LongRunRef): Promise<void>;
  /** Throws `not_found`, and `illegal_transition` when nothing waits for it. */
  decide(caller: Caller, ref: LongRunRef, step: string | null, decision: Decision): Promise<void>;
}

export function hasEnded(status: RunStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}
