/**
 * The life of the runs that one coordinator holds: every event goes through the machine, every
 * decision is stored in one transaction, and effects follow the commit. An error inside a commit
 * resets the object, which then starts again from what is stored.
 */
import type { Carrier } from "../executors/detached.ts";
import type { RequestTrace } from "../http/trace.ts";
import { objectOf } from "./address.ts";
import { Attempts, type Ticket } from "./attempts.ts";
import type { CodebasePorts } from "./codebases.ts";
import { DetachedAttempts } from "./detached-attempts.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { NewEvent } from "./event-log.ts";
import { describeEvent, endOf } from "./events.ts";
import { Executions } from "./executions.ts";
import type { Feed } from "./feed.ts";
import { LateUsage } from "./late-usage.ts";
import { LiveRuns } from "./live-runs.ts";
import { createRun, isTerminal, nextDeadline, reduce } from "./machine.ts";
import { Nested } from "./nested.ts";
import { type Planned, Plans } from "./plans.ts";
import type { AttemptCounter, EnginePorts, ResourceKind } from "./ports.ts";
import type { Change } from "./projector.ts";
import { suspectsQuarantine } from "./quarantine.ts";
import type { Rerun } from "./rerun.ts";
import { LIVENESS_MS, pulseOf } from "./rest.ts";
import { inlineResult, Results } from "./results.ts";
import { RunAnswers } from "./run-answers.ts";
import { RunAttempts } from "./run-attempts.ts";
import { RunChildren } from "./run-children.ts";
import type { RunHost } from "./run-host.ts";
import type { SkillPorts } from "./skills.ts";
import { Slots } from "./slots.ts";
import { planOf } from "./state.ts";
import type { RunStore } from "./store.ts";
import type { EventRow, LiveRun, ParentRef, Resource, RunHead, Trigger } from "./store-types.ts";
import type { Effect, MachineEvent, RunEvent, StoredResult } from "./types.ts";
import { UnitOfWork } from "./unit-of-work.ts";

const IN_PROCESS: Carrier = { executor: "local", runner_id: null };
/** An alarm that is late by this much will not come. */
const MISSED_ALARM_MS = 1_000;

export interface NewRun {
  readonly trigger: Trigger;
  readonly triggered_by: string | null;
  readonly trace?: RequestTrace | null;
  readonly retry_of: number | null;
  readonly request_id: string | null;
  /** The call that begins the run waits for its end. */
  readonly awaited: boolean;
  /** JSON text of the run's inputs. */
  readonly inputs?: string | null;
  readonly step_inputs?: { readonly step: number; readonly json: string } | null;
  readonly pins?: string | null;
  readonly parent?: ParentRef | null;
  /** Version of the document; the newest unless said. */
  readonly version?: number;
  /** What the run begins with of an earlier one, `retry_of`. */
  readonly rerun?: Rerun | null;
}

export class Engine implements RunHost {
  readonly attempts: Attempts;
  readonly slots: Slots;
  readonly results: Results;
  readonly children: RunChildren;
  readonly detached: DetachedAttempts;
  readonly runs = new LiveRuns();
  readonly codebases: CodebasePorts;
  readonly skills: SkillPorts;
  readonly executions: Executions;
  readonly nested: Nested;
  readonly #context: DurableObjectState;
  readonly #store: RunStore;
  readonly #feed: Feed<EventRow>;
  readonly #kinds: EnginePorts["kinds"];
  readonly #counter: AttemptCounter;
  readonly #plans: Plans;
  readonly #answers: RunAnswers;
  readonly #dispatcher: Dispatcher;
  readonly #committed: (changes: readonly Change[]) => void;
  /** Seq of the newest event of each resource that has a live run. */
  readonly #seqs = new Map<string, number>();
  #unit: UnitOfWork;
  /** What the running commit leaves to be done once its rows are written. */
  #after: (() => void)[] = [];
  #startsNext = false;
  #alarmAt: number | null = null;

