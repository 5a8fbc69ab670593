/**
 * The life of the runs that one coordinator holds: every event goes through the machine, every
 * decision is stored in one transaction, and effects follow the commit. An error inside a commit
 * resets the object, which then starts again from what is stored.
 */
import type { Executor, Outcome, TaskType, Work } from "../executors/port.ts";
import { MAX_INLINE_RESULT_BYTES } from "../executors/port.ts";
import { type AttemptHost, Attempts, type LogEntry, type Ticket } from "./attempts.ts";
import { artifactKey, resultKey } from "./blobs.ts";
import { describeEvent } from "./events.ts";
import type { Feed } from "./feed.ts";
import { createRun, isTerminal, nextDeadline, reduce } from "./machine.ts";
import type { EnginePorts, ResourceKind } from "./ports.ts";
import type { Change } from "./projector.ts";
import { suspectsQuarantine } from "./quarantine.ts";
import type { Failure } from "./state.ts";
import type { NewEvent, RunStore } from "./store.ts";
import type { LiveRun, Resource, RunHead, Trigger } from "./store-types.ts";
import type { AttemptResult, Effect, RunEvent, StepState, StoredResult } from "./types.ts";
import { UnitOfWork } from "./unit-of-work.ts";

/** The alarm is never further away than this while anything is in flight or unprojected. */
export const LIVENESS_MS = 1_500;

const MAX_MESSAGE_CHARS = 10_000;
const MAX_CODE_CHARS = 100;

/** Bounds of what one object has under way, so that its memory is bounded too. */
export const MAX_LIVE_RUNS = 1_000;
const MAX_LIVE_CHARS = 24 * 1024 * 1024;

const encoder = new TextEncoder();

export interface NewRun {
  readonly trigger: Trigger;
  readonly retry_of: number | null;
  readonly request_id: string | null;
  /** The call that begins the run waits for its end. */
  readonly awaited: boolean;
}

interface Watched {
  readonly live: LiveRun;
  readonly waiters: Set<() => void>;
}

export class Engine implements AttemptHost {
  readonly attempts: Attempts;
  readonly #context: DurableObjectState;
  readonly #env: Env;
  readonly #store: RunStore;
  readonly #feed: Feed;
  readonly #kinds: EnginePorts["kinds"];
  readonly #executors: Partial<Record<TaskType, Executor>>;
  readonly #committed: (changes: readonly Change[]) => void;
  readonly #live = new Map<string, Watched>();
  /** Seq of the newest event of each resource that has a live run. */
  readonly #seqs = new Map<string, number>();
  #unit: UnitOfWork;
  /** What the running commit leaves to be done once its rows are written. */
  #after: (() => void)[] = [];
  #alarmAt: number | null = null;

  constructor(
    context: DurableObjectState,
    env: Env,
    ports: EnginePorts,
    store: RunStore,
    feed: Feed,
    committed: (changes: readonly Change[]) => void,
  ) {
    this.#context = context;
    this.#env = env;
    this.#store = store;
    this.#unit = new UnitOfWork(store, this.#seqs);
    this.#feed = feed;
    this.#kinds = ports.kinds;
    this.#executors = ports.executors(env, context);
    this.#committed = committed;
    this.attempts = new Attempts(this, suspectsQuarantine(env.LIMITS));
  }

  /** Takes up the runs that an earlier life of this object left unfinished. */
  recover(): void {
    const found = this.#store.liveRuns();
    if (found.length === 0) return;
    this.commit((now) => {
      for (const { resource, stored } of found) {
        const live = this.#adopt(resource, stored, ["stdout", "stderr", "artifact"], true);
        this.drive(live, { type: "recovered" }, now);
      }
    });
  }

