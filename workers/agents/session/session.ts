/**
 * One session, put together of what decides, stores and answers. It has to be opened once before
 * anything else is asked of it.
 */
import { Feed } from "../../runs/feed.ts";
import type { ParentRef } from "../../runs/store-types.ts";
import type { ChildReport, ChildStart } from "../../runs/sub-runs.ts";
import type { Account, AccountAnswer } from "../accounts.ts";
import type { Effect } from "../machine/effects.ts";
import type { SessionEvent } from "../machine/events.ts";
import { wireState } from "../machine/wire.ts";
import type {
  Caller,
  CreateSession,
  LedgerRow,
  PendingApproval,
  SendMessage,
  SentMessage,
  SessionCommand,
  SessionEventRow,
  SessionMessage,
  SessionObject,
  SessionRefusal,
  SessionSnapshot,
  TurnLog,
} from "../session-port.ts";
import type { ToolDefinition } from "../tool-port.ts";
import { Assignment } from "./assignment.ts";
import type { ImportTarget } from "./bundle-schema.ts";
import { Calls } from "./calls.ts";
import { Commands } from "./commands.ts";
import { SessionEngine } from "./engine.ts";
import { Membership } from "./membership.ts";
import { Pool } from "./pool.ts";
import type { SessionPorts } from "./ports.ts";
import { Preparation } from "./preparation.ts";
import { Projector } from "./projector.ts";
import { Queries } from "./queries.ts";
import { Recorder } from "./recorder.ts";
import { Requests } from "./requests.ts";
import { SessionSlot } from "./slots.ts";
import { snapshotOf } from "./snapshot.ts";
import { Steps } from "./steps.ts";
import { SessionStore } from "./store.ts";
import { Transfer, type Written } from "./transfer.ts";

const NOT_FOUND: SessionRefusal = { refused: "not_found" };
/** One object has one session, whose watchers all want the same. */
const WATCHERS = "session";
/** The longest wait for calls that are being stopped. */
const STOP_WAIT_MS = 10_000;

export class Session implements SessionObject {
  readonly #engine: SessionEngine;
  readonly #feed: Feed<SessionEventRow>;
  readonly #projector: Projector;
  readonly #steps: Steps;
  readonly #calls: Calls;
  readonly #preparation: Preparation;
  readonly #slot: SessionSlot;
  readonly #commands: Commands;
  readonly #queries: Queries;
  readonly #transfer: Transfer;
  readonly #assignment: Assignment;
  readonly #membership: Membership;
  readonly #pool: Pool;
  #isOpen = false;

  constructor(context: DurableObjectState, env: Env, ports: SessionPorts) {
    const models = ports.models(env);
    const tools = ports.tools(env, context);
    const engine = new SessionEngine(
      context,
      new SessionStore(context.storage.sql),
      (committed) => {
        this.#feed.push(WATCHERS, committed.events);
        if (committed.is_change) this.#projector.schedule();
        // When the commit is behind it: what follows is a commit of its own.
        queueMicrotask(() => this.#look());
      },
    );
    const definitions = (): readonly ToolDefinition[] =>
      engine.setup === null ? [] : tools.definitions(engine.setup.tools);
    this.#engine = engine;
    this.#feed = new Feed(context);
    this.#projector = new Projector(engine, env);
    this.#membership = new Membership(engine, ports.sessions(env));
    this.#pool = new Pool(engine, ports.sessions(env));
    const requests = new Requests(engine, models, tools);
    this.#steps = new Steps(engine, models, requests, this.#membership, definitions, () =>
      context.storage.sync(),
    );
    this.#calls = new Calls(engine, tools);
    this.#preparation = new Preparation(engine, models, tools);
    this.#slot = new SessionSlot(engine, env.LIMITS, ports.slots(env));
    this.#commands = new Commands(engine, models, this.#calls, definitions);
    this.#queries = new Queries(engine);
    this.#assignment = new Assignment(
      engine,
      context.storage,
      this.#commands,
      ports.assignments(env),
    );
    this.#transfer = new Transfer(engine, context.storage, tools);
    const recorder = new Recorder(engine, this.#steps, this.#calls);
    engine.use({
      record: (event, now) => recorder.record(event, now),
      perform: (effect) => this.#perform(effect),
      settled: () => this.#membership.settle(),
    });
    engine.choreAt = () =>
      earliest(
        this.#projector.dueAt(),
        this.#assignment.dueAt(),
        this.#membership.dueAt(),
        this.#pool.dueAt(),
      );
  }

  async create(input: CreateSession): Promise<SessionSnapshot> {
    this.#open();
    return this.#commands.create(input);
  }

  async read(): Promise<SessionSnapshot | SessionRefusal> {
    return this.#open() ? snapshotOf(this.#engine) : NOT_FOUND;
  }

  async send(message: SendMessage): Promise<SentMessage | SessionRefusal> {
    return this.#open() ? this.#commands.send(message) : NOT_FOUND;
  }

  async command(
    command: SessionCommand,
    caller: Caller,
  ): Promise<SessionSnapshot | SessionRefusal> {
    return this.#open() ? this.#commands.command(command, caller) : NOT_FOUND;
  }

  async messages(
    after: number,
    limit: number,
  ): Promise<readonly SessionMessage[] | SessionRefusal> {
    return this.#open() ? this.#queries.messages(after, limit) : NOT_FOUND;
  }

  /** Events after `after`, oldest first; an empty page is the end of what there is. */
  async events(after: number, limit: number): Promise<readonly SessionEventRow[] | SessionRefusal> {
    return this.#open() ? this.#queries.events(after, limit) : NOT_FOUND;
  }

