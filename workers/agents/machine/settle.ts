/** After each event: what may begin does, and what is not needed is given back. */
import { block, usedUp } from "./budget.ts";
import { startCalls } from "./calls.ts";
import type { Change } from "./change.ts";
import { settleClock, settleSlot } from "./clock.ts";
import { prepare } from "./lifecycle.ts";
import { settlePause } from "./pause.ts";
import { callsOf, hasSlot } from "./state.ts";
import { quoteStep } from "./steps.ts";
import { advanceTurn, beginTurn } from "./turns.ts";
import type { SessionState, TurnState } from "./types.ts";

export function settle(change: Change): void {
  const { state } = change;
  advanceTurn(change);
  if (state.phase === "ready" && state.pause === null && state.turn === null) beginTurn(change);
  const turn = mayGoOn(state) ? state.turn : null;
  if (turn !== null) {
    wake(change, turn);
    checkBudget(change, turn);
  }
  settlePause(change);
  settleSlot(change);
  if (hasSlot(state)) {
    if (state.phase === "initializing" && state.preparing === null) prepare(change);
    if (turn !== null && mayGoOn(state)) goOn(change, turn);
  }
  settleClock(change);
}

function mayGoOn({ phase, pause, turn }: SessionState): boolean {
  return phase === "ready" && pause === null && turn?.blocked_by.length === 0;
}

/** The step's next try is due. */
function wake(change: Change, turn: TurnState): void {
  if (turn.work.status === "backoff" && change.due(turn.work.retry_at)) {
    turn.work = { status: "due" };
  }
}

function checkBudget(change: Change, turn: TurnState): void {
  const isReady = callsOf(turn).some(({ status }) => status === "ready");
  if (turn.work.status !== "due" && !isReady) return;
  const limits = usedUp(change.state, isReady ? "call" : "step", change.now);
  if (limits.length > 0) block(change, limits);
}

function goOn(change: Change, turn: TurnState): void {
  if (turn.work.status === "due") quoteStep(change, turn);
  else startCalls(change, turn);
}
