/**
 * The machine of agent sessions: a function of (state, event, now) and nothing else. The shell asks
 * `refusal` about commands, stores the state and what is emitted in one transaction, arms its one
 * alarm at `nextDeadline`, and performs the effects after that. A new process sends `recovered`
 * before anything else.
 */
import { decide, expireApprovals } from "./answers.ts";
import { holdForOther, settleOthers, unblock } from "./budget.ts";
import { callFinished, callRested } from "./calls.ts";
import { Change } from "./change.ts";
import { slotGranted, slotLost } from "./clock.ts";
import type { Transition } from "./effects.ts";
import { type Command, isCommand, type Report, type SessionEvent } from "./events.ts";
import { fail, initialize, prepared, terminate } from "./lifecycle.ts";
import { pause, resume } from "./pause.ts";
import { recovered } from "./recovery.ts";
import { refusal } from "./refusal.ts";
import { settle } from "./settle.ts";
import { turnDeadline } from "./state.ts";
import { stepAborted, stepFailed, stepFinished, stepQuoted } from "./steps.ts";
import { hasStopped, repeatStops } from "./stop.ts";
import { compact, endTurn, message, timeOut } from "./turns.ts";
import type { SessionState } from "./types.ts";

export { createSession, isAtRest, nextDeadline } from "./state.ts";

/** Applies one event. One that is refused, or no longer applies, leaves the state as it is. */
export function reduce(state: SessionState, event: SessionEvent, now: number): Transition {
  if (isCommand(event) && refusal(state, event) !== null) return { state, effects: [] };
  const change = new Change(state, now);
  apply(change, event);
  settle(change);
  return { state: change.state, effects: change.effects };
}

function apply(change: Change, event: SessionEvent): void {
  const { state } = change;
  if (isCommand(event)) {
    if (state.phase !== "terminated") command(change, event);
    return;
  }
  switch (event.type) {
    case "recovered":
      recovered(change);
      break;
    case "timer":
      timer(change);
      break;
    case "slot_granted":
      slotGranted(change);
      break;
    case "slot_lost":
      slotLost(change);
      break;
    case "hold_settled":
    case "charged":
      settleOthers(change, event);
      break;
    case "call_rested":
      callRested(change, event);
      break;
    case "pool_changed":
      unblock(change);
      break;
    case "faulted":
      if (state.phase === "ready" || state.phase === "initializing") fail(change, event.error);
      break;
    case "disposed":
      if (state.phase === "terminated") state.is_disposed = true;
      break;
    default:
      if (!report(change, event)) {
        change.emit({ type: "report.refused", epoch: event.epoch, report: event.type });
      }
  }
}

function command(change: Change, event: Command): void {
  const { state } = change;
  switch (event.type) {
    case "initialize":
      initialize(change);
      break;
    case "message":
      message(change, event);
      break;
    case "compact":
      compact(change, event.id);
      break;
    case "pause":
      pause(change, event.mode);
      break;
    case "resume":
      resume(change);
      break;
    case "cancel_turn":
      endTurn(change, "cancelled");
      break;
    case "budget_changed":
      state.budget.limits = event.limits;
      change.emit({ type: "budget.changed", limits: event.limits });
      unblock(change);
      break;
    case "configured":
      state.settings = event.settings;
      change.emit({ type: "session.configured" });
      break;
    case "hold":
      holdForOther(change, event);
      break;
    case "terminate":
      terminate(change);
      break;
    default:
      decide(change, event);
  }
}

/** False for a report that nobody waits for. */
function report(change: Change, event: Report): boolean {
  switch (event.type) {
    case "prepared":
      return prepared(change, event.epoch, null);
    case "prepare_failed":
      return prepared(change, event.epoch, event.error);
    case "step_quoted":
      return stepQuoted(change, event);
    case "step_finished":
      return stepFinished(change, event);
    case "step_failed":
      return stepFailed(change, event);
    case "step_aborted":
      return stepAborted(change, event);
    case "call_finished":
      return callFinished(change, event);
    case "call_aborted":
      return hasStopped(change, event.epoch);
  }
}

function timer(change: Change): void {
  repeatStops(change);
  if (change.due(turnDeadline(change.state))) timeOut(change);
  expireApprovals(change);
}
