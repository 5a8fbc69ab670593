/**
 * What passes between the services and the object of a session: it is the truth of the session, the
 * services know it by this alone. Everything is plain JSON.
 */
import type { Json } from "../http/json.ts";
import type { RequestTrace } from "../http/trace.ts";
import type { ParentRef } from "../runs/store-types.ts";
import type { Account, AccountAnswer, Used } from "./accounts.ts";
import type { MessagePolicy } from "./machine/events.ts";
import type { Block, PauseMode, SessionError, StopReason } from "./machine/types.ts";
import type { AgentSpec, BudgetSpec } from "./spec.ts";
import type { PinnedMcpTool } from "./tool-port.ts";

export const AGENT_STATES = [
  "idle",
  "initializing",
  "running",
  "waiting",
  "paused",
  "error",
  "terminated",
] as const;
export type AgentState = (typeof AGENT_STATES)[number];

export const WAITS = ["message", "approval", "input", "budget", "slot", "agent"] as const;
export type Wait = (typeof WAITS)[number];

/** Who did something, and with what right. */
export interface Caller {
  /** As `kind:id`. */
  readonly by: string;
  /** Scopes that bound what the session's tools and skills may do. */
  readonly grants: readonly string[];
  /** The request by which it was done; left out, or null, where nobody noted it. */
  readonly trace?: RequestTrace | null;
}

export interface Parent {
  readonly id: string;
  /** Key of the call that the session carries out. */
  readonly call: string;
  /** How many sessions are above the parent. */
  readonly depth: number;
  /** Those sessions, the nearest first. */
  readonly above: readonly string[];
}

/** The sessions above one, the nearest first. */
export function ancestorsOf({ parent }: Pick<CreateSession, "parent">): readonly string[] {
  return parent === null ? [] : [parent.id, ...parent.above];
}

export interface CreateSession {
  readonly id: string;
  readonly project_id: string;
  readonly spec: AgentSpec;
  readonly caller: Caller;
  /** Limits of the deployment, for what the spec leaves open. */
  readonly defaults: { readonly max_iterations: number; readonly timeout_seconds: number };
  /** The session whose tool made it; null for a caller of the API. */
  readonly parent: Parent | null;
  /** The step of a run that it is; left out, or null, for none. */
  readonly run_step?: ParentRef | null;
}

/** A session as it stands: what is shown of it, and what its row in lists is made of. */
export interface SessionSnapshot {
  readonly id: string;
  readonly project_id: string;
  readonly spec: AgentSpec;
  readonly created_by: string;
  readonly parent: CreateSession["parent"];
  readonly run_step: ParentRef | null;
  readonly state: AgentState;
  readonly waiting_for: Wait | null;
  readonly pausing: boolean;
  /** The model by its full name; null before it is initialized. */
  readonly model: string | null;
  /** Tools of MCP servers as they were pinned; empty before. */
  readonly mcp_tools: readonly PinnedMcpTool[];
  /** Skills as they were pinned; empty before. */
  readonly skills: readonly {
    readonly slug: string;
    readonly version: string;
    readonly digest: string;
  }[];
  /** Of the newest turn that ended. */
  readonly stop_reason: StopReason | null;
  readonly error: SessionError | null;
  readonly error_count: number;
  /** Turns begun, and steps of all turns. */
  readonly turns: number;
  readonly iteration_count: number;
  readonly queued_messages: number;
  readonly usage: SessionUsage;
  readonly blocked_by: readonly Block[];
  readonly created_at: number;
  readonly updated_at: number;
  readonly started_at: number | null;
  readonly last_active_at: number | null;
  readonly terminated_at: number | null;
  /** Seq of the newest event: the `revision` of projections, and the `as_of` of a stream. */
  readonly seq: number;
}

export interface SessionUsage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cached_input_tokens: number;
  readonly usd: number;
  /** Whether a step's price was not known, so that `usd` is too low. */
  readonly is_partly_unknown: boolean;
  readonly active_seconds: number;
  readonly sandbox_seconds: number;
  /** What of it sub-agents have used. */
  readonly pooled: Used;
}

export interface SendMessage {
  /** Id of the message, chosen by the request: sent again it is the same message. */
  readonly id: string;
  readonly content: string;
  /** Files of tasks, each as `TASK_ID/PATH`. */
  readonly attachments: readonly string[];
  /** What the model is told of them, in their order. */
  readonly attached?: readonly string[];
  readonly policy: MessagePolicy;
  readonly caller: Caller;
  /** The longest wait for the end of the turn that it begins; 0 for none. */
  readonly wait_ms: number;
}

export interface SentMessage {
  readonly message_id: string;
  /** Number of its turn; null while it waits for one. */
  readonly turn: number | null;
  /** What the turn has come to, when it ended within the wait; else null. */
  readonly reply: {
    readonly text: string;
    readonly stop_reason: StopReason;
    /** What was handed in last; null for nothing. */
    readonly result: Json;
  } | null;
  readonly session: SessionSnapshot;
}

