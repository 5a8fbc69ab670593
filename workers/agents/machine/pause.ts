/** A pause lets what is in flight end, or stops it; the same turn goes on from there. */
import { recoverCall } from "./calls.ts";
import type { Change } from "./change.ts";
import { callsOf, isTurnInFlight } from "./state.ts";
import { dropQuote, interruptCalls, stopStep } from "./stop.ts";
import type { PauseMode } from "./types.ts";

export function pause(change: Change, mode: PauseMode): void {
  const { state } = change;
  const { turn } = state;
  if (state.pause?.mode === "now" || state.pause?.is_reached) return;
  if (state.pause?.mode === mode) return;
  state.pause = { mode, is_reached: false };
  change.emit({ type: "session.pausing", mode });
  if (turn?.work.status === "quoting") dropQuote(change, turn, turn.work.epoch);
  if (turn === null || mode === "boundary") return;
  stopStep(change, turn, "paused");
  interruptCalls(change, turn);
}

/** The pause is reached once nothing runs that it stops or waits for. */
export function settlePause(change: Change): void {
  const { state } = change;
  if (state.pause === null || state.pause.is_reached || isTurnInFlight(state)) return;
  state.pause = { mode: state.pause.mode, is_reached: true };
  change.emit({ type: "session.paused" });
}

export function resume(change: Change): void {
  const { state } = change;
  const { turn } = state;
  if (state.pause === null) return;
  state.pause = null;
  change.emit({ type: "session.resumed" });
  if (turn === null) return;
  for (const call of callsOf(turn)) {
    if (call.status === "interrupted") recoverCall(change, turn, call);
  }
}
