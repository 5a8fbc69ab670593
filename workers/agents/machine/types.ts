/**
 * What an agent session is made of: its settings and its state, plain JSON. All times are ms since
 * 1970, money is in billionths of a dollar so that sums are exact.
 */
import type { CallRef, CallState } from "./call-types.ts";

/** What a budget may limit. `active_ms` is time in turns, waits and pauses left out. */
export const BUDGET_NAMES = ["usd_nanos", "tokens", "steps", "active_ms", "sandbox_ms"] as const;
export type BudgetName = (typeof BUDGET_NAMES)[number];

/** A limit that is reached, or that the pool of a parent has no room. */
export type Block = BudgetName | "pool";

/** Null for what has no limit. */
export type Limits = Readonly<Record<BudgetName, number | null>>;

export const NO_LIMITS: Limits = {
  usd_nanos: null,
  tokens: null,
  steps: null,
  active_ms: null,
  sandbox_ms: null,
};

/** Of one step of a model; null for what cannot be said. */
export interface StepUsage {
  readonly usd_nanos: number | null;
  readonly tokens: number | null;
}

export interface SessionSettings {
  /** Steps of one turn. */
  readonly max_steps: number;
  /** Active time of one turn; null for no limit. */
  readonly turn_timeout_ms: number | null;
  /** Calls in flight at once. */
  readonly max_parallel_tools: number;
  /** How long an approval is waited for before it counts as denied; null for no limit. */
  readonly approval_timeout_ms: number | null;
  /** Failures and deaths of the process in a row that end a turn; anything that ends well resets them. */
  readonly max_failures: number;
  /** It needs a slot of the deployment while it works. A sub-agent goes under the slot of its parent. */
  readonly is_slotted: boolean;
}

export const DEFAULT_SETTINGS: SessionSettings = {
  max_steps: 100,
  turn_timeout_ms: 300_000,
  max_parallel_tools: 4,
  approval_timeout_ms: null,
  max_failures: 5,
  is_slotted: true,
};

export interface SessionError {
  readonly code: string;
  /** Says what to do. */
  readonly message: string;
}

/** A `compaction` writes a summary and answers nobody. */
export type StepKind = "reply" | "compaction";

/** What begins a turn: a message, or that somebody asks for a compaction. */
export interface TurnInput {
  readonly kind: "message" | "compaction";
  /** Of the message, or of the request. */
  readonly id: string;
  /** It goes before those that only wait: it stops a live turn. */
  readonly is_urgent: boolean;
}

export const STOP_REASONS = [
  "end_turn",
  "max_tokens",
  "refusal",
  "max_steps",
  "timeout",
  "cancelled",
  "interrupted",
  "rolled_back",
  "error",
  "terminated",
] as const;
export type StopReason = (typeof STOP_REASONS)[number];

/** Where a turn stands. Reports count only under the newest epoch. */
export type Work =
  /** The step is to begin. */
  | { readonly status: "due" }
  /** It is asked what the step may cost at most. */
  | { readonly status: "quoting"; readonly epoch: number }
  /** The model writes. */
  | { readonly status: "running"; readonly epoch: number; readonly kind: StepKind }
  /** The step failed and is tried again. */
  | { readonly status: "backoff"; readonly retry_at: number }
  /** The step has ended; its calls have not all been answered. */
  | { readonly status: "calls"; readonly calls: CallState[] };

export interface TurnState {
  /** From 1, within the session. */
  readonly number: number;
  readonly input: TurnInput;
  /** The step that is to begin, or has begun, from 1. */
  step: number;
  /** Times that the step has begun. */
  attempt: number;
  work: Work;
  /** The step before which the conversation was compacted; one compaction a step. */
  compacted_step: number | null;
  /** What keeps it from going on, until there is room again. */
  blocked_by: Block[];
  /** The session's active time when it began. */
  readonly active_before_ms: number;
}

/** What is set aside until it is known what was spent. */
export interface Hold {
  readonly usd_nanos: number;
  readonly tokens: number;
}

export interface Budget {
  limits: Limits;
  spent: Record<Exclude<BudgetName, "active_ms">, number>;
  /** For the session's own steps. */
  holds: (Hold & { readonly epoch: number })[];
  /** For sub-agents, which draw on the same pool. */
  pool: (Hold & { readonly id: string })[];
}

export interface SessionState {
  phase: "created" | "initializing" | "ready" | "error" | "terminated";
  settings: SessionSettings;
  /** The newest number given to a piece of work. */
  epoch: number;
  /** The epoch of the preparation in flight. */
  preparing: number | null;
  /** Why it could not be initialized, or cannot go on. */
  error: SessionError | null;
  /** `is_reached` once nothing runs that the pause stops or waits for. */
  pause: { readonly mode: PauseMode; readonly is_reached: boolean } | null;
  /** In the order in which they begin turns. */
  queue: TurnInput[];
  turn: TurnState | null;
  /** Turns begun. */
  turns: number;
  last_turn: {
    readonly number: number;
    readonly stop_reason: StopReason;
    readonly error: SessionError | null;
  } | null;
  slot: "none" | "asked" | "held";
  /** `since` while the time counts. */
  clock: { active_ms: number; since: number | null };
  budget: Budget;
  /** Failures in a row. */
  failures: number;
  /** Calls that live elsewhere and have been told to stop, until they say that they have. */
  stopping: (CallRef & { readonly epoch: number })[];
  /** What a terminated session had is freed. */
  is_disposed: boolean;
  /** Seeds the jitter, so that the machine stays a function of its input. */
  readonly seed: number;
}

/** `boundary` lets what is in flight end, `now` stops it. */
export type PauseMode = "boundary" | "now";