export type SessionCommand =
  | { readonly type: "initialize" }
  | { readonly type: "pause"; readonly mode: PauseMode }
  | { readonly type: "resume" }
  | { readonly type: "terminate" }
  /** Null for whichever turn is live. */
  | { readonly type: "cancel_turn"; readonly turn: number | null }
  | { readonly type: "compact" }
  | { readonly type: "budget"; readonly budget: BudgetSpec }
  | { readonly type: "model"; readonly model: string }
  /** Adds to the counters what was used elsewhere; the same id again adds nothing. */
  | {
      readonly type: "charge";
      readonly id: string;
      readonly input_tokens: number;
      readonly output_tokens: number;
      readonly usd: number;
    }
  | {
      readonly type: "decide";
      readonly call: string;
      readonly approved: boolean;
      /** Arguments to run with in place of those that were asked for; undefined for these. */
      readonly input: Json | undefined;
      readonly reason: string | null;
    };

export interface SessionEventRow {
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly turn: number | null;
  /** JSON text. */
  readonly data: string;
}

export type SessionRefusal =
  | { readonly refused: "not_found" }
  | {
      readonly refused: "illegal";
      readonly state: AgentState;
      readonly allowed: readonly string[];
      readonly detail: string;
    }
  /** The id of the message was used with another content. */
  | { readonly refused: "mismatch" }
  | { readonly refused: "invalid"; readonly path: string; readonly message: string }
  | { readonly refused: "too_many"; readonly detail: string };

/** The RPC surface of the object of one session. */
export interface SessionObject {
  create(input: CreateSession): Promise<SessionSnapshot>;
  read(): Promise<SessionSnapshot | SessionRefusal>;
  send(message: SendMessage): Promise<SentMessage | SessionRefusal>;
  command(command: SessionCommand, caller: Caller): Promise<SessionSnapshot | SessionRefusal>;
  /**
   * Messages after `after` (a seq), oldest first. One that waited comes again when its turn takes it,
   * under a new seq.
   */
  messages(after: number, limit: number): Promise<readonly SessionMessage[] | SessionRefusal>;
  events(after: number, limit: number): Promise<readonly SessionEventRow[] | SessionRefusal>;
  approvals(): Promise<readonly PendingApproval[] | SessionRefusal>;
  ledger(after: number, limit: number): Promise<readonly LedgerRow[] | SessionRefusal>;
  /** What happened in a turn; null for the newest. */
  turn(number: number | null): Promise<TurnLog | SessionRefusal>;
  /** Takes what a sub-agent says of itself, however far below it is. */
  account(account: Account): Promise<AccountAnswer | SessionRefusal>;
  /** A session above has room again for what it refused. */
  poolChanged(): Promise<{ readonly taken: true } | SessionRefusal>;
  /** Ids of the sessions that its calls have made or may make, once no call is being stopped any more. */
  children(): Promise<readonly string[] | SessionRefusal>;
  /** Forgets a session that is terminated, its row in D1 too; `illegal` for any other. */
  remove(): Promise<{ readonly removed: true } | SessionRefusal>;
}

export interface TurnLog {
  readonly spec: AgentSpec;
  readonly number: number;
  /** Of the request that began it. */
  readonly trace: RequestTrace | null;
  /** Without what was written piece by piece. */
  readonly events: readonly SessionEventRow[];
  readonly ledger: readonly LedgerRow[];
}

export interface SessionMessage {
  readonly seq: number;
  readonly id: string;
  readonly at: number;
  readonly turn: number | null;
  readonly role: "user" | "assistant" | "tool" | "summary";
  readonly state: "queued" | "taken" | "cut" | "rolled_back" | "compacted";
  /** Parts as models have them (`models/messages.ts`). */
  readonly content: Json;
  readonly attachments: readonly string[];
}

export interface PendingApproval {
  readonly call: string;
  readonly tool: string;
  readonly input: Json;
  readonly digest: string;
  readonly turn: number;
  readonly step: number;
  readonly is_rerun: boolean;
  readonly requested_at: number;
  readonly expires_at: number | null;
}

/** One step of a model that was paid for, or what a sub-agent has paid for. */
export interface LedgerRow {
  readonly seq: number;
  readonly at: number;
  readonly turn: number;
  readonly step: number;
  readonly attempt: number;
  readonly model: string;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cached_input_tokens: number | null;
  /** Null when the price is not known. */
  readonly usd: number | null;
  /** Nothing was said of what it used, and all that was held was charged. */
  readonly is_assumed: boolean;
  /** The sub-agent that used it, of which a row may be more than one step; null for the session. */
  readonly agent_id: string | null;
}
