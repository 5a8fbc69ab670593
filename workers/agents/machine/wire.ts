/** What callers see of a session: a function of its state. */
import { callsOf, isAtWork, isPaused, isTurnInFlight } from "./state.ts";
import type { SessionError, SessionState, StopReason, TurnState } from "./types.ts";

export const WIRE_STATES = [
  "idle",
  "initializing",
  "running",
  "waiting",
  "paused",
  "error",
  "terminated",
] as const;
export type WireState = (typeof WIRE_STATES)[number];

export const WAITS = ["message", "approval", "input", "budget", "slot", "agent"] as const;
export type WaitingFor = (typeof WAITS)[number];

export interface WireStatus {
  readonly state: WireState;
  /** Of a session that is `waiting`. */
  readonly waiting_for: WaitingFor | null;
  /** It is paused as soon as what is in flight has ended. */
  readonly pausing: boolean;
  /** Of the last turn that ended. */
  readonly stop_reason: StopReason | null;
  /** Why the session is in `error`, or else why its last turn failed. */
  readonly error: SessionError | null;
}

export function wireState(state: SessionState): WireStatus {
  const waiting_for = waitingFor(state);
  return {
    state: nameOf(state, waiting_for),
    waiting_for,
    pausing: state.phase === "ready" && state.pause !== null && !isPaused(state),
    stop_reason: state.last_turn?.stop_reason ?? null,
    error: state.error ?? state.last_turn?.error ?? null,
  };
}

function nameOf(state: SessionState, waiting: WaitingFor | null): WireState {
  if (state.phase === "created") return "idle";
  if (state.phase !== "ready") return state.phase;
  if (isPaused(state)) return "paused";
  return waiting === null ? "running" : "waiting";
}

function waitingFor(state: SessionState): WaitingFor | null {
  if (state.phase !== "ready" || isPaused(state)) return null;
  if (state.turn === null) return "message";
  if (isTurnInFlight(state)) return null;
  if (isAtWork(state)) return state.slot === "asked" ? "slot" : null;
  return somebody(state.turn);
}

/** Approvals come before questions: their time may be limited. What else waits, does so elsewhere. */
function somebody(turn: TurnState): WaitingFor {
  if (turn.blocked_by.length > 0) return "budget";
  const waits = callsOf(turn).map(({ status }) => status);
  if (waits.includes("approval")) return "approval";
  return waits.includes("input") ? "input" : "agent";
}
