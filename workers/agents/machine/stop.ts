/** How what is in flight is stopped. Nobody waits for it: its epoch counts no more. */
import { answerCall } from "./answers.ts";
import type { CallState } from "./call-types.ts";
import { type Change, refOf } from "./change.ts";
import { callsOf } from "./state.ts";
import type { StopReason, TurnState } from "./types.ts";

/** Stops the step that is written, or about to be; it is due again. */
export function stopStep(change: Change, turn: TurnState, reason: StopReason | "paused"): void {
  const { work } = turn;
  if (work.status === "quoting") dropQuote(change, turn, work.epoch);
  if (work.status !== "running") return;
  turn.work = { status: "due" };
  const { epoch, kind } = work;
  change.effects.push({ type: "abort", epoch });
  change.emit({ type: "step.stopped", turn: turn.number, step: turn.step, epoch, kind, reason });
}

export function dropQuote(change: Change, turn: TurnState, epoch: number): void {
  turn.work = { status: "due" };
  change.emit({ type: "quote.dropped", epoch });
}

/** Stops the calls that run, but for those that live elsewhere; they are dealt with on `resume`. */
export function interruptCalls(change: Change, turn: TurnState): void {
  for (const call of callsOf(turn)) {
    if (call.status !== "running" || call.epoch === null || call.recovery === "attach") continue;
    call.status = "interrupted";
    change.effects.push({ type: "abort", epoch: call.epoch });
    change.emit({ type: "tool.stopped", ...refOf(turn, call.id), epoch: call.epoch });
  }
}

/** Answers every call that is open: no call is ever left without its answer. */
export function closeCalls(change: Change, turn: TurnState): void {
  for (const call of callsOf(turn)) {
    if (call.status === "answered") continue;
    if (call.status === "running" && call.epoch !== null) stopCall(change, turn, call, call.epoch);
    answerCall(change, turn, call, call.epoch === null ? "cancelled" : "interrupted");
  }
}

function stopCall(change: Change, turn: TurnState, call: CallState, epoch: number): void {
  if (call.recovery !== "attach") {
    change.effects.push({ type: "abort", epoch });
    return;
  }
  const told = { ...refOf(turn, call.id), epoch };
  change.state.stopping.push(told);
  change.effects.push({ type: "stop_call", ...told });
}

/** Tells again what has not said that it stopped. */
export function repeatStops({ state, effects }: Change): void {
  for (const call of state.stopping) effects.push({ type: "stop_call", ...call });
  if (state.phase === "terminated" && !state.is_disposed) effects.push({ type: "dispose" });
}

/** False for a call that nobody has told to stop. */
export function hasStopped({ state }: Change, epoch: number): boolean {
  const before = state.stopping.length;
  state.stopping = state.stopping.filter((each) => each.epoch !== epoch);
  return state.stopping.length < before;
}
