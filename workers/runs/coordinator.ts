/**
 * The Durable Object that owns runs: single writer and truth of what it holds. This file is its
 * RPC surface and its alarm; the engine behind it decides and stores.
 */
import { DurableObject } from "cloudflare:workers";
import { loadConfig } from "../config.ts";
import { Archive } from "./archive.ts";
import { Chores } from "./chores.ts";
import { Engine } from "./engine.ts";
import { allowedActions, type Explanation, explain, stateOf } from "./explain.ts";
import { Feed } from "./feed.ts";
import { type LogQuery, type LogSlice, readLog } from "./logs.ts";
import type { EnginePorts } from "./ports.ts";
import { Projector } from "./projector.ts";
import { liveRecord, storedRecord } from "./record.ts";
import { RunStore, type StoredRun } from "./store.ts";
import type { EventRow, Resource, Snapshot } from "./store-types.ts";
import * as views from "./views.ts";

/** `cancel` answers when the code has stopped, or after this long. */
const CANCEL_WAIT_MS = 2_000;
/** Work that a failed projection or archiving left is tried again after this long. */
const CHORE_RETRY_MS = 1_500;
const EVENTS_PER_PAGE = 1_000;

export interface CreateInput {
  readonly id: string;
  readonly kind: string;
  readonly project_id: string;
  /** JSON text. */
  readonly document: string;
  /** Starts the first run in the same commit and waits for its end; null only creates. */
  readonly start: StartInput | null;
}

export interface StartInput {
  /** How long to wait for the end of the run before answering. */
  readonly wait_ms: number;
  /** Names the request, so that one repeated after a crash finds its run and starts no other. */
  readonly request_id: string | null;
  /** JSON text of the run's inputs; null for none. */
  readonly inputs?: string | null;
  /** Begins a run although another one is live. */
  readonly allow_concurrent?: boolean;
}

/** Which run is run again, and from where. */
export interface RerunInput {
  /** Null is the newest. */
  readonly run?: number | null;
  /** This step and all that depend on it run again; null for what failed and what depends on that. */
  readonly from?: string | null;
}

export interface RetryInput extends StartInput, RerunInput {
  /** JSON text that takes the place of the `inputs` of the step `from`. */
  readonly step_inputs?: string | null;
}

export interface ApprovalInput {
  /** Null is the only approval that is open. */
  readonly step: string | null;
  readonly approved: boolean;
  readonly by: string;
  readonly comment: string | null;
}

export interface SignalInput {
  readonly name: string;
  /** JSON text of up to 64 KiB. */
  readonly payload: string;
  readonly request_id: string | null;
}

/** A refusal that the caller turns into an API error. */
export type Refusal =
  | { readonly refused: "not_found" }
  | { readonly refused: "busy" }
  | {
      readonly refused: "illegal";
      readonly detail: string;
      readonly state: string;
      readonly allowed: readonly string[];
    }
  | { readonly refused: "version"; readonly current: number };

export interface EventPage {
  readonly events: readonly EventRow[];
  /** The run has ended, so that nothing follows the last page. */
  readonly ended: boolean;
}

export abstract class RunCoordinatorBase extends DurableObject<Env> {
  readonly #store: RunStore;
  readonly #engine: Engine;
  readonly #feed: Feed;
  readonly #projector: Projector;
  readonly #kinds: EnginePorts["kinds"];
  readonly #archive: Archive;
  readonly #chores: Chores;
  #recovered = false;
  #housekeeping: Promise<boolean> | null = null;

