/**
 * Test support: watches every transition of a session and throws at the first broken invariant. It
 * keeps books of its own, written from what the events and effects say.
 */
import { must } from "../../runs/machine-witness-rules.ts";
import type { CallSpec } from "./call-types.ts";
import type { Effect, MachineEvent, Transition } from "./effects.ts";
import { isCommand, type SessionEvent } from "./events.ts";
import { type Books, newBooks, note, noteEmitted } from "./machine-witness-books.ts";
import { CommitLog } from "./machine-witness-log.ts";
import {
  judgeClock,
  judgePause,
  judgeRest,
  judgeSlot,
  judgeWire,
} from "./machine-witness-waits.ts";
import { allowedActions, refusal } from "./refusal.ts";
import { activeMs } from "./state.ts";
import type { SessionState } from "./types.ts";

export class Witness {
  #books: Books;
  /** The books with what is not committed. */
  #draft: Books;
  readonly #log = new CommitLog();
  /** How often each call was executed, by turn, step and call. */
  readonly #executed = new Map<string, number>();

  constructor(state: SessionState) {
    this.#books = newBooks(state);
    this.#draft = this.#books;
  }

  begin(): void {
    this.#draft = structuredClone(this.#books);
  }

  /** Judges one call of `reduce`. */
  transition(old: SessionState, event: SessionEvent, transition: Transition, now: number): void {
    const { state, effects } = transition;
    if (isRefused(old, event)) {
      must(state === old && effects.length === 0, `a refused ${event.type} changes something`);
      return;
    }
    const books = this.#draft;
    this.#report(old, event, effects);
    note(books, event);
    for (const effect of effects) this.#effect(old, event, transition, effect, now);
    this.#balance(state);
    if (event.type === "slot_granted" && old.slot === "none") {
      must(effects[0]?.type === "release_slot", "a slot that nobody waits for is kept");
    }
    const told = effects.filter(({ type }) => type === "stop_call").length;
    const isRepeat = event.type === "recovered" || event.type === "timer";
    must(!isRepeat || told === books.stopping.length, "what has not stopped is not told again");
    if (event.type === "hold") this.#affords(state, null);
    must(state.epoch >= old.epoch, "epochs go back");
    if (old.phase === "terminated") must(state.phase === "terminated", "a session rises again");
    if (effects.some((each) => each.type === "emit" && each.event.type === "session.paused")) {
      judgePause(books, state);
    }
    judgeRest(books, state, now);
    judgeSlot(books, state);
    judgeClock(books, state);
    judgeWire(books, state);
  }

  commit(effects: readonly Effect[]): void {
    this.#books = this.#draft;
    this.#log.append(effects.flatMap((each) => (each.type === "emit" ? [each.event] : [])));
  }

  /** Judges what is done at last; tells the recovery of a call. */
  performs(
    effect: Extract<Effect, { type: "run_step" | "run_call" }>,
  ): CallSpec["recovery"] | null {
    must(!this.#log.isTerminated, "something starts after the end");
    must(
      this.#log.liveTurn === effect.turn,
      `turn ${effect.turn} is over, and something of it starts`,
    );
    if (effect.type === "run_step") return null;
    const key = `${effect.turn}/${effect.step}/${effect.call}`;
    const { recovery } = this.#books.calls[key] ?? {};
    must(recovery !== undefined, `call ${key} runs that nobody asked for`);
    const times = (this.#executed.get(key) ?? 0) + 1;
    this.#executed.set(key, times);
    must(recovery !== "report" || times === 1, `call ${key} is executed ${times} times`);
    return recovery ?? null;
  }

  hasTaken(id: string): boolean {
    return this.#books.taken.includes(id);
  }

  /** Judges the whole log once nothing more is to come. */
  history(state: SessionState, log: readonly MachineEvent[]): void {
    this.#log.judge(state);
    must(state.budget.holds.length === 0, "a step is never settled");
    must(log.length > 0, "nothing happened");
  }

  /** A report counts once, under its own epoch, and while somebody waits for it. */
  #report(old: SessionState, event: SessionEvent, effects: readonly Effect[]): void {
    if (!("epoch" in event) || event.type === "step_aborted") return;
    if (event.type === "call_rested") return;
    const { epoch } = event;
    const books = this.#draft;
    const wasStopping = books.stopping.includes(epoch);
    books.stopping = books.stopping.filter((each) => each !== epoch);
    if (event.type === "call_aborted") {
      must(effects.length === 0 || !wasStopping, "the end of a stopped call starts something");
      return;
    }
    const isRefused = effects.some(
      (each) => each.type === "emit" && each.event.type === "report.refused",
    );
    const isCall = event.type === "call_finished";
    const what = books.outstanding[epoch];
    const isAwaited = isCall
      ? books.interrupted.includes(epoch) || (what !== undefined && !STEPS.has(what))
      : what === REPORTS_ON[event.type];
    must(isRefused !== isAwaited, `a ${event.type} under ${epoch}: refused ${isRefused}`);
    must(old.phase !== "terminated" || isRefused, "a report counts after the end");
    if (isRefused) return;
    delete books.outstanding[epoch];
    books.interrupted = books.interrupted.filter((each) => each !== epoch);
    if (event.type === "step_quoted") books.quotes[epoch] = event.quote;
    if (event.type !== "step_finished" || old.turn === null) return;
    for (const call of event.calls) {
      books.calls[`${old.turn.number}/${old.turn.step}/${call.id}`] = call;
    }
  }

  #effect(
    old: SessionState,
    event: SessionEvent,
    { state }: Transition,
    effect: Effect,
    now: number,
  ): void {
    const books = this.#draft;
    if (old.phase === "terminated") {
      const isQuiet = ["emit", "release_slot", "dispose", "stop_call"].includes(effect.type);
      must(isQuiet, `a ${effect.type} after the end`);
    }
    switch (effect.type) {
      case "emit":
        noteEmitted(books, effect.event);
        if (effect.event.type === "tool.finished" && effect.event.outcome === "expired") {
          must(state.pause === null, "an approval expires in a pause");
        }
        break;
      case "abort":
        must(effect.epoch in books.outstanding, `nothing runs under ${effect.epoch} to abort`);
        must(books.outstanding[effect.epoch] !== "attach", "what lives elsewhere is aborted");
        delete books.outstanding[effect.epoch];
        break;
      case "stop_call":
        this.#stops(event, effect.epoch);
        break;
      case "prepare":
      case "quote_step":
      case "run_step":
      case "run_call":
        if (effect.type === "run_call" && effect.epoch in books.outstanding) {
          must(books.outstanding[effect.epoch] === "attach", "a call is sent twice");
          must(event.type === "recovered", "a call is asked after without a cause");
          break;
        }
        if (effect.type === "run_step") this.#affords(state, effect.epoch);
        else must(effect.epoch > old.epoch, `epoch ${effect.epoch} was given before`);
        this.#mayStart(state, effect, now);
        books.outstanding[effect.epoch] =
          effect.type === "run_call"
            ? (books.calls[`${effect.turn}/${effect.step}/${effect.call}`]?.recovery ?? "rerun")
            : effect.type;
        break;
      default:
    }
  }