  /** Says that no more can be taken on: each live run keeps its definition in memory. */
  isFull(): boolean {
    if (this.#live.size >= MAX_LIVE_RUNS) return true;
    let chars = 0;
    for (const { live } of this.#live.values()) chars += live.resource.document.length;
    return chars >= MAX_LIVE_CHARS;
  }

  /** The live run of a resource; null when its newest run has ended or there is none. */
  liveRun(resource: Resource): LiveRun | null {
    return this.#live.get(resource.id)?.live ?? null;
  }

  liveResource(id: string): Resource | null {
    return this.#live.get(id)?.live.resource ?? null;
  }

  /** Runs `body` as one transaction, then performs what it decided. */
  commit<T>(body: (now: number) => T): T {
    const now = Date.now();
    const unit = new UnitOfWork(this.#store, this.#seqs);
    this.#unit = unit;
    let value: T;
    try {
      value = this.#context.storage.transactionSync(() => {
        this.#store.create();
        const decided = body(now);
        unit.write();
        return decided;
      });
    } catch (error) {
      console.error(JSON.stringify({ event: "commit_failed", message: String(error) }));
      this.#context.abort(`commit failed: ${String(error)}`);
      throw error;
    }
    this.#arm(now);
    const after = this.#after;
    this.#after = [];
    for (const [resourceId, events] of unit.events) {
      if (!this.#live.has(resourceId)) this.#seqs.delete(resourceId);
      this.#feed.push(resourceId, events);
    }
    for (const action of after) action();
    this.#committed(unit.changes((id) => this.#live.get(id)?.live ?? null));
    return value;
  }

  /** Begins run n+1 of a resource; to be called inside a commit. */
  beginRun(resource: Resource, input: NewRun, now: number): LiveRun {
    resource.run += 1;
    const plan = this.#kind(resource).plan(resource);
    const state = createRun(plan, crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
    const { awaited, ...origin } = input;
    const head: RunHead = { ...origin, run: resource.run, created_at: now, state };
    const live = this.#adopt(resource, head, [], awaited);
    this.#unit.addRun(live);
    this.drive(live, { type: input.trigger === "cancel" ? "cancel" : "start" }, now);
    return live;
  }

  /** Applies an event and all that follows from it at once; to be called inside a commit. */
  drive(live: LiveRun, first: RunEvent, now: number): void {
    const events: RunEvent[] = [first];
    const touched = new Set<number>();
    for (let event = events.shift(); event; event = events.shift()) {
      const transition = reduce(live.plan, live.state, event, now);
      for (const index of transition.touched) touched.add(index);
      for (const effect of transition.effects) {
        const follow = this.#prepare(live, effect, now);
        if (follow) events.push(follow);
      }
    }
    this.#unit.changeRun(live, touched);
    for (const step of touched) {
      const state = live.state.steps[step];
      if (state && state.suspicion > 0 && state.completed_at !== null) {
        this.#after.push(() => this.attempts.acquit(live, step));
      }
    }
    const watched = this.#live.get(live.resource.id);
    if (watched?.live === live && isTerminal(live.state)) {
      this.#live.delete(live.resource.id);
      for (const wake of watched.waiters) this.#after.push(wake);
    }
  }

  /** Stores a new resource; to be called inside a commit. */
  addResource(resource: Resource): void {
    this.#unit.addResource(resource);
  }

  /** Appends an event; to be called inside a commit. */
  append(resource: Resource, run: number, event: NewEvent): void {
    this.#unit.append(resource, run, event);
  }

  /** Resolves to the live run of a resource when it ends, or after `ms`; to null if none is live. */
  waitForEnd(resourceId: string, ms: number): Promise<LiveRun | null> {
    const watched = this.#live.get(resourceId);
    if (!watched || ms <= 0) return Promise.resolve(watched?.live ?? null);
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        watched.waiters.delete(wake);
        resolve(watched.live);
      };
      const timer = setTimeout(wake, ms);
      watched.waiters.add(wake);
    });
  }

