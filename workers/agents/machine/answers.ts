/** How calls are answered: each is, once, whatever becomes of its turn. */
import type { CallOutcome, CallState } from "./call-types.ts";
import { type Change, refOf } from "./change.ts";
import type { Command } from "./events.ts";
import { callsOf } from "./state.ts";
import type { TurnState } from "./types.ts";

/** `message` is the one that answers a question. */
export function answerCall(
  change: Change,
  turn: TurnState,
  call: CallState,
  outcome: CallOutcome,
  message: string | null = null,
): void {
  call.status = "answered";
  call.is_resting = false;
  call.expires_at = null;
  change.emit({ type: "tool.finished", ...refOf(turn, call.id), outcome, message });
}

export function requestApproval(change: Change, turn: TurnState, call: CallState): void {
  const { approval_timeout_ms: ms } = change.state.settings;
  call.status = "approval";
  call.expires_at = ms === null ? null : change.now + ms;
  change.emit({
    type: "tool.approval_requested",
    ...refOf(turn, call.id),
    expires_at: call.expires_at,
    is_rerun: call.epoch !== null,
  });
}

/** The oldest question that the user has not answered. */
export function questionOf(turn: TurnState | null): CallState | null {
  return callsOf(turn).find(({ status }) => status === "input") ?? null;
}

/** The call of that id which waits for a person. */
export function awaitingOf(
  turn: TurnState | null,
  id: string,
  status: "approval" | "input",
): CallState | null {
  return callsOf(turn).find((call) => call.id === id && call.status === status) ?? null;
}

export function decide(
  change: Change,
  command: Extract<Command, { type: "approve" | "deny" | "answer" }>,
): void {
  const { turn } = change.state;
  const call = awaitingOf(turn, command.call, command.type === "answer" ? "input" : "approval");
  if (turn === null || call === null) return;
  const ref = refOf(turn, call.id);
  if (command.type === "answer") answerCall(change, turn, call, "answered");
  else if (command.type === "deny") {
    const { by, reason } = command;
    change.emit({ type: "tool.denied", ...ref, by, reason });
    answerCall(change, turn, call, "denied");
  } else {
    const { by, edited_digest } = command;
    call.digest = edited_digest ?? call.digest;
    call.status = "ready";
    call.expires_at = null;
    const is_edited = edited_digest !== null;
    change.emit({ type: "tool.approved", ...ref, by, digest: call.digest, is_edited });
  }
}

/** Answers what nobody has approved in time. A pause keeps that from happening, not the time from passing. */
export function expireApprovals(change: Change): void {
  const { turn, pause } = change.state;
  if (turn === null || pause !== null) return;
  for (const call of callsOf(turn)) {
    if (call.status === "approval" && change.due(call.expires_at)) {
      answerCall(change, turn, call, "expired");
    }
  }
}
