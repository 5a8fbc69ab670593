/**
 * What a session may spend. A step begins only when the most that it can use is set aside from what
 * is left; what it has used is settled when it ends, or, when nobody can say, all that was set aside.
 */
import type { Change } from "./change.ts";
import type { SessionEvent } from "./events.ts";
import { activeMs } from "./state.ts";
import type { Block, Budget, BudgetName, SessionState, StepUsage } from "./types.ts";

const QUOTED = ["usd_nanos", "tokens"] as const;

/** Spent and set aside. */
export function committed({ budget }: SessionState, name: "usd_nanos" | "tokens"): number {
  const { spent, holds, pool } = budget;
  return [...holds, ...pool].reduce((sum, hold) => sum + hold[name], spent[name]);
}

/** The limits that a quote does not fit under. What is not bounded begins while anything is left. */
export function exceededBy(state: SessionState, quote: StepUsage): BudgetName[] {
  return QUOTED.filter((name) => {
    const limit = state.budget.limits[name];
    const amount = quote[name];
    if (limit === null) return false;
    const used = committed(state, name);
    return amount === null ? used >= limit : used + amount > limit;
  });
}

/** The limits that a sub-agent's step does not fit under, those of what it may run elsewhere included. */
export function exceededByOther(state: SessionState, quote: StepUsage): BudgetName[] {
  const { limits, spent } = state.budget;
  const isSandboxUsed = limits.sandbox_ms !== null && spent.sandbox_ms >= limits.sandbox_ms;
  return [...exceededBy(state, quote), ...(isSandboxUsed ? (["sandbox_ms"] as const) : [])];
}

/** The limits that are used up for the next step, or for the next call; what is under way ends. */
export function usedUp(state: SessionState, by: "step" | "call", now: number): BudgetName[] {
  const { limits, spent } = state.budget;
  const used = { ...spent, active_ms: activeMs(state, now) };
  const names = by === "step" ? (["steps", "active_ms", "sandbox_ms"] as const) : CALL_LIMITS;
  return names.filter((name) => {
    const limit = limits[name];
    return limit !== null && used[name] >= limit;
  });
}

const CALL_LIMITS = ["active_ms", "sandbox_ms"] as const;

/** Keeps the turn from going on until there is room again. */
export function block(change: Change, limits: Block[]): void {
  const { turn } = change.state;
  if (turn === null) return;
  turn.blocked_by = limits;
  change.emit({ type: "budget.reached", limits });
}

/** Lets the turn try again. */
export function unblock({ state: { turn } }: Change): void {
  if (turn !== null) turn.blocked_by = [];
}

/** Counts what a step has used; one that was settled before is not counted again. */
export function settleStep(change: Change, epoch: number, usage: StepUsage | null): void {
  const { budget } = change.state;
  const held = budget.holds.find((each) => each.epoch === epoch);
  if (held === undefined) return;
  budget.holds = budget.holds.filter((each) => each !== held);
  const usd_nanos = usage?.usd_nanos ?? held.usd_nanos;
  const tokens = usage?.tokens ?? held.tokens;
  budget.spent.usd_nanos += usd_nanos;
  budget.spent.tokens += tokens;
  const is_assumed = usage === null || usage.usd_nanos === null || usage.tokens === null;
  change.emit({ type: "usage.settled", epoch, usd_nanos, tokens, is_assumed });
  unblock(change);
}

/** What the steps of a process have used that died is not known. */
export function settleLost(change: Change): void {
  for (const { epoch } of change.state.budget.holds) settleStep(change, epoch, null);
}

/** Sets aside what a sub-agent asks for; asked again under the same id, it has that already. */
export function holdForOther(
  { state: { budget } }: Change,
  { id, usd_nanos, tokens }: Extract<SessionEvent, { type: "hold" }>,
): void {
  if (hasHold(budget, id)) return;
  budget.pool.push({ id, usd_nanos: usd_nanos ?? 0, tokens: tokens ?? 0 });
}

export function hasHold({ pool }: Budget, id: string): boolean {
  return pool.some((each) => each.id === id);
}

/** Counts what others have spent, whatever the session does, and after its end. */
export function settleOthers(
  change: Change,
  event: Extract<SessionEvent, { type: "hold_settled" | "charged" }>,
): void {
  const { budget } = change.state;
  if (event.type === "charged") budget.spent.sandbox_ms += event.sandbox_ms;
  else {
    const held = budget.pool.find(({ id }) => id === event.id);
    if (held === undefined) return;
    budget.pool = budget.pool.filter((each) => each !== held);
    unblock(change);
  }
  budget.spent.usd_nanos += event.usd_nanos;
  budget.spent.tokens += event.tokens;
}