  async approvals(): Promise<readonly PendingApproval[] | SessionRefusal> {
    return this.#open() ? this.#queries.approvals() : NOT_FOUND;
  }

  async ledger(after: number, limit: number): Promise<readonly LedgerRow[] | SessionRefusal> {
    return this.#open() ? this.#queries.ledger(after, limit) : NOT_FOUND;
  }

  async turn(number: number | null): Promise<TurnLog | SessionRefusal> {
    return this.#open() ? (this.#queries.turn(number) ?? NOT_FOUND) : NOT_FOUND;
  }

  async account(account: Account): Promise<AccountAnswer | SessionRefusal> {
    return this.#open() ? this.#pool.take(account) : NOT_FOUND;
  }

  async poolChanged(): Promise<{ readonly taken: true } | SessionRefusal> {
    if (!this.#open()) return NOT_FOUND;
    this.#engine.tell({ type: "pool_changed" });
    return { taken: true };
  }

  async children(): Promise<readonly string[] | SessionRefusal> {
    if (!this.#open()) return NOT_FOUND;
    await this.#engine.waitUntil(() => this.#engine.state.stopping.length === 0, STOP_WAIT_MS);
    return this.#queries.children();
  }

  beginChild(start: ChildStart): Promise<ChildReport> {
    this.#open();
    return this.#assignment.begin(start);
  }

  cancelChild(parent: ParentRef): Promise<ChildReport> {
    this.#open();
    return this.#assignment.stop(parent);
  }

  async remove(): Promise<{ readonly removed: true } | SessionRefusal> {
    if (!this.#open()) return NOT_FOUND;
    const { state } = this.#engine;
    if (state.phase !== "terminated") {
      const detail = "Only a session that is terminated can be forgotten.";
      return { refused: "illegal", state: wireState(state).state, allowed: ["terminate"], detail };
    }
    await this.#membership.flush();
    await this.#projector.remove();
    await this.#engine.forget();
    this.#feed.dismiss(WATCHERS);
    return { removed: true };
  }

  /** Takes up what is unfinished here, of turns and of what lists show. */
  async wake(): Promise<void> {
    if (!this.#open()) return;
    this.#projector.schedule();
    this.#engine.arm();
  }

  /** All of it; or a fork of it, that goes on from the message of a seq. */
  exportBundle(fork: number | null): Written | SessionRefusal {
    if (!this.#open()) return NOT_FOUND;
    return fork === null ? this.#transfer.write() : this.#transfer.fork(fork);
  }

  /** Makes this session of a bundle, unless it is there already. */
  async importBundle(target: ImportTarget, lines: readonly string[]): Promise<SessionSnapshot> {
    this.#open();
    return this.#transfer.read(target, lines);
  }

  /** A watcher: each message that it receives is `{ events }` of one commit. */
  watch(): Response {
    if (!this.#open()) return new Response("no such session", { status: 404 });
    return this.#feed.accept(WATCHERS);
  }

  unwatched(): void {
    this.#feed.release();
  }

  async alarm(): Promise<void> {
    if (!this.#open()) {
      await this.#assignment.forgetStop();
      return;
    }
    this.#engine.alarmFired();
    if (!this.#engine.isAtRest || this.#engine.state.turn !== null) {
      this.#engine.tell({ type: "timer" });
    }
    this.#projector.schedule();
    this.#look();
    this.#engine.arm();
    await this.#slot.renew();
  }

  /** Takes up the session once in the life of this instance, before anything else; false when there is none. */
  #open(): boolean {
    if (this.#isOpen) return this.#engine.isLoaded;
    this.#isOpen = true;
    if (!this.#engine.load()) return false;
    this.#engine.recover();
    this.#projector.schedule();
    queueMicrotask(() => this.#look());
    return true;
  }

  /** Takes up what others are to hear of the newest commit. */
  #look(): void {
    if (!this.#engine.isLoaded) return;
    this.#assignment.look();
    void this.#membership.look();
    this.#pool.look();
  }

  #perform(effect: Exclude<Effect, { type: "emit" }>): SessionEvent | null {
    const engine = this.#engine;
    switch (effect.type) {
      case "prepare":
        engine.afterCommit(() => void this.#preparation.run(effect.epoch));
        return null;
      case "quote_step":
        return this.#steps.quote(effect);
      case "run_step":
        this.#steps.begin(effect);
        return null;
      case "run_call":
        engine.afterCommit(() => void this.#calls.run(effect));
        return null;
      case "stop_call":
        engine.afterCommit(() => this.#calls.stopElsewhere(effect));
        return null;
      case "abort":
        return this.#abort(effect.epoch);
      case "acquire_slot":
        engine.afterCommit(() => void this.#slot.acquire());
        return null;
      case "release_slot":
        engine.afterCommit(() => this.#slot.release());
        return null;
      case "dispose":
        // What runs was stopped one by one, and the slot goes back by an effect of its own.
        return { type: "disposed" };
    }
  }

  /** Stops what runs under the epoch; of a step what it has used is counted at once. */
  #abort(epoch: number): SessionEvent | null {
    if (this.#calls.stop(epoch)) return null;
    const isStep = this.#engine.state.budget.holds.some((hold) => hold.epoch === epoch);
    return isStep ? { type: "step_aborted", epoch, usage: this.#steps.stop(epoch) } : null;
  }
}

function earliest(...times: readonly (number | null)[]): number | null {
  const known = times.filter((at) => at !== null);
  return known.length === 0 ? null : Math.min(...known);
}