  constructor(
    context: DurableObjectState,
    env: Env,
    ports: EnginePorts,
    store: RunStore,
    feed: Feed<EventRow>,
    committed: (changes: readonly Change[]) => void,
  ) {
    this.#context = context;
    this.#store = store;
    this.#plans = new Plans(store);
    this.#unit = this.#newUnit();
    this.#feed = feed;
    this.#kinds = ports.kinds;
    this.#counter = ports.counter(env);
    this.#committed = committed;
    this.results = new Results(env.BLOBS, store);
    this.#answers = new RunAnswers(this, this.results);
    this.codebases = ports.codebases(env);
    const executors = ports.executors(env, context);
    this.executions = new Executions(this, store, this.codebases);
    const { codebases, executions } = this;
    const callers = ports.callers(env);
    this.nested = new Nested(this, store.nested, async (id) => {
      await env.RUN_COORDINATOR.getByName(objectOf(id, "shared")).cancelNested(id);
    });
    const { nested } = this;
    const attempts = { executors, callers, codebases, executions, nested };
    const host = new RunAttempts(this, env, attempts, store);
    this.attempts = new Attempts(host, suspectsQuarantine(env.LIMITS));
    const detached = ports.detached(env);
    this.skills = ports.skills(env);
    const { placement } = detached;
    this.children = new RunChildren(this, env, store, { skills: this.skills, placement });
    const planOf = (of: Resource, version: number) => this.planned(of, version).plan;
    const late = new LateUsage(this, store, planOf);
    this.detached = new DetachedAttempts(this, host, store.detached, detached, late);
    this.#dispatcher = new Dispatcher(this, this.children, this.detached);
    this.slots = new Slots(env.LIMITS, ports.slots(env), {
      slotGranted: (live) => this.tell(live, { type: "slot_granted" }),
      slotLost: (live) => this.tell(live, { type: "slot_lost" }),
      placeUnder: (live, parent) => this.children.placeUnder(live, parent),
      priorityOf: (live) => this.kind(live.resource).priority(live.resource),
    });
  }

  /** Takes up the runs that an earlier life of this object left unfinished. */
  recover(): void {
    const found = this.#store.runs.live();
    if (found.length === 0) return;
    const resources = new Map<string, Resource | null>();
    this.commit((now) => {
      for (const { resource_id, stored } of found) {
        if (!resources.has(resource_id)) {
          const stored = this.#store.resource(resource_id);
          if (stored) this.#catchUp(stored);
          resources.set(resource_id, stored);
        }
        const resource = resources.get(resource_id);
        if (!resource) continue;
        const live = this.#adopt(resource, stored, ["stdout", "stderr", "artifact"], true);
        this.drive(live, { type: "recovered" }, now);
      }
    });
  }

