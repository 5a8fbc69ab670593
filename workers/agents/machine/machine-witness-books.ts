/** Test support: what a session has in flight, has spent and waits for, as its events and effects say. */
import { must } from "../../runs/machine-witness-rules.ts";
import type { CallRef, CallSpec } from "./call-types.ts";
import type { MachineEvent } from "./effects.ts";
import type { SessionEvent } from "./events.ts";
import type { Hold, SessionState, StepUsage } from "./types.ts";

/** Plain data, so that a draft of it can be thrown away. */
export interface Books {
  /** By epoch: the effect that nothing has come of yet, or, of a call, its recovery. */
  outstanding: Record<number, string>;
  /** Epochs of calls elsewhere that were told to stop. */
  stopping: number[];
  /** Epochs of calls elsewhere that wait there. */
  resting: number[];
  /** Epochs of calls that a pause has stopped. */
  interrupted: number[];
  quotes: Record<number, StepUsage>;
  holds: Record<number, Hold>;
  pool: Record<string, Hold>;
  spent: SessionState["budget"]["spent"];
  /** By turn, step and id. */
  calls: Record<string, CallSpec>;
  /** Ids of messages and requests. */
  taken: string[];
  phase: SessionState["phase"];
  isPaused: boolean;
  turn: number | null;
  /** Open approvals and when they expire. */
  approvals: Record<string, number | null>;
  questions: string[];
  /** The budget was reached, and nothing has begun, and no room was made, since. */
  isBlocked: boolean;
}

export function newBooks({ phase, budget }: SessionState): Books {
  return {
    outstanding: {},
    stopping: [],
    resting: [],
    interrupted: [],
    quotes: {},
    holds: {},
    pool: {},
    spent: { ...budget.spent },
    calls: {},
    taken: [],
    phase,
    isPaused: false,
    turn: null,
    approvals: {},
    questions: [],
    isBlocked: false,
  };
}

export function note(books: Books, event: SessionEvent): void {
  switch (event.type) {
    case "message":
    case "compact":
      books.taken.push(event.id);
      break;
    case "hold":
      books.taken.push(event.id);
      books.pool[event.id] = { usd_nanos: event.usd_nanos ?? 0, tokens: event.tokens ?? 0 };
      break;
    case "hold_settled":
      if (!(event.id in books.pool)) break;
      delete books.pool[event.id];
      books.isBlocked = false;
      spend(books, event);
      break;
    case "charged":
      spend(books, event);
      books.spent.sandbox_ms += event.sandbox_ms;
      break;
    case "call_rested":
      books.resting = books.resting.filter((each) => each !== event.epoch);
      if (event.is_resting && books.outstanding[event.epoch] === "attach") {
        books.resting.push(event.epoch);
      }
      break;
    case "pool_changed":
      books.isBlocked = false;
      break;
    case "recovered":
      for (const [epoch, what] of Object.entries(books.outstanding)) {
        if (what !== "attach") delete books.outstanding[Number(epoch)];
      }
      break;
    default:
  }
}

function spend({ spent }: Books, { usd_nanos, tokens }: Hold): void {
  spent.usd_nanos += usd_nanos;
  spent.tokens += tokens;
}

const keyOf = ({ turn, step, call }: CallRef) => `${turn}/${step}/${call}`;

export function noteEmitted(books: Books, event: MachineEvent): void {
  switch (event.type) {
    case "session.initializing":
      books.phase = "initializing";
      break;
    case "session.ready":
      books.phase = "ready";
      break;
    case "session.failed":
      books.phase = "error";
      break;
    case "session.terminated":
      books.phase = "terminated";
      break;
    case "session.paused":
      books.isPaused = true;
      break;
    case "session.resumed":
      books.isPaused = false;
      books.interrupted = [];
      break;
    case "turn.started":
      books.turn = event.turn;
      break;
    case "turn.ended":
      books.turn = null;
      books.interrupted = [];
      books.isBlocked = false;
      break;
    case "step.started":
      begin(books, event);
      break;
    case "quote.dropped":
      delete books.outstanding[event.epoch];
      break;
    case "usage.settled":
      must(
        event.epoch in books.holds,
        `step ${event.epoch} is settled, and nothing is held for it`,
      );
      delete books.holds[event.epoch];
      books.isBlocked = false;
      spend(books, event);
      break;
    case "budget.changed":
      books.isBlocked = false;
      break;
    case "budget.reached":
      must(event.limits.length > 0, "a budget is reached, and none is named");
      books.isBlocked = true;
      break;
    default:
      noteCall(books, event);
  }
}

function begin(books: Books, event: Extract<MachineEvent, { type: "step.started" }>): void {
  const quote = books.quotes[event.epoch];
  books.holds[event.epoch] = { usd_nanos: quote?.usd_nanos ?? 0, tokens: quote?.tokens ?? 0 };
  if (event.attempt === 1) books.spent.steps += 1;
  books.isBlocked = false;
}

function noteCall(books: Books, event: MachineEvent): void {
  switch (event.type) {
    case "tool.approval_requested":
      books.approvals[keyOf(event)] = event.expires_at;
      break;
    case "tool.input_requested":
      books.questions.push(keyOf(event));
      break;
    case "tool.approved":
      delete books.approvals[keyOf(event)];
      break;
    case "tool.started":
      books.isBlocked = false;
      break;
    case "tool.stopped":
      books.interrupted.push(event.epoch);
      break;
    case "tool.finished":
      delete books.approvals[keyOf(event)];
      books.questions = books.questions.filter((each) => each !== keyOf(event));
      break;
    default:
  }
}
