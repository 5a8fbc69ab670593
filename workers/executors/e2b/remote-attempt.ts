/**
 * The object that carries out one dispatch in one sandbox. It persists what it learns, does what the
 * state machine asks for next, and is called back by its alarm for as long as it is at work, so that
 * a reset at any point costs no more than the time to the alarm.
 */

import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import { logWarning } from "../../http/log.ts";
import {
  type DetachedRef,
  type Dispatch,
  detachedRefSchema,
  dispatchKey,
  dispatchSchema,
  type OfferAnswer,
  refOf,
  type Waiting,
} from "../detached.ts";
import type { StopReason } from "../port.ts";
import { SANDBOX_BACKEND } from "./backend.ts";
import { type Command, type Event, isOver, observe, plan, wakeAt } from "./drive.ts";
import { waitingFor } from "./explain.ts";
import type { RemotePorts } from "./ports.ts";
import { AttemptSession, type Step } from "./session.ts";
import { type AttemptState, initialState, type Lane } from "./state.ts";
import { AttemptStore, type Change } from "./store.ts";
import { endedSandboxMs, usageOf } from "./usage.ts";

/** While at work it looks after itself this often, the longer it takes the more seldom. */
const MIN_LOOK_MS = 2_000;
const MAX_LOOK_MS = 10_000;
const LOOK_SHARE = 30;
/** Alarms that are apart by less are one. */
const ALARM_SLACK_MS = 10;
/** What is not waited for when the code is to stop. */
const ABANDONED: ReadonlySet<Command["do"]> = new Set(["prepare", "probe", "extend", "collect"]);

const reasonSchema = z.enum(["cancel", "timeout"]);

interface Work {
  readonly command: Command;
  readonly abort: AbortController;
}

export class RemoteAttemptBase extends DurableObject<Env> {
  readonly #ports: RemotePorts;
  readonly #store: AttemptStore;
  readonly #busy = new Map<Lane, Work>();
  #state: AttemptState | null;
  #session: AttemptSession | null = null;
  #isAsked = false;
  /** Claims that wait for their answer. */
  #claims = 0;
  #earlyStop: StopReason | null = null;
  #alarmAt = 0;
  #isForgetting = false;

  constructor(context: DurableObjectState, env: Env, ports: RemotePorts) {
    super(context, env);
    this.#ports = ports;
    this.#store = new AttemptStore(context.storage);
    const state = this.#store.state();
    this.#state = state && observe(state, { type: "restarted" }, Date.now());
  }

  /** See `AttemptBackend`. */
  async offer(dispatch: Dispatch): Promise<OfferAnswer> {
    const wanted = dispatchSchema.parse(dispatch);
    if (this.#state !== null) {
      this.#isAsked = true;
      this.#advance();
      return { status: "taken" };
    }
    const { service, unavailable } = this.#ports;
    if (service === null) {
      const reason = unavailable ?? "There are no sandboxes.";
      return { status: "unavailable", reason, by: SANDBOX_BACKEND };
    }
    this.#claims += 1;
    try {
      await this.#claim(wanted);
    } finally {
      this.#claims -= 1;
    }
    return { status: "taken" };
  }

  async #claim(wanted: Dispatch): Promise<void> {
    const owner = this.#ports.owner(wanted.placement, wanted.resource_id);
    const claim = await owner.claimAttempt(refOf(wanted), SANDBOX_BACKEND, "e2b");
    if (claim.status === "fenced" || this.#state !== null) return;
    const { timeout_ms, priority, request } = claim;
    const is_shared = request.work.sandbox?.reuse === "run";
    const state = initialState(wanted, { timeout_ms, priority, is_shared });
    const stop = this.#earlyStop;
    this.#state = stop ? observe(state, { type: "stop_asked", reason: stop }, Date.now()) : state;
    this.#store.commit({ state: this.#state, request });
    this.#advance();
  }

  /** See `AttemptBackend`. */
  stop(ref: DetachedRef, reason: StopReason): { status: "stopping" | "unknown" } {
    detachedRefSchema.parse(ref);
    const asked = reasonSchema.parse(reason);
    if (this.#state === null) {
      // The claim that is on its way may have been answered before this stop.
      if (this.#claims === 0) return { status: "unknown" };
      this.#earlyStop = asked;
      return { status: "stopping" };
    }
    // No code of it began, nor will, and its owner hears no end of it.
    if (this.#state.verdict === "unavailable") return { status: "unknown" };
    this.#session?.stopAsked();
    this.#apply({ event: { type: "stop_asked", reason: asked } });
    for (const { command, abort } of this.#busy.values()) {
      if (ABANDONED.has(command.do)) abort.abort("stop");
    }
    return { status: "stopping" };
  }

  /** See `AttemptBackend`. */
  waiting(): Waiting | null {
    this.#advance();
    return this.#state && waitingFor(this.#state, this.#ports.limits.capacity);
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = 0;
    this.#advance();
  }

  /** Commits what a step brought, and goes on from there. */
  #apply({ event, change = {} }: Step): void {
    const before = this.#state;
    if (before === null) return;
    const state = observe(before, event, Date.now());
    if (state !== before || change.taken) this.#store.commit({ ...wanted(before, change), state });
    this.#state = state;
    this.#account(before, state);
    if (change.taken) this.#session?.outputTaken();
    if (state.verdict === "silence") this.#session?.close();
    this.#advance();
  }

  /** Tells what a sandbox cost that has ended, in whichever way; a shared one is told by its lease. */
  #account(before: AttemptState, after: AttemptState): void {
    const { dispatch, is_shared } = after;
    const ms = endedSandboxMs(after) - endedSandboxMs(before);
    if (ms > 0 && !is_shared) this.#ports.spent(dispatch, usageOf(ms, this.#ports.usd_per_hour));
  }

