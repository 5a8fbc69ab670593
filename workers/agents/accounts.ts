/**
 * How sub-agents draw on the budgets of those above them. A sub-agent tells each of them the same
 * account of itself, whose sums are from its beginning on: one that is lost, late or told twice does
 * no harm, since the newest says all.
 */
import type { StepUsage } from "./machine/types.ts";

/** All that a session has used, without its sub-agents. Money is in billionths of a dollar. */
export interface Used {
  readonly usd_nanos: number;
  readonly tokens: number;
  readonly sandbox_ms: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cached_input_tokens: number;
}

export const NOTHING_USED: Used = {
  usd_nanos: 0,
  tokens: 0,
  sandbox_ms: 0,
  input_tokens: 0,
  output_tokens: 0,
  cached_input_tokens: 0,
};

/** The most that a step can use; what is null is not bounded. */
export interface WantedHold extends StepUsage {
  /** Of the step. */
  readonly epoch: number;
}

/** A step that found no room. */
export interface WaitingStep extends StepUsage {
  /** The session that has to have room. */
  readonly at: string;
}

export interface Account {
  readonly agent_id: string;
  /** Key of the call that it carries out, of the session right above it. */
  readonly call: string;
  /** Rises with every change: an account that is not newer than the one before is of no use. */
  readonly number: number;
  /** By its full name; null before it is initialized. */
  readonly model: string | null;
  readonly used: Used;
  /** Whether a step's price was not known, so that `used` is too low. */
  readonly is_partly_unknown: boolean;
  /** What is to be set aside for the step that it is about to begin, or has begun; null for none. */
  readonly hold: WantedHold | null;
  /** What it waits for: room for a step, in the pool that refused it; null for none. */
  readonly waiting: WaitingStep | null;
  /** It goes on only when somebody does something. */
  readonly is_resting: boolean;
}

export interface AccountAnswer {
  /** Whether what the account wants held is; false when it wants nothing. */
  readonly is_granted: boolean;
}

/** What an account has added to the one before; nothing of it is ever taken back. */
export function usedSince(before: Used, after: Used): Used {
  return combined(after, before, -1);
}

export function added(left: Used, right: Used): Used {
  return combined(left, right, 1);
}

export function isNothing(used: Used): boolean {
  return Object.values(used).every((amount) => amount === 0);
}

/** What an ancestor's machine knows a hold by. */
export function holdId(agentId: string, { epoch }: Pick<WantedHold, "epoch">): string {
  return `${agentId}/${epoch}`;
}

/** The agent whose hold it is. */
export function holderOf(hold: { readonly id: string }): string {
  return hold.id.slice(0, hold.id.lastIndexOf("/"));
}

function combined(left: Used, right: Used, sign: 1 | -1): Used {
  return {
    usd_nanos: left.usd_nanos + sign * right.usd_nanos,
    tokens: left.tokens + sign * right.tokens,
    sandbox_ms: left.sandbox_ms + sign * right.sandbox_ms,
    input_tokens: left.input_tokens + sign * right.input_tokens,
    output_tokens: left.output_tokens + sign * right.output_tokens,
    cached_input_tokens: left.cached_input_tokens + sign * right.cached_input_tokens,
  };
}