  constructor(context: DurableObjectState, env: Env, ports: EnginePorts) {
    super(context, env);
    this.#store = new RunStore(context.storage.sql);
    this.#feed = new Feed(context);
    this.#kinds = ports.kinds;
    this.#projector = new Projector(env, this.#store, ports.kinds);
    this.#engine = new Engine(context, env, ports, this.#store, this.#feed, (changes) => {
      for (const change of changes) this.#projector.changed(change);
    });
    const retentionMs = loadConfig(env).RUN_RETENTION_SECONDS * 1000;
    this.#archive = new Archive(env.BLOBS, this.#store);
    this.#chores = new Chores(env.BLOBS, this.#store, this.#archive, retentionMs);
  }

  /** Creates a resource; one that exists already is answered as it is. */
  async create(input: CreateInput): Promise<Snapshot | Refusal> {
    this.#open();
    const { start } = input;
    let resource = this.#find(input.id);
    if (start && !resource?.run && this.#engine.isFull()) return { refused: "busy" };
    if (!resource) {
      resource = this.#engine.commit((now) => this.#insert(input, now));
    } else if (start && resource.run === 0) {
      this.#begin(resource, start, "execute");
    }
    const wait = start?.wait_ms ?? 0;
    return (await this.#outcome(resource.id, wait, resource.run)) ?? views.bareSnapshot(resource);
  }

  /** The resource with its newest run, or with the one asked for. */
  async read(id: string, run: number | null): Promise<Snapshot | Refusal> {
    this.#open();
    return (await this.#snapshot(id, run)) ?? { refused: "not_found" };
  }

  /** Starts run n+1 and waits for its end. */
  async execute(id: string, input: StartInput): Promise<Snapshot | Refusal> {
    this.#open();
    const resource = this.#find(id);
    if (!resource) return { refused: "not_found" };
    const repeated = this.#runOf(id, input);
    if (repeated === null) {
      if (this.#engine.liveRun(resource)) return this.#illegal(resource, "It is running already.");
      if (this.#engine.isFull()) return { refused: "busy" };
      this.#begin(resource, input, "execute");
    }
    const run = repeated ?? resource.run;
    return (await this.#outcome(id, input.wait_ms, run)) ?? { refused: "not_found" };
  }

  /** Starts run n+1 after a run that failed or was cancelled; counts against `max_retries`. */
  async retry(id: string, input: StartInput): Promise<Snapshot | Refusal> {
    this.#open();
    const resource = this.#find(id);
    if (!resource) return { refused: "not_found" };
    const repeated = this.#runOf(id, input);
    if (repeated === null) {
      const state = this.#newest(resource)?.state.status;
      if (state !== "failed" && state !== "cancelled") {
        return this.#illegal(resource, "Only a run that failed or was cancelled can be retried.");
      }
      if (!this.#mayRetry(resource)) {
        const detail = `All ${resource.retry_count} retries are used up. Raise max_retries with PATCH, or execute it again.`;
        return this.#illegal(resource, detail);
      }
      if (this.#engine.isFull()) return { refused: "busy" };
      resource.retry_count += 1;
      this.#begin(resource, input, "retry");
    }
    const run = repeated ?? resource.run;
    return (await this.#outcome(id, input.wait_ms, run)) ?? { refused: "not_found" };
  }

  /**
   * Cancels the live run, or the resource before its first one; waits until the code has stopped.
   * `repeated` says that an earlier call was cut off, which may have cancelled it already.
   */
  async cancel(id: string, repeated: boolean): Promise<Snapshot | Refusal> {
    this.#open();
    const resource = this.#find(id);
    if (!resource) return { refused: "not_found" };
    const live = this.#engine.liveRun(resource);
    if (live) {
      this.#engine.commit((now) => this.#engine.drive(live, { type: "cancel" }, now));
    } else if (resource.run === 0) {
      const run = { trigger: "cancel", retry_of: null, request_id: null, awaited: true } as const;
      this.#engine.commit((now) => this.#engine.beginRun(resource, run, now));
    } else if (!repeated || this.#newest(resource)?.state.status !== "cancelled") {
      return this.#illegal(resource, "It has ended already.");
    }
    return (await this.#outcome(id, CANCEL_WAIT_MS, resource.run)) ?? { refused: "not_found" };
  }

  /** Replaces the document of a resource that is not running. */
  async edit(
    id: string,
    document: string,
    version: number,
    revision: number | null,
  ): Promise<Snapshot | Refusal> {
    this.#open();
    const resource = this.#find(id);
    if (!resource) return { refused: "not_found" };
    if (this.#engine.liveRun(resource)) {
      return this.#illegal(resource, "It cannot be changed while it runs. Cancel it or wait.");
    }
    if (
      resource.version !== version ||
      (revision ?? resource.changed_seq) !== resource.changed_seq
    ) {
      return { refused: "version", current: resource.changed_seq };
    }
    this.#engine.commit((now) => {
      resource.document = document;
      resource.version += 1;
      this.#store.saveDocument(resource);
      const data = { version: resource.version };
      this.#engine.append(resource, resource.run, { at: now, type: "resource.updated", data });
    });
    return (await this.#snapshot(id)) ?? { refused: "not_found" };
  }

  /** Deletes a resource that is not running, with all its runs. */
  async remove(id: string, revision: number | null): Promise<{ readonly removed: true } | Refusal> {
    this.#open();
    const resource = this.#find(id);
    if (!resource) return { refused: "not_found" };
    if (this.#engine.liveRun(resource)) {
      return this.#illegal(resource, "It cannot be deleted while it runs. Cancel it first.");
    }
    if (revision !== null && revision !== resource.changed_seq) {
      return { refused: "version", current: resource.changed_seq };
    }
    this.#engine.commit(() => this.#store.deleteResource(resource));
    this.#projector.deleted(id);
    this.#feed.dismiss(id);
    return { removed: true };
  }

  /** Events after `after`, oldest first, one page; an empty page is the end of what there is. */
  async events(id: string, run: number, after: number): Promise<EventPage | Refusal> {
    this.#open();
    const resource = this.#find(id);
    if (!resource) return { refused: "not_found" };
    const stored = this.#store.run(id, run);
    if (!stored && run > Math.max(1, resource.run)) return { refused: "not_found" };
    const ended = stored !== null && stored.state.completed_at !== null;
    const events = stored?.archive
      ? await this.#archive.events(stored.archive, after)
      : this.#store.events(id, after, EVENTS_PER_PAGE);
    return { events, ended };
  }

  /** Attempts of a run, oldest first; `run` null is the newest. */
  async attempts(id: string, run: number | null): Promise<readonly views.AttemptView[] | Refusal> {
    this.#open();
    const stored = this.#runNumbered(id, run);
    if (!stored) return { refused: "not_found" };
    if (stored.archive) return (await this.#archive.index(stored.archive)).attempts;
    return views.attempts(stored.run, storedRecord(this.#store, id, stored.run));
  }

  /** Bytes of a run's output. */
  async log(id: string, query: LogQuery): Promise<LogSlice | Refusal> {
    this.#open();
    const stored = this.#runNumbered(id, query.run);
    if (!stored) return { refused: "not_found" };
    if (stored.archive) return this.#archive.log(stored.archive, query);
    return readLog(storedRecord(this.#store, id, stored.run), query);
  }

  /** Says why the resource is in the state it is in, and what can be done. */
  async why(id: string): Promise<Explanation | Refusal> {
    this.#open();
    const resource = this.#find(id);
    if (!resource) return { refused: "not_found" };
    const position = (step: number) => {
      const live = this.#engine.liveRun(resource);
      return live ? this.#engine.attempts.position(live, step) : null;
    };
    return explain(this.#newest(resource), this.#mayRetry(resource), position, Date.now());
  }

  /** Takes up what is unfinished here, of runs and of what lists show, by an alarm. */
  async wake(): Promise<void> {
    this.#open();
    if (this.#store.exists()) this.#engine.arm(Date.now());
  }

  /** WebSocket of a watcher: `?id=` names the resource. */
  override async fetch(request: Request): Promise<Response> {
    this.#open();
    const id = new URL(request.url).searchParams.get("id");
    if (!id || !this.#find(id)) return new Response("no such resource", { status: 404 });
    return this.#feed.accept(id);
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
    this.#feed.release();
  }

  override async alarm(): Promise<void> {
    if (!this.#store.exists()) return;
    this.#open();
    this.#engine.fireTimers();
    const next = this.#engine.nextAlarm(Date.now());
    if (next !== null) this.#engine.arm(next);
    // No other alarm comes before this one returns: a slow projection must not hold up deadlines.
    const patience = Math.max(0, (next ?? Date.now() + CHORE_RETRY_MS) - Date.now());
    const settled = await Promise.race([
      this.#keepHouse(),
      scheduler.wait(patience).then(() => false),
    ]);
    const now = Date.now();
    const times = [
      this.#engine.nextAlarm(now),
      settled ? this.#chores.dueAt() : now + CHORE_RETRY_MS,
    ].filter((at) => at !== null);
    if (times.length > 0) this.#engine.arm(Math.max(now + 1, Math.min(...times)));
  }

  /** Does what runs leave to be done elsewhere, once at a time; resolves to whether all is done. */
  #keepHouse(): Promise<boolean> {
    this.#housekeeping ??= this.#projector
      .settle()
      .then((isProjected) => isProjected && this.#chores.run())
      .finally(() => {
        this.#housekeeping = null;
      });
    return this.#housekeeping;
  }

  /** Takes up unfinished runs once in the life of this instance, before anything else is done. */
  #open(): void {
    if (this.#recovered) return;
    this.#recovered = true;
    if (this.#store.exists()) this.#engine.recover();
  }

  #insert(input: CreateInput, now: number): Resource {
    const resource: Resource = {
      id: input.id,
      kind: input.kind,
      project_id: input.project_id,
      document: input.document,
      version: 1,
      run: 0,
      retry_count: 0,
      created_at: now,
      updated_at: now,
      changed_seq: 0,
    };
    this.#engine.addResource(resource);
    this.#engine.append(resource, 0, { at: now, type: "resource.created", data: {} });
    if (input.start) {
      const { request_id, wait_ms } = input.start;
      const run = { trigger: "execute", retry_of: null, request_id, awaited: wait_ms > 0 } as const;
      this.#engine.beginRun(resource, run, now);
    }
    return resource;
  }

  #begin(resource: Resource, input: StartInput, trigger: "execute" | "retry"): void {
    const retryOf = trigger === "retry" ? resource.run : null;
    const { request_id, wait_ms } = input;
    const run = { trigger, retry_of: retryOf, request_id, awaited: wait_ms > 0 };
    this.#engine.commit((now) => this.#engine.beginRun(resource, run, now));
  }

  #find(id: string): Resource | null {
    const live = this.#engine.liveResource(id);
    if (live) return live;
    return this.#store.exists() ? this.#store.resource(id) : null;
  }

  #newest(resource: Resource): StoredRun | null {
    return resource.run === 0 ? null : this.#store.run(resource.id, resource.run);
  }

  /** The run that this very request began, before a crash or a lost reply. */
  #runOf(id: string, { request_id }: StartInput): number | null {
    return request_id === null ? null : this.#store.runOfRequest(id, request_id);
  }

  /** A run of a resource; null is the newest. */
  #runNumbered(id: string, run: number | null): StoredRun | null {
    const resource = this.#find(id);
    return resource && this.#store.run(id, run ?? resource.run);
  }

  /** The resource with a run that has ended, or is as it is after `ms`; run 0 is none. */
  async #outcome(id: string, ms: number, run: number): Promise<Snapshot | null> {
    const isLive = this.#engine.liveResource(id)?.run === run;
    const live = isLive ? await this.#engine.waitForEnd(id, ms) : null;
    if (!live) return this.#snapshot(id, run === 0 ? null : run);
    const { results } = live;
    const result = results.has(0) ? (results.get(0) ?? null) : this.#store.result(id, run, 0);
    return views.snapshot(live.resource, live, liveRecord(this.#store, live), result);
  }

  async #snapshot(id: string, run: number | null = null): Promise<Snapshot | null> {
    const resource = this.#find(id);
    if (!resource) return null;
    if (run === null && resource.run === 0) return views.bareSnapshot(resource);
    const stored = this.#runNumbered(id, run);
    if (!stored) return null;
    const result = this.#store.result(id, stored.run, 0);
    if (!stored.archive) {
      return views.snapshot(resource, stored, storedRecord(this.#store, id, stored.run), result);
    }
    const { stdout, stderr, artifacts } = await this.#archive.index(stored.archive);
    return { resource, run: views.summarise(stored), result, stdout, stderr, artifacts };
  }

  #mayRetry(resource: Resource): boolean {
    return resource.retry_count < (this.#kinds[resource.kind]?.maxRetries(resource) ?? 0);
  }

  #illegal(resource: Resource, detail: string): Refusal {
    const state = stateOf(this.#newest(resource));
    const allowed = allowedActions(state, this.#mayRetry(resource));
    return { refused: "illegal", detail, state, allowed };
  }
}
