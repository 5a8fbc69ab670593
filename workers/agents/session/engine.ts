/**
 * The life of one session: every event goes through the machine, what it decides is stored in one
 * transaction with its events, and effects follow the commit. An error inside a commit resets the
 * object, which then starts again from what is stored.
 */
import type { Effect } from "../machine/effects.ts";
import type { SessionEvent } from "../machine/events.ts";
import { createSession, isAtRest, nextDeadline, reduce } from "../machine/machine.ts";
import type { SessionState } from "../machine/types.ts";
import type { SessionEventRow } from "../session-port.ts";
import { type Head, newProgress, type Progress, type Setup } from "./documents.ts";
import { DELTA, type NewEvent } from "./event-log.ts";
import type { SessionStore } from "./store.ts";

/** What carries effects out. Each is called in the commit that decides it. */
export interface EffectHandlers {
  /** Writes down what the machine says, with what belongs to it. */
  record(event: Extract<Effect, { type: "emit" }>["event"], now: number): void;
  /** Is called last in each commit, of what it has come to. */
  settled(): void;
  /** What follows at once from an effect; null for nothing, or for what comes later. */
  perform(effect: Exclude<Effect, { type: "emit" }>): SessionEvent | null;
}

export interface Committed {
  readonly events: readonly SessionEventRow[];
  /** Lists have to show it. */
  readonly is_change: boolean;
}

interface Live {
  head: Head;
  setup: Setup | null;
  state: SessionState;
  readonly progress: Progress;
}

/** An alarm that is late by this much will not come. */
const MISSED_ALARM_MS = 1_000;

export class SessionEngine {
  readonly store: SessionStore;
  readonly #context: DurableObjectState;
  readonly #committed: (committed: Committed) => void;
  readonly #waiters = new Set<() => void>();
  #handlers: EffectHandlers | null = null;
  #live: Live | null = null;
  #seq = 0;
  #alarmAt: number | null = null;
  /** What the running commit has written so far, and what it leaves to be done after. */
  #events: SessionEventRow[] = [];
  #dirty = new Set<"head" | "setup" | "state" | "progress">();
  #after: (() => void)[] = [];

  constructor(
    context: DurableObjectState,
    store: SessionStore,
    committed: (committed: Committed) => void,
  ) {
    this.#context = context;
    this.store = store;
    this.#committed = committed;
  }

  use(handlers: EffectHandlers): void {
    this.#handlers = handlers;
  }

