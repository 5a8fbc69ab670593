/** Which commands are legal, and why the others are not. */
import { awaitingOf, questionOf } from "./answers.ts";
import { exceededByOther, hasHold } from "./budget.ts";
import type { Command } from "./events.ts";
import { callsOf, MAX_QUEUED } from "./state.ts";
import type { SessionState } from "./types.ts";
import { wireState } from "./wire.ts";

export interface Refusal {
  readonly code:
    | "illegal"
    | "busy"
    | "queue_full"
    | "other_turn"
    | "not_awaited"
    | "input_changed"
    | "budget";
  /** What to do instead. */
  readonly detail: string;
  readonly allowed: readonly Action[];
}

export const ACTIONS = [
  "initialize",
  "message",
  "pause",
  "resume",
  "cancel",
  "approve",
  "deny",
  "answer",
  "terminate",
] as const;
export type Action = (typeof ACTIONS)[number];

/** What would change something now. */
export function allowedActions(state: SessionState): readonly Action[] {
  const { phase, pause, turn } = state;
  if (phase === "terminated") return [];
  if (phase === "created" || phase === "error") return ["initialize", "terminate"];
  if (phase === "initializing") return ["message", "terminate"];
  const isAsked = callsOf(turn).some(({ status }) => status === "approval");
  const legal: Readonly<Record<Action, boolean>> = {
    initialize: false,
    message: true,
    pause: pause === null || (pause.mode === "boundary" && !pause.is_reached),
    resume: pause !== null,
    cancel: turn !== null,
    approve: isAsked,
    deny: isAsked,
    answer: questionOf(turn) !== null,
    terminate: true,
  };
  return ACTIONS.filter((action) => legal[action]);
}

/** Null when the command is legal; one that repeats what is already so is, and changes nothing. */
export function refusal(state: SessionState, command: Command): Refusal | null {
  const refused = problem(state, command);
  if (refused === null) return null;
  const [code, detail] = refused;
  return { code, detail, allowed: allowedActions(state) };
}

type Problem = readonly [code: Refusal["code"], detail: string] | null;

function problem(state: SessionState, command: Command): Problem {
  if (command.type === "terminate") return null;
  if (state.phase === "terminated") {
    return ["illegal", "The session is terminated, which is final. Create another one."];
  }
  switch (command.type) {
    case "message":
    case "compact":
      return inputProblem(state, command);
    case "pause":
    case "resume":
      if (state.phase === "ready") return null;
      return notReady(state, command.type);
    case "cancel_turn":
      return cancelProblem(state, command.turn);
    case "approve":
    case "deny":
    case "answer":
      return decisionProblem(state, command);
    case "hold": {
      if (hasHold(state.budget, command.id)) return null;
      const limits = exceededByOther(state, command);
      if (limits.length === 0) return null;
      return ["budget", `The budget has no room for it (${limits.join(", ")}). Raise its limits.`];
    }
    default:
      return null;
  }
}

function notReady(state: SessionState, what: string): Problem {
  const { state: shown } = wireState(state);
  const advice =
    state.phase === "initializing" ? "Wait until it is initialized." : "Initialize it first.";
  return ["illegal", `The session is ${shown}, and cannot ${what}. ${advice}`];
}

function inputProblem(
  state: SessionState,
  command: Extract<Command, { type: "message" | "compact" }>,
): Problem {
  if (state.phase === "created" || state.phase === "error")
    return notReady(state, command.type === "message" ? "take a message" : "compact");
  const policy = command.type === "message" ? command.policy : "enqueue";
  const answers = command.type === "message" && questionOf(state.turn) !== null;
  const isFree =
    state.phase === "ready" && state.pause === null && !state.turn && state.queue.length === 0;
  if (policy === "reject" && !isFree && !answers) {
    const { state: shown } = wireState(state);
    return [
      "busy",
      `The session is ${shown} and would begin with the message only later, which the policy "reject" does not want. Send it again when the session waits for a message, or with another policy.`,
    ];
  }
  if (state.queue.length >= MAX_QUEUED) {
    return ["queue_full", `${MAX_QUEUED} messages wait already. Send it again when some are done.`];
  }
  return null;
}

function cancelProblem({ turn }: SessionState, asked: number | null): Problem {
  if (turn === null) return ["illegal", "The session has no turn to cancel."];
  if (asked === null || asked === turn.number) return null;
  return ["other_turn", `Turn ${asked} is not under way; turn ${turn.number} is.`];
}

function decisionProblem(
  { turn }: SessionState,
  command: Extract<Command, { type: "approve" | "deny" | "answer" }>,
): Problem {
  const waits = command.type === "answer" ? "input" : "approval";
  const call = awaitingOf(turn, command.call, waits);
  if (call === null) {
    return ["not_awaited", `No call "${command.call}" waits for ${waits}. List what does first.`];
  }
  if (command.type !== "approve" || command.digest === null || command.digest === call.digest) {
    return null;
  }
  return ["input_changed", "The call's input is not the one that was seen. Look at it again."];
}
