/** What a new process makes of what the one before it had in flight. */
import { settleLost } from "./budget.ts";
import { recoverCall } from "./calls.ts";
import type { Change } from "./change.ts";
import { askForSlot, restartClock } from "./clock.ts";
import { fail } from "./lifecycle.ts";
import { callsOf } from "./state.ts";
import { dropQuote, repeatStops } from "./stop.ts";
import { endTurn } from "./turns.ts";
import type { SessionError, TurnState } from "./types.ts";

const DIED: SessionError = {
  code: "process_died",
  message: "The process that ran it died; it is done again.",
};

export function recovered(change: Change): void {
  const { state } = change;
  settleLost(change);
  restartClock(change);
  repeatStops(change);
  if (state.slot !== "none") askForSlot(change);
  if (state.preparing !== null) preparationDied(change);
  if (state.turn !== null) turnDied(change, state.turn);
}

function preparationDied(change: Change): void {
  change.state.preparing = null;
  if (hasFailedTooOften(change)) fail(change, givenUp(change));
}

function turnDied(change: Change, turn: TurnState): void {
  const { work } = turn;
  if (work.status === "quoting") dropQuote(change, turn, work.epoch);
  const calls = callsOf(turn).filter(({ status }) => status === "running");
  const dead = calls.filter(({ recovery }) => recovery !== "attach");
  for (const call of dead) call.status = "interrupted";
  const isLast = (work.status === "running" || dead.length > 0) && hasFailedTooOften(change);
  if (work.status === "running") {
    const { number, step } = turn;
    const retry_at = isLast ? null : change.now;
    turn.work = { status: "due" };
    change.emit({
      type: "step.failed",
      turn: number,
      step,
      epoch: work.epoch,
      kind: work.kind,
      error: DIED,
      retry_at,
    });
  }
  if (isLast) endTurn(change, "error", givenUp(change));
  else for (const call of calls) recoverCall(change, turn, call);
}

/** One more failure: is it one too many? */
function hasFailedTooOften({ state }: Change): boolean {
  state.failures += 1;
  return state.failures >= state.settings.max_failures;
}

function givenUp({ state }: Change): SessionError {
  return {
    code: "recovery_exhausted",
    message: `It was given up after ${state.failures} failures in a row, the last of which took the process down. See the session's events for what ran, and try it again without that.`,
  };
}