  /** The row of a resource with live runs may be behind its events, and lists behind both. */
  #catchUp(resource: Resource): void {
    const last = this.#store.log.lastChange(resource.id);
    if (last && last.seq > resource.changed_seq) {
      resource.changed_seq = last.seq;
      resource.updated_at = last.at;
      this.#store.saveProgress(resource);
    }
    const projected = this.#store.upkeep.projectedSeq(resource.id);
    const events = this.#store.log.lifecycle(resource.id, projected, resource.changed_seq);
    if (events.length === 0) return;
    this.#after.push(() => this.#committed([{ resource, live: null, events }]));
  }

  get inFlight(): number {
    return this.attempts.inFlight;
  }

  liveResource(id: string): Resource | null {
    return this.runs.find(id, null)?.live.resource ?? null;
  }

  kind(resource: Resource): ResourceKind {
    const kind = this.#kinds[resource.kind];
    if (!kind) throw new Error(`no kind "${resource.kind}" is wired into the engine`);
    return kind;
  }

  /** The document of a version of a resource, and its plan. */
  planned(resource: Resource, version: number): Planned {
    return this.#plans.get(this.kind(resource), resource, version);
  }

  /** Runs `body` as one transaction, then performs what it decided. */
  commit<T>(body: (now: number) => T): T {
    const now = Date.now();
    const unit = this.#newUnit();
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
      if (!this.runs.find(resourceId, null)) this.#seqs.delete(resourceId);
      this.#feed.push(resourceId, events);
    }
    for (const action of after) action();
    if (this.#startsNext) {
      this.#startsNext = false;
      this.attempts.next();
    }
    this.#committed(unit.changes((id) => this.runs.find(id, null)?.live ?? null));
    return value;
  }

  /** Tells a run of one event, in a commit of its own. */
  tell(live: LiveRun, event: RunEvent): void {
    this.commit((now) => this.drive(live, event, now));
  }

  /** Begins run n+1 of a resource; to be called inside a commit. */
  beginRun(resource: Resource, input: NewRun, now: number): LiveRun {
    resource.run += 1;
    this.#unit.begin(resource);
    const { awaited, rerun = null, version = resource.version, ...origin } = input;
    const { plan } = this.planned(resource, version);
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    const state = rerun?.state ?? createRun(plan, seed);
    const head: RunHead = {
      inputs: null,
      step_inputs: null,
      pins: null,
      trace: null,
      parent: null,
      ...origin,
      version,
      run: resource.run,
      open_needs: state.steps
        .slice(0, plan.steps.length)
        .map(({ open_needs: openNeeds }) => openNeeds),
      created_at: now,
      state,
    };
    const live = this.#adopt(resource, head, [], awaited);
    if (rerun) {
      // At once, since what is asked about the run may look at the results that it reuses.
      this.#store.runs.insert(resource.id, live, new Set());
      this.#store.runs.copyResults(resource.id, input.retry_of ?? 0, live.run, rerun.reuse);
      if (rerun.reuse.size > 0) {
        const data = { retry_of: input.retry_of, steps: rerun.reuse.size };
        this.append(resource, live.run, { at: now, type: "run.reused", data });
      }
    } else this.#unit.addRun(live);
    this.drive(live, { type: input.trigger === "cancel" ? "cancel" : "start" }, now);
    return live;
  }

  /** Applies an event and all that follows from it at once; to be called inside a commit. */
  drive(live: LiveRun, first: RunEvent, now: number): void {
    const events: RunEvent[] = [first];
    const touched = new Set<number>();
    for (let next = 0; next < events.length; next += 1) {
      const event = events[next];
      if (!event) break;
      const transition = reduce(live.plan, live.state, event, now);
      for (const index of transition.touched) touched.add(index);
      for (const effect of transition.effects) {
        const follow = this.#prepare(live, effect, now);
        if (follow) events.push(follow);
      }
    }
    this.#unit.changeRun(live, touched);
    if (live.parent) this.#after.push(() => this.children.noteRest(live));
    for (const step of touched) {
      const state = live.state.steps[step];
      if (state && state.suspicion > 0 && state.completed_at !== null && !state.reused_from) {
        this.#after.push(() => this.attempts.acquit(live, step));
      }
    }
    if (isTerminal(live.state)) {
      if (live.plan.steps.some((step) => !step.attached)) {
        this.detached.forget(live);
      }
      this.#retire(live);
    }
  }

  /** Stores a new resource; to be called inside a commit. */
  addResource(resource: Resource): void {
    this.#unit.addResource(resource, this.kind(resource).versioned);
  }

  /** Appends an event; to be called inside a commit. */
  append(resource: Resource, run: number, event: NewEvent): void {
    this.#unit.append(resource, run, event);
  }

  /** Stores the run's own result; to be called inside a commit. */
  conclude(live: LiveRun, result: StoredResult | null): void {
    this.#unit.setResult(live, result);
  }

  /** Leaves something to be done once the running commit is written. */
  afterCommit(action: () => void): void {
    this.#after.push(action);
  }

  /** Resolves to the live run when it ends, or after `ms`; to null if it is not live. */
  waitForEnd(resourceId: string, run: number, ms: number): Promise<LiveRun | null> {
    const watched = this.runs.find(resourceId, run);
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

  /**
   * The run that a report is about, with the resource as it is now, since one that ended may have
   * been followed by others; null when the resource was deleted, and the report is dropped.
   */
  subject({ live }: Pick<Ticket, "live">): LiveRun | null {
    if (this.runs.has(live)) return live;
    const { id } = live.resource;
    const resource = this.liveResource(id) ?? this.#store.resource(id);
    return resource && { ...live, resource };
  }

  /** Applies the deadlines that have passed. */
  fireTimers(): void {
    this.#alarmAt = null;
    const due = [...this.runs.all()].filter((live) => {
      const deadline = nextDeadline(live.state);
      return deadline !== null && deadline <= Date.now();
    });
    if (due.length === 0) return;
    this.commit((now) => {
      for (const live of due) this.drive(live, { type: "timer" }, now);
    });
  }

  /** The next time the alarm is needed for runs; null when nothing live needs it. */
  nextAlarm(now: number): number | null {
    let at = this.attempts.inFlight > 0 ? now + LIVENESS_MS : null;
    for (const live of this.runs.all()) {
      const deadline = nextDeadline(live.state) ?? Number.POSITIVE_INFINITY;
      const needed = Math.min(deadline, now + pulseOf(live));
      if (needed !== Number.POSITIVE_INFINITY) at = Math.min(at ?? needed, needed);
    }
    return at;
  }

  /** Sets the alarm unless an earlier one is set; a write only when it moves. */
  arm(at: number): void {
    const set = this.#alarmAt;
    // One that is long past was missed, and is waited for no more.
    if (set !== null && set <= at && set > Date.now() - MISSED_ALARM_MS) return;
    this.#alarmAt = at;
    void this.#context.storage.setAlarm(at);
  }

  #describe(live: LiveRun, event: MachineEvent, now: number): NewEvent {
    const carrier = "attempt" in event ? this.#carrierOf(live, event) : null;
    const state = endOf(event);
    if (carrier !== null && state !== null) this.#counter.count(carrier.executor, state);
    return describeEvent(live, event, now, carrier);
  }

  #carrierOf(live: LiveRun, { step, epoch }: { step: number; epoch?: number }): Carrier | null {
    if (epoch === undefined) return null;
    if (planOf(live.plan, live.state, step).attached) return IN_PROCESS;
    return this.detached.carrier(live, step, epoch);
  }

  /** Turns an effect into rows and deferred actions; answers the event that follows from it at once. */
  #prepare(live: LiveRun, effect: Effect, now: number): RunEvent | null {
    switch (effect.type) {
      case "emit":
        this.append(live.resource, live.run, this.#describe(live, effect.event, now));
        return null;
      case "kill":
        return this.#prepareKill(live, effect);
      case "dispatch":
        return this.#prepareDispatch(live, effect);
      case "decide":
        return this.#answers.decide(live, effect.step);
      case "conclude":
        return this.#answers.conclude(live);
      case "take_signal": {
        const payload = this.#store.runs.signal(live.resource.id, live.run, effect.id);
        live.results.set(effect.step, payload === null ? null : inlineResult(payload));
        return null;
      }
      case "acquire_slot":
        if (this.slots.claim(live)) return { type: "slot_granted" };
        this.#after.push(() => void this.slots.acquire(live));
        return null;
      case "release_slot":
        this.#after.push(() => void this.slots.release(live));
        return null;
    }
  }

  #prepareKill(live: LiveRun, effect: Extract<Effect, { type: "kill" }>): RunEvent | null {
    const { step, epoch, reason } = effect;
    if (this.attempts.withdraw(step, epoch, live)) {
      return { type: "attempt_finished", step, epoch, result: { status: "cancelled" } };
    }
    this.#after.push(() => {
      if (this.#isAttached(live, step)) this.attempts.stop(live, step, epoch, reason);
      else void this.#dispatcher.stop(live, step, epoch, reason);
    });
    return null;
  }

  #prepareDispatch(live: LiveRun, effect: Extract<Effect, { type: "dispatch" }>): RunEvent | null {
    const { step, epoch, attempt, alone } = effect;
    if (!this.#isAttached(live, step)) {
      this.#after.push(() => void this.#dispatcher.begin(live, step, epoch));
      return null;
    }
    const priority = this.kind(live.resource).priority(live.resource);
    const isHeldBack = !live.awaited && live.state.started_at === null;
    const ticket: Ticket = { live, step, epoch, attempt, alone, priority, held_back: isHeldBack };
    if (!this.attempts.admit(ticket)) {
      this.#startsNext = true;
      return null;
    }
    this.#after.push(() => void this.attempts.execute(ticket));
    return { type: "attempt_started", step, epoch };
  }

  #isAttached({ plan, state }: LiveRun, step: number): boolean {
    return plan.steps[state.steps[step]?.group ?? step]?.attached === true;
  }

  #adopt(
    resource: Resource,
    head: RunHead,
    recorded: readonly ("stdout" | "stderr" | "artifact")[],
    awaited: boolean,
  ): LiveRun {
    const { document, plan } = this.planned(resource, head.version);
    const live: LiveRun = {
      ...head,
      resource,
      document,
      plan,
      results: new Map(),
      recorded: new Set(recorded),
      awaited,
    };
    this.runs.add(live);
    return live;
  }

  #retire(live: LiveRun): void {
    const waiters = this.runs.remove(live);
    if (!waiters) return;
    for (const wake of waiters) this.#after.push(wake);
    if (live.parent) this.#after.push(() => void this.children.report(live.resource, live.run));
  }

  #newUnit(): UnitOfWork {
    return new UnitOfWork(
      this.#store,
      this.#seqs,
      (resource) => this.kind(resource).result === "step",
    );
  }

  #arm(now: number): void {
    this.arm(Math.min(this.nextAlarm(now) ?? Number.POSITIVE_INFINITY, now + LIVENESS_MS));
  }
}
