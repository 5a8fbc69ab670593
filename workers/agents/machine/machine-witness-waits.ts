/** Test support: what a session waits for, what holds its slot, and what its callers see. */
import { must } from "../../runs/machine-witness-rules.ts";
import type { Books } from "./machine-witness-books.ts";
import { isAtRest, nextDeadline, WATCH_MS } from "./state.ts";
import type { SessionState } from "./types.ts";
import { type WireStatus, wireState } from "./wire.ts";

/**
 * Something is under way that the session waits for itself. Once it is paused, a call that rested and
 * goes on elsewhere goes on without it.
 */
function isUnderWay(books: Books, { pause }: SessionState): boolean {
  return runs(books, pause?.mode === "now" || books.isPaused);
}

function runs({ outstanding, resting }: Books, isLeftAlone: boolean): boolean {
  return Object.entries(outstanding).some(
    ([epoch, what]) => what !== "attach" || !(isLeftAlone || resting.includes(Number(epoch))),
  );
}

/** Of the moment in which a pause is reached: one at a boundary waits for what runs elsewhere, too. */
export function judgePause(books: Books, { pause }: SessionState): void {
  must(!runs(books, pause?.mode === "now"), "a pause is reached while something runs");
}

function isBackingOff({ turn, pause }: SessionState): boolean {
  return turn?.work.status === "backoff" && pause === null;
}

/** What rests has no alarm but for approvals that expire; what does not has one. */
export function judgeRest(books: Books, state: SessionState, now: number): void {
  const isTerminated = books.phase === "terminated";
  const isAtWork = isUnderWay(books, state) || isBackingOff(state) || state.slot === "asked";
  const isStopping = books.stopping.length > 0;
  const isBusy = isStopping || (isTerminated ? !state.is_disposed : isAtWork);
  must(isAtRest(state) === !isBusy, `at rest ${isAtRest(state)}, busy ${isBusy}`);
  const next = nextDeadline(state, now);
  if (isBusy) {
    must(next !== null && next <= now + WATCH_MS, "nobody looks after what is under way");
    return;
  }
  const expiries = Object.values(books.approvals).flatMap((at) => (at === null ? [] : [at]));
  const isWaiting = state.phase === "ready" && state.pause === null && expiries.length > 0;
  const due = isWaiting ? Math.min(...expiries) : null;
  must(next === due, `a session at rest wakes at ${next}, and ${due} is due`);
}

/** A slot is held while something is under way or tried again, and asked for only before that. */
export function judgeSlot(books: Books, state: SessionState): void {
  const { slot, settings, phase } = state;
  if (!settings.is_slotted) {
    must(slot === "none", "a session that needs no slot has one");
    return;
  }
  const isBusy = isUnderWay(books, state) || isBackingOff(state);
  must(slot !== "held" || isBusy, "a slot is held for nothing");
  must(slot !== "none" || !isBusy || phase === "terminated", "what is under way has no slot");
  if (slot !== "asked") return;
  const isWanted =
    phase === "initializing" || isBusy || (books.turn !== null && state.pause === null);
  must(isWanted && !(books.isBlocked && !isBusy), "a slot is asked for nothing");
}

/** Time counts while something is under way, or a slot is kept for the next try. */
export function judgeClock(books: Books, state: SessionState): void {
  const hasSlot = state.slot === "held" || !state.settings.is_slotted;
  const isCounting = isUnderWay(books, state) || (isBackingOff(state) && hasSlot);
  const is = state.clock.since !== null;
  must(
    is === (state.phase === "ready" && isCounting),
    `time counts ${is}, under way ${isCounting}`,
  );
}

/** Written from the log: what callers must see. */
export function judgeWire(books: Books, state: SessionState): void {
  const wire = wireState(state);
  must((books.turn === null) === (state.turn === null), "the log and the state disagree on a turn");
  const [name, waiting] = seen(books, state);
  must(wire.state === name, `shown as ${wire.state}, is ${name}`);
  must(wire.waiting_for === waiting, `waits for ${wire.waiting_for}, should for ${waiting}`);
  must(!wire.pausing || (name === "running" && state.pause !== null), "pausing, and nothing runs");
}

type Seen = readonly [WireStatus["state"], WireStatus["waiting_for"]];

function seen(books: Books, state: SessionState): Seen {
  if (books.phase === "created") return ["idle", null];
  if (books.phase !== "ready") return [books.phase, null];
  if (books.isPaused) return ["paused", null];
  if (books.turn === null) return ["waiting", "message"];
  if (isUnderWay(books, state)) return ["running", null];
  if (state.slot === "asked") return ["waiting", "slot"];
  if (isBackingOff(state)) return ["running", null];
  if (books.isBlocked) return ["waiting", "budget"];
  if (Object.keys(books.approvals).length > 0) return ["waiting", "approval"];
  if (books.questions.length > 0) return ["waiting", "input"];
  const rests = books.resting.some((epoch) => epoch in books.outstanding);
  must(rests, "the turn waits for nothing");
  return ["waiting", "agent"];
}
