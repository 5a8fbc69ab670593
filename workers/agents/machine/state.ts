/** A session's state: the first one, and what is read from it. */
import type { CallState } from "./call-types.ts";
import {
  DEFAULT_SETTINGS,
  type Limits,
  NO_LIMITS,
  type SessionSettings,
  type SessionState,
  type TurnState,
} from "./types.ts";

/** A session at work is looked at this often, so that one whose process died is found. */
export const WATCH_MS = 3_000;

/** More than this many inputs that wait for a turn are refused. */
export const MAX_QUEUED = 200;

export interface NewSession {
  readonly settings?: Partial<SessionSettings>;
  readonly limits?: Limits;
  readonly seed: number;
}

export function createSession({ settings, limits = NO_LIMITS, seed }: NewSession): SessionState {
  return {
    phase: "created",
    settings: { ...DEFAULT_SETTINGS, ...settings },
    epoch: 0,
    preparing: null,
    error: null,
    pause: null,
    queue: [],
    turn: null,
    turns: 0,
    last_turn: null,
    slot: "none",
    clock: { active_ms: 0, since: null },
    budget: {
      limits,
      spent: { usd_nanos: 0, tokens: 0, steps: 0, sandbox_ms: 0 },
      holds: [],
      pool: [],
    },
    failures: 0,
    stopping: [],
    is_disposed: false,
    seed,
  };
}

/** The calls of the step that has ended and is not answered. */
export function callsOf(turn: TurnState | null): readonly CallState[] {
  return turn?.work.status === "calls" ? turn.work.calls : [];
}

export function isPaused({ pause }: SessionState): boolean {
  return pause?.is_reached === true;
}

/** Whether something of a turn runs that a pause stops, or waits for. */
export function isTurnInFlight({ turn, pause }: SessionState): boolean {
  if (turn === null) return false;
  if (turn.work.status === "quoting" || turn.work.status === "running") return true;
  // What lives elsewhere is not stopped by a pause, and goes on without the session: also what rested
  // when the pause was reached.
  const isLeftAlone = pause?.mode === "now" || pause?.is_reached === true;
  return callsOf(turn).some(
    ({ status, recovery, is_resting }) =>
      status === "running" && !is_resting && !(isLeftAlone && recovery === "attach"),
  );
}

/** Whether the session works or is about to: it needs a slot for that. */
export function isAtWork(state: SessionState): boolean {
  if (state.phase === "initializing") return true;
  if (state.phase !== "ready" || isPaused(state)) return false;
  return isTurnInFlight(state) || (state.pause === null && canGoOn(state));
}

/** Whether a turn has something that could begin, now or by itself later. */
function canGoOn(state: SessionState): boolean {
  const { turn } = state;
  if (turn === null || turn.blocked_by.length > 0) return false;
  const { status } = turn.work;
  return status === "due" || status === "backoff" || nextCall(state) !== null;
}

/** The next call, in the order of the step, if it may run beside those that run; else null. */
export function nextCall({ turn, settings }: SessionState): CallState | null {
  const calls = callsOf(turn);
  const running = calls.filter(({ status }) => status === "running");
  const next = calls.find(({ status }) => status === "ready") ?? null;
  if (next === null || running.length >= settings.max_parallel_tools) return null;
  const isFree = running.length === 0 || [next, ...running].every((each) => each.is_parallel);
  return isFree ? next : null;
}

export function hasSlot({ slot, settings }: SessionState): boolean {
  return slot === "held" || !settings.is_slotted;
}

/** Nothing happens until somebody asks for it, or an approval expires. */
export function isAtRest(state: SessionState): boolean {
  if (state.stopping.length > 0) return false;
  return state.phase === "terminated" ? state.is_disposed : !isAtWork(state);
}

/** Active time up to now, of all turns. */
export function activeMs({ clock }: SessionState, now: number): number {
  return clock.active_ms + (clock.since === null ? 0 : Math.max(0, now - clock.since));
}

/** When the live turn has used up its time; null while that stands still. */
export function turnDeadline({ clock, turn, settings }: SessionState): number | null {
  if (turn === null || clock.since === null || settings.turn_timeout_ms === null) return null;
  const used = clock.active_ms - turn.active_before_ms;
  return clock.since + settings.turn_timeout_ms - used;
}

/**
 * When the shell must send `timer`, by its one alarm; null when nothing is to be waited for. A
 * timer that finds nothing due is harmless.
 */
export function nextDeadline(state: SessionState, now: number): number | null {
  const deadlines: number[] = isAtRest(state) ? [] : [now + WATCH_MS];
  const add = (at: number | null) => at !== null && deadlines.push(at);
  add(turnDeadline(state));
  if (state.pause === null && state.phase === "ready" && state.turn !== null) {
    if (state.turn.work.status === "backoff") add(state.turn.work.retry_at);
    for (const { status, expires_at } of callsOf(state.turn)) {
      if (status === "approval") add(expires_at);
    }
  }
  return deadlines.length === 0 ? null : Math.min(...deadlines);
}