  /** Takes up what is stored; false when nothing is. */
  load(): boolean {
    if (this.#live !== null) return true;
    if (!this.store.exists()) return false;
    const { documents, log } = this.store;
    const [head, state, progress] = [
      documents.get("head"),
      documents.get("state"),
      documents.get("progress"),
    ];
    if (head === null || state === null || progress === null) return false;
    const known = { ...newProgress(head.created_at), ...progress };
    this.#live = { head, state, progress: known, setup: documents.get("setup") };
    this.#seq = Math.max(log.lastSeq(), progress.changed_seq);
    return true;
  }

  /** Nothing of the session is left here. */
  async forget(): Promise<void> {
    this.#live = null;
    this.store.forget();
    await this.#context.storage.deleteAlarm();
    await this.#context.storage.deleteAll();
  }

  get isLoaded(): boolean {
    return this.#live !== null;
  }

  get head(): Head {
    return this.#loaded().head;
  }
  get state(): SessionState {
    return this.#loaded().state;
  }
  get progress(): Progress {
    return this.#loaded().progress;
  }
  get setup(): Setup | null {
    return this.#loaded().setup;
  }
  get seq(): number {
    return this.#seq;
  }
  /** Seq of the event that is appended next; inside a commit. */
  get nextSeq(): number {
    return this.#seq + 1;
  }

  /** Begins a session; to be called inside a commit. */
  begin(head: Head, machine: Parameters<typeof createSession>[0]): void {
    const progress = newProgress(head.created_at);
    this.#live = { head, setup: null, state: createSession(machine), progress };
    for (const name of ["head", "state", "progress"] as const) this.#dirty.add(name);
  }

  /** Takes a whole session in, whose rows are written; to be called inside a commit. */
  adopt(head: Head, state: SessionState, progress: Progress, setup: Setup | null): void {
    this.#live = { head, state, progress, setup };
    // A fork has messages, whose seqs are not used again, and no events.
    this.#seq = Math.max(this.store.log.lastSeq(), progress.changed_seq);
    for (const name of ["head", "state", "progress", "setup"] as const) this.#dirty.add(name);
  }

  /** Runs `body` as one transaction, then performs what it decided. */
  commit<T>(body: (now: number) => T): T {
    const now = Date.now();
    this.#events = [];
    this.#after = [];
    this.#dirty.clear();
    let value: T;
    try {
      value = this.#context.storage.transactionSync(() => {
        this.store.create();
        const decided = body(now);
        if (this.#live !== null) this.#handlers?.settled();
        this.#write();
        // With what it is for: no crash comes between the two.
        this.arm();
        return decided;
      });
    } catch (error) {
      console.error(JSON.stringify({ event: "commit_failed", message: String(error) }));
      this.#context.abort(`commit failed: ${String(error)}`);
      throw error;
    }
    const events = this.#events;
    const after = this.#after;
    const is_change = this.#dirty.has("progress");
    const isDriven = this.#dirty.has("state");
    this.#events = [];
    this.#after = [];
    this.#committed({ events, is_change });
    for (const action of after) action();
    if (isDriven) for (const wake of [...this.#waiters]) wake();
    return value;
  }

  /** Applies an event and all that follows from it at once; to be called inside a commit. */
  drive(first: SessionEvent, now: number): void {
    const handlers = this.#handlers;
    if (handlers === null) throw new Error("a session is driven before its effects are wired");
    const live = this.#loaded();
    const events: SessionEvent[] = [first];
    for (const event of events) {
      const { state, effects } = reduce(live.state, event, now);
      live.state = state;
      for (const effect of effects) {
        if (effect.type === "emit") handlers.record(effect.event, now);
        else {
          const follow = handlers.perform(effect);
          if (follow !== null) events.push(follow);
        }
      }
    }
    this.#dirty.add("state");
  }

  /** Takes up what an earlier life of the object left in flight; of a session at rest that is nothing. */
  recover(): void {
    const { state, effects } = reduce(this.state, { type: "recovered" }, Date.now());
    if (effects.length > 0 || !isAtRest(state)) this.tell({ type: "recovered" });
  }

  /** Tells the machine of one event, in a commit of its own. */
  tell(event: SessionEvent): void {
    this.commit((now) => this.drive(event, now));
  }

  /** Appends an event; to be called inside a commit. */
  append(event: NewEvent, now: number): number {
    this.#seq += 1;
    this.#events.push(this.store.log.append(this.#seq, now, event));
    if (event.type !== DELTA) {
      const { progress } = this.#loaded();
      progress.changed_seq = this.#seq;
      progress.updated_at = now;
      this.#dirty.add("progress");
    }
    return this.#seq;
  }

  changeProgress(change: Partial<Progress>): void {
    Object.assign(this.#loaded().progress, change);
    this.#dirty.add("progress");
  }

  changeHead(change: Partial<Head>): void {
    const live = this.#loaded();
    live.head = { ...live.head, ...change };
    this.#dirty.add("head");
  }

  setSetup(setup: Setup): void {
    this.#loaded().setup = setup;
    this.#dirty.add("setup");
  }

  /** Leaves something to be done once the running commit is written. */
  afterCommit(action: () => void): void {
    this.#after.push(action);
  }

  /** Resolves when `isReached` holds after a commit, or after `ms`. */
  async waitUntil(isReached: () => boolean, ms: number): Promise<void> {
    if (ms <= 0 || isReached()) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        if (isReached()) end();
      };
      const end = () => {
        clearTimeout(timer);
        this.#waiters.delete(wake);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#waiters.add(wake);
    });
  }

  get isAtRest(): boolean {
    return this.#live === null || isAtRest(this.#live.state);
  }

  /** Extra time by which the object has to be awake, beside what the machine says; null for none. */
  choreAt: () => number | null = () => null;

  /** Sets the one alarm to when it is needed, or takes it away; a write only when it moves. */
  arm(): void {
    const now = Date.now();
    const deadline = this.#live === null ? null : nextDeadline(this.#live.state, now);
    const chore = this.choreAt();
    const times = [deadline, chore].filter((at) => at !== null);
    if (times.length === 0) {
      if (this.#alarmAt !== null) void this.#context.storage.deleteAlarm();
      this.#alarmAt = null;
      return;
    }
    const at = Math.min(...times);
    const set = this.#alarmAt;
    // A look that comes too early finds nothing due; one that is long past was missed.
    const isSoon = set !== null && set <= at && set > now - MISSED_ALARM_MS;
    if (isSoon && (!this.isAtRest || set === at)) return;
    this.#alarmAt = at;
    void this.#context.storage.setAlarm(at);
  }

  alarmFired(): void {
    this.#alarmAt = null;
  }

  #write(): void {
    const live = this.#live;
    if (live === null) return;
    const { documents } = this.store;
    if (this.#dirty.has("head")) documents.set("head", live.head);
    if (this.#dirty.has("setup") && live.setup !== null) documents.set("setup", live.setup);
    if (this.#dirty.has("state")) documents.set("state", live.state);
    if (this.#dirty.has("progress")) documents.set("progress", live.progress);
  }

  #loaded(): Live {
    if (this.#live === null) throw new Error("there is no session here");
    return this.#live;
  }
}
