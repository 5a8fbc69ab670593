/** The session's own life: made ready, and ended. */
import type { Change } from "./change.ts";
import { endTurn } from "./turns.ts";
import type { SessionError } from "./types.ts";

export function initialize(change: Change): void {
  const { state } = change;
  if (state.phase !== "created" && state.phase !== "error") return;
  state.phase = "initializing";
  state.error = null;
  state.failures = 0;
  change.emit({ type: "session.initializing" });
}

export function prepare(change: Change): void {
  const epoch = change.mintEpoch();
  change.state.preparing = epoch;
  change.effects.push({ type: "prepare", epoch });
}

/** False for the report of a preparation that nobody waits for. */
export function prepared(change: Change, epoch: number, error: SessionError | null): boolean {
  const { state } = change;
  if (state.preparing !== epoch) return false;
  state.preparing = null;
  if (error !== null) fail(change, error);
  else {
    state.phase = "ready";
    state.failures = 0;
    change.emit({ type: "session.ready" });
  }
  return true;
}

/** The session does nothing until it is initialized again; what waits for a turn goes on waiting. */
export function fail(change: Change, error: SessionError): void {
  const { state } = change;
  endTurn(change, "error", error);
  if (state.preparing !== null) change.effects.push({ type: "abort", epoch: state.preparing });
  state.preparing = null;
  state.phase = "error";
  state.error = error;
  change.emit({ type: "session.failed", error });
}

export function terminate(change: Change): void {
  const { state } = change;
  endTurn(change, "terminated");
  if (state.preparing !== null) change.effects.push({ type: "abort", epoch: state.preparing });
  for (const input of state.queue) change.emit({ type: "input.dropped", input });
  state.preparing = null;
  state.queue = [];
  state.pause = null;
  state.phase = "terminated";
  change.effects.push({ type: "dispose" });
  change.emit({ type: "session.terminated" });
}