  /** Starts everything that is to be done and is not under way. */
  #advance(): void {
    if (this.#state === null || this.#isForgetting) return;
    if (this.#ports.service === null && !this.#state.is_out_of_reach) {
      this.#apply({ event: { type: "switched_off" } });
      return;
    }
    const now = Date.now();
    const due = observe(this.#state, { type: "woke" }, now);
    if (due !== this.#state) {
      this.#apply({ event: { type: "woke" } });
      return;
    }
    if (isOver(due) && this.#busy.size === 0) {
      this.ctx.waitUntil(this.#forget(due));
      return;
    }
    const facts = { hasUnreported: this.#store.hasUnreported, isAsked: this.#isAsked };
    this.#arm(due, now);
    for (const command of plan(due, facts, now)) {
      if (!this.#busy.has(command.lane)) this.ctx.waitUntil(this.#perform(command, due));
    }
  }

  async #perform(command: Command, state: AttemptState): Promise<void> {
    const session = this.#opened();
    if (session === null) return;
    const work: Work = { command, abort: new AbortController() };
    this.#busy.set(command.lane, work);
    if (command.do === "report" && this.#isAsked) {
      session.isAsked = true;
      this.#isAsked = false;
    }
    const abandoned = new Promise<Step>((resolve) => {
      const event: Event = { type: "woke" };
      work.abort.signal.addEventListener("abort", () => resolve({ event }), { once: true });
    });
    const step = await Promise.race([
      session.perform(command, state, work.abort.signal),
      abandoned,
    ]);
    this.#busy.delete(command.lane);
    this.#apply(step);
    this.#warn(command, step.event);
  }

  /** Of failures in a row the first is logged, the second, the fourth, and so on. */
  #warn({ lane, do: command }: Command, event: Event): void {
    const state = this.#state;
    if (state === null || !isFailure(event)) return;
    const failures = (lane === "sandbox" && state.unmade?.tries) || state.lanes[lane].failures;
    if (!isPowerOfTwo(failures)) return;
    const { resource_id, run, step, epoch } = state.dispatch;
    const fields = { command, failures, resource_id, run, step, epoch };
    logWarning("remote_attempt_failed", event.why, fields);
  }

  #opened(): AttemptSession | null {
    if (this.#session !== null) return this.#session;
    const request = this.#store.request();
    if (request === null) return null;
    this.#session = new AttemptSession(this.#ports, this.#store, request, () => this.#advance());
    return this.#session;
  }

  #arm(state: AttemptState, now: number): void {
    const age = now - (state.started_at ?? now);
    const look = Math.min(MAX_LOOK_MS, Math.max(MIN_LOOK_MS, age / LOOK_SHARE));
    // An alarm that is set to parts of a millisecond fires before them, and then not again.
    const at = Math.ceil(Math.min(wakeAt(state, now), now + look));
    const isArmed = this.#alarmAt > now && this.#alarmAt <= at + ALARM_SLACK_MS;
    if (isArmed) return;
    this.#alarmAt = at;
    this.ctx.waitUntil(this.ctx.storage.setAlarm(at));
  }

  /** Ends the object, once its bill is taken: the alarm that is set comes back to it. */
  async #forget(state: AttemptState): Promise<void> {
    this.#isForgetting = true;
    try {
      await this.#bill(state);
      await this.#store.clear();
      this.#state = null;
      this.#session = null;
      this.#alarmAt = 0;
    } catch (error) {
      logWarning("sandbox_not_billed", error, { resource_id: state.dispatch.resource_id });
      this.#arm(state, Date.now());
    } finally {
      this.#isForgetting = false;
    }
  }

  async #bill(state: AttemptState): Promise<void> {
    const { dispatch, is_shared } = state;
    const ms = endedSandboxMs(state);
    if (ms === 0 || is_shared) return;
    const usage = usageOf(ms, this.#ports.usd_per_hour);
    const { project_id } = dispatch;
    await this.#ports.bill({ id: dispatchKey(dispatch), project_id, ...usage });
  }
}

type Failure = Extract<
  Event,
  { type: "failed" | "create_unclear" | "create_refused" | "unusable" }
>;

/** Whether somebody has to mend something; a lack of room is none of it. */
function isFailure(event: Event): event is Failure {
  if (event.type === "create_refused") return event.isDown === true;
  return event.type === "failed" || event.type === "create_unclear" || event.type === "unusable";
}

const isPowerOfTwo = (count: number) => count > 0 && (count & (count - 1)) === 0;

/** What is committed of a change: an end that comes after another one is none. */
function wanted({ phase }: AttemptState, change: Change): Change {
  return change.outcome !== undefined && phase === "ending" ? {} : change;
}
