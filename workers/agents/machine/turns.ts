/** Turns: one for each input, one at a time. */
import { answerCall, questionOf } from "./answers.ts";
import type { Change } from "./change.ts";
import type { Command } from "./events.ts";
import { activeMs } from "./state.ts";
import { closeCalls, stopStep } from "./stop.ts";
import type { SessionError, StopReason, TurnInput } from "./types.ts";

/** Takes a message in: it answers an open question, or waits for a turn of its own. */
export function message(
  change: Change,
  { id, policy }: Extract<Command, { type: "message" }>,
): void {
  const { turn } = change.state;
  const stops = policy === "interrupt" || policy === "rollback";
  change.emit({ type: "message.queued", message: id, policy });
  const question = questionOf(turn);
  if (turn !== null && question !== null && !stops) {
    answerCall(change, turn, question, "answered", id);
    return;
  }
  if (stops) endTurn(change, policy === "interrupt" ? "interrupted" : "rolled_back");
  enqueue(change, { kind: "message", id, is_urgent: stops });
}

export function compact(change: Change, id: string): void {
  change.emit({ type: "compaction.queued", id });
  enqueue(change, { kind: "compaction", id, is_urgent: false });
}

/** Urgent ones go before the others, and behind those that were urgent before. */
function enqueue({ state }: Change, input: TurnInput): void {
  const place = input.is_urgent
    ? state.queue.findLastIndex(({ is_urgent }) => is_urgent) + 1
    : state.queue.length;
  state.queue.splice(place, 0, input);
}

/** Begins the turn of the next input, if there is one. */
export function beginTurn(change: Change): void {
  const { state } = change;
  const input = state.queue.shift();
  if (input === undefined) return;
  state.turns += 1;
  state.failures = 0;
  state.turn = {
    number: state.turns,
    input,
    step: 1,
    attempt: 0,
    work: { status: "due" },
    compacted_step: null,
    blocked_by: [],
    active_before_ms: activeMs(state, change.now),
  };
  change.emit({ type: "turn.started", turn: state.turns, input });
}

/** Ends the live turn: what runs is stopped, and every call that is open is answered. */
export function endTurn(
  change: Change,
  stop_reason: StopReason,
  error: SessionError | null = null,
): void {
  const { state } = change;
  const { turn } = state;
  if (turn === null) return;
  stopStep(change, turn, stop_reason);
  closeCalls(change, turn);
  change.emit({ type: "turn.ended", turn: turn.number, stop_reason, error });
  state.last_turn = { number: turn.number, stop_reason, error };
  state.turn = null;
}

/** Goes on to the next step once all calls of the last one are answered. */
export function advanceTurn(change: Change): void {
  const { turn, settings } = change.state;
  if (turn?.work.status !== "calls") return;
  if (!turn.work.calls.every(({ status }) => status === "answered")) return;
  turn.work = { status: "due" };
  if (turn.step >= settings.max_steps) endTurn(change, "max_steps");
  else turn.step += 1;
}

export function timeOut(change: Change): void {
  const seconds = (change.state.settings.turn_timeout_ms ?? 0) / 1000;
  endTurn(change, "timeout", {
    code: "turn_timeout",
    message: `The turn was stopped after ${seconds} s of work, its timeout_seconds. Send a message to go on, or raise it.`,
  });
}