  /** A call elsewhere is told once, and again while it says nothing. */
  #stops(event: SessionEvent, epoch: number): void {
    const books = this.#draft;
    if (books.stopping.includes(epoch)) {
      must(event.type === "timer" || event.type === "recovered", "a call is told twice to stop");
      return;
    }
    must(books.outstanding[epoch] === "attach", `nothing runs elsewhere under ${epoch}`);
    delete books.outstanding[epoch];
    books.stopping.push(epoch);
  }

  #mayStart(state: SessionState, effect: Effect, now: number): void {
    const { type } = effect;
    must(!state.settings.is_slotted || state.slot === "held", `a ${type} without a slot`);
    const phase = type === "prepare" ? "initializing" : "ready";
    must(state.phase === phase, `a ${type} in a session that is ${state.phase}`);
    must(type === "prepare" || state.pause === null, `a ${type} in a pause`);
    const isOld = "turn" in effect && effect.turn !== state.turn?.number;
    must(!isOld, `a ${type} of a turn that is not live`);
    const { active_ms, sandbox_ms } = state.budget.limits;
    const isTimely = active_ms === null || activeMs(state, now) < active_ms;
    must(type === "prepare" || isTimely, `a ${type} past the active time`);
    const isFree = sandbox_ms === null || this.#draft.spent.sandbox_ms < sandbox_ms;
    must(type === "prepare" || isFree, `a ${type} past the time in sandboxes`);
    if (type !== "run_call") return;
    const calls = Object.entries(this.#draft.outstanding).filter(([, what]) => !STEPS.has(what));
    must(calls.length < state.settings.max_parallel_tools, "too many calls run");
  }

  /** What the step, or a sub-agent, can use at most is there when it starts. */
  #affords({ budget }: SessionState, epoch: number | null): void {
    const { spent, quotes, holds, pool } = this.#draft;
    const quote = epoch === null ? { usd_nanos: 0, tokens: 0 } : quotes[epoch];
    must(quote !== undefined, `step ${epoch} starts without a quote`);
    for (const name of ["usd_nanos", "tokens"] as const) {
      const limit = budget.limits[name];
      if (limit === null) continue;
      const held = [...Object.values(holds), ...Object.values(pool)];
      const used = held.reduce((sum, each) => sum + each[name], spent[name]);
      const amount = quote?.[name] ?? null;
      // `step.started` came before, and its hold is among the others.
      must(amount === null ? used < limit : used <= limit, `${used} of ${limit} ${name} set aside`);
    }
    const { steps } = budget.limits;
    if (epoch === null) return;
    must(steps === null || spent.steps <= steps, `step ${spent.steps} of ${steps}`);
  }

  /** The session's own books say the same. */
  #balance({ budget }: SessionState): void {
    const { spent, holds, pool } = this.#draft;
    must(JSON.stringify(budget.spent) === JSON.stringify(spent), "what is spent does not add up");
    must(budget.holds.length === Object.keys(holds).length, "the holds are not the ones in flight");
    must(budget.pool.length === Object.keys(pool).length, "the pool is not what was asked of it");
  }
}

const REPORTS_ON = {
  prepared: "prepare",
  prepare_failed: "prepare",
  step_quoted: "quote_step",
  step_finished: "run_step",
  step_failed: "run_step",
} as const;

const STEPS: ReadonlySet<string> = new Set(["prepare", "quote_step", "run_step"]);

function isRefused(state: SessionState, event: SessionEvent): boolean {
  const refused = isCommand(event) ? refusal(state, event) : null;
  if (refused === null) return false;
  must(refused.detail.endsWith("."), "a refusal says what to do in a sentence");
  must(
    JSON.stringify(refused.allowed) === JSON.stringify(allowedActions(state)),
    "a refusal says what is allowed",
  );
  return true;
}