  /** Applies the deadlines that have passed. */
  fireTimers(): void {
    this.#alarmAt = null;
    const due = [...this.#live.values()].filter(({ live }) => {
      const deadline = nextDeadline(live.state);
      return deadline !== null && deadline <= Date.now();
    });
    if (due.length === 0) return;
    this.commit((now) => {
      for (const { live } of due) this.drive(live, { type: "timer" }, now);
    });
  }

  /** The next time the alarm is needed for runs; null when nothing is live. */
  nextAlarm(now: number): number | null {
    let at = this.attempts.inFlight > 0 || this.#live.size > 0 ? now + LIVENESS_MS : null;
    for (const { live } of this.#live.values()) {
      const deadline = nextDeadline(live.state);
      if (deadline !== null) at = Math.min(at ?? deadline, deadline);
    }
    return at;
  }

  /** Sets the alarm unless an earlier one is set; a write only when it moves. */
  arm(at: number): void {
    if (this.#alarmAt !== null && this.#alarmAt <= at) return;
    this.#alarmAt = at;
    void this.#context.storage.setAlarm(at);
  }

  // What the attempts ask of their host.

  work(ticket: Ticket): Work {
    return this.#kind(ticket.live.resource).work(ticket.live.resource, ticket.step);
  }

  executor(work: Work): Executor | null {
    return this.#executors[work.task_type] ?? null;
  }

  begin(ticket: Ticket): boolean {
    const { live, step, epoch } = ticket;
    const state = live.state.steps[step];
    if (state?.status !== "queued" || state.epoch !== epoch) return false;
    this.commit((now) => this.drive(live, { type: "attempt_started", step, epoch }, now));
    return live.state.steps[step]?.status === "running";
  }

  output(ticket: Ticket, entries: readonly LogEntry[]): void {
    const live = this.#subject(ticket);
    if (live) this.commit((now) => this.#appendOutput({ ...ticket, live }, entries, now));
  }

  async artifact(ticket: Ticket, path: string, body: Uint8Array): Promise<void> {
    const key = artifactKey(ticket.live, ticket.epoch, path);
    await this.#env.BLOBS.put(key, body);
    const live = this.#subject(ticket);
    if (!live) {
      await this.#env.BLOBS.delete(key);
      return;
    }
    this.commit((now) => {
      const { epoch } = ticket;
      live.recorded.add("artifact");
      const data = { step: stepName(ticket), epoch, path, bytes: body.byteLength };
      this.append(live.resource, live.run, {
        at: now,
        type: "artifact.stored",
        epoch,
        data,
      });
    });
  }

  async end(ticket: Ticket, outcome: Outcome, entries: readonly LogEntry[]): Promise<void> {
    const { step, epoch } = ticket;
    const { result, stored } = await this.#keep(ticket, outcome);
    const live = this.#subject(ticket);
    if (!live) {
      if (stored?.kind === "stored") await this.#env.BLOBS.delete(stored.key);
      return;
    }
    this.commit((now) => {
      this.#appendOutput({ ...ticket, live }, entries, now);
      if (awaits(live.state.steps[step], epoch)) live.results.set(step, stored);
      this.drive(live, { type: "attempt_finished", step, epoch, result }, now);
    });
  }

  probationPassed(ticket: Ticket): void {
    const { step, epoch } = ticket;
    const live = this.#subject(ticket);
    if (live)
      this.commit((now) => this.drive(live, { type: "probation_passed", step, epoch }, now));
  }

  /** Turns an effect into rows and deferred actions; answers the event that follows from it at once. */
  #prepare(live: LiveRun, effect: Effect, now: number): RunEvent | null {
    if (effect.type === "emit") {
      this.append(live.resource, live.run, describeEvent(live.plan, effect.event, now));
      return null;
    }
    const { step, epoch } = effect;
    if (effect.type === "kill") {
      if (this.attempts.withdraw(step, epoch, live)) {
        return { type: "attempt_finished", step, epoch, result: { status: "cancelled" } };
      }
      this.#after.push(() => this.attempts.stop(live, step, epoch, effect.reason));
      return null;
    }
    const priority = this.#kind(live.resource).priority(live.resource);
    const ticket: Ticket = {
      live,
      step,
      epoch,
      attempt: effect.attempt,
      alone: effect.alone,
      priority,
      held_back: !live.awaited && epoch === 1,
    };
    if (!this.attempts.admit(ticket)) {
      this.#after.push(() => this.attempts.next());
      return null;
    }
    this.#after.push(() => void this.attempts.execute(ticket));
    return { type: "attempt_started", step, epoch };
  }

  #adopt(
    resource: Resource,
    head: RunHead,
    recorded: readonly ("stdout" | "stderr" | "artifact")[],
    awaited: boolean,
  ): LiveRun {
    const live: LiveRun = {
      ...head,
      resource,
      plan: this.#kind(resource).plan(resource),
      results: new Map(),
      recorded: new Set(recorded),
      awaited,
    };
    this.#live.set(resource.id, { live, waiters: new Set() });
    return live;
  }

  /**
   * The run that a report is about, with the resource as it is now, since one that ended may have
   * been followed by others; null when the resource was deleted, and the report is dropped.
   */
  #subject({ live }: Ticket): LiveRun | null {
    const { id } = live.resource;
    if (this.#live.get(id)?.live === live) return live;
    const resource = this.liveResource(id) ?? this.#store.resource(id);
    return resource && { ...live, resource };
  }

  #appendOutput(ticket: Ticket, entries: readonly LogEntry[], now: number): void {
    const { live, epoch, attempt } = ticket;
    for (const { stream, text } of entries) {
      live.recorded.add(stream);
      this.append(live.resource, live.run, {
        at: now,
        type: "log",
        epoch,
        log: { stream, attempt, bytes: encoder.encode(text).byteLength },
        data: { step: stepName(ticket), attempt, epoch, stream, text },
      });
    }
  }

  /** Decides where a result lives and, when that is the blob store, puts it there first. */
  async #keep(
    ticket: Ticket,
    outcome: Outcome,
  ): Promise<{ readonly result: AttemptResult; readonly stored: StoredResult | null }> {
    if (outcome.status === "cancelled") return { result: outcome, stored: null };
    const { result: value, ...reported } = outcome;
    const result = reported.status === "failed" ? cutMessage(reported) : reported;
    if (value === null) return { result, stored: null };
    const json = JSON.stringify(value);
    if (json.length <= MAX_INLINE_RESULT_BYTES / 3 || byteLength(json) <= MAX_INLINE_RESULT_BYTES) {
      return { result, stored: { kind: "inline", json } };
    }
    const body = encoder.encode(json);
    const key = resultKey(ticket.live, ticket.step, ticket.epoch);
    try {
      await this.#env.BLOBS.put(key, body);
    } catch (error) {
      return { result: unstorable(error), stored: null };
    }
    return { result, stored: { kind: "stored", key, bytes: body.byteLength } };
  }

  #arm(now: number): void {
    let at = now + LIVENESS_MS;
    for (const { live } of this.#live.values()) {
      at = Math.min(at, nextDeadline(live.state) ?? at);
    }
    this.arm(at);
  }

  #kind(resource: Resource): ResourceKind {
    const kind = this.#kinds[resource.kind];
    if (!kind) throw new Error(`no kind "${resource.kind}" is wired into the engine`);
    return kind;
  }
}

/** Whether a step waits for the end of this very dispatch, so that its result counts. */
function awaits(step: StepState | undefined, epoch: number): boolean {
  return step?.epoch === epoch && (step.status === "queued" || step.status === "running");
}

function stepName(ticket: Ticket): string {
  return ticket.live.plan.steps[ticket.step]?.name ?? String(ticket.step);
}

/** What quotes a result or comes from a task's code may be as large as that is, and rows are not. */
function cutMessage(failure: Failure): Failure {
  const { message, code } = failure;
  if (message.length <= MAX_MESSAGE_CHARS && code.length <= MAX_CODE_CHARS) return failure;
  const kept = message.slice(0, MAX_MESSAGE_CHARS).toWellFormed();
  return {
    ...failure,
    code: code.slice(0, MAX_CODE_CHARS).toWellFormed(),
    message: `${kept} … (cut from ${message.length} characters)`,
  };
}

function byteLength(text: string): number {
  return encoder.encode(text).byteLength;
}

function unstorable(error: unknown): AttemptResult {
  return {
    status: "failed",
    reason: "error",
    exit_code: null,
    code: "result_not_stored",
    message: `The blob store did not take the result (${String(error)}). Retry the task.`,
  };
}
