/** The calls of a step, from the model's asking for them to their results. Each is recorded before it runs. */
import { answerCall, requestApproval } from "./answers.ts";
import type { CallSpec, CallState } from "./call-types.ts";
import { type Change, refOf } from "./change.ts";
import type { Report, SessionEvent } from "./events.ts";
import { callsOf, nextCall } from "./state.ts";
import { hasStopped } from "./stop.ts";
import type { TurnState } from "./types.ts";

/** Records the calls that a step has ended with. */
export function recordCalls(change: Change, turn: TurnState, specs: readonly CallSpec[]): void {
  const calls = specs.map(newCall);
  turn.work = { status: "calls", calls };
  for (const { id, name } of calls) {
    change.emit({ type: "tool.called", ...refOf(turn, id), name });
  }
  for (const [index, { policy, kind }] of specs.entries()) {
    const call = calls[index];
    if (call === undefined) continue;
    if (policy === "deny") answerCall(change, turn, call, "denied");
    else if (policy === "invalid") answerCall(change, turn, call, "invalid");
    else if (kind === "input") {
      call.status = "input";
      change.emit({ type: "tool.input_requested", ...refOf(turn, call.id) });
    } else if (policy === "ask") requestApproval(change, turn, call);
  }
}

function newCall({ id, name, recovery, is_parallel, digest }: CallSpec): CallState {
  return {
    id,
    name,
    recovery,
    is_parallel,
    digest,
    status: "ready",
    is_resting: false,
    epoch: null,
    expires_at: null,
  };
}

/** Starts, in the order of the step, as many calls as may run beside each other. */
export function startCalls(change: Change, turn: TurnState): void {
  for (let call = nextCall(change.state); call !== null; call = nextCall(change.state)) {
    call.status = "running";
    call.epoch = change.mintEpoch();
    const ref = refOf(turn, call.id);
    change.emit({ type: "tool.started", ...ref, epoch: call.epoch });
    change.effects.push({ type: "run_call", ...ref, epoch: call.epoch });
  }
}

/** Whether a call that lives elsewhere waits for somebody there; of one that does not run it says nothing. */
export function callRested(
  { state }: Change,
  { epoch, is_resting }: Extract<SessionEvent, { type: "call_rested" }>,
): void {
  const call = callsOf(state.turn).find((each) => each.epoch === epoch);
  if (call?.status === "running" && call.recovery === "attach") call.is_resting = is_resting;
}

/** Takes a result, also of a call that ended in spite of the pause that stopped it; false for a stale one. */
export function callFinished(
  change: Change,
  { epoch, is_error }: Extract<Report, { type: "call_finished" }>,
): boolean {
  const { state } = change;
  hasStopped(change, epoch);
  const call = callsOf(state.turn).find(
    (each) => each.epoch === epoch && (each.status === "running" || each.status === "interrupted"),
  );
  if (state.turn === null || call === undefined) return false;
  state.failures = 0;
  answerCall(change, state.turn, call, is_error ? "failed" : "succeeded");
  return true;
}

/** Deals with a call that was in flight when its process died or a pause stopped it. */
export function recoverCall(change: Change, turn: TurnState, call: CallState): void {
  switch (call.recovery) {
    case "rerun":
      call.status = "ready";
      break;
    case "report":
      answerCall(change, turn, call, "interrupted");
      break;
    case "ask":
      requestApproval(change, turn, call);
      break;
    case "attach":
      if (call.epoch === null) break;
      change.effects.push({ type: "run_call", ...refOf(turn, call.id), epoch: call.epoch });
  }
}
