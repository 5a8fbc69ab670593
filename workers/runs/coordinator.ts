/**
 * The Durable Object that owns runs: single writer and truth of what it holds. This file is its
 * RPC surface and its alarm; what is behind it decides, stores and answers.
 */
import { DurableObject } from "cloudflare:workers";
import { loadConfig } from "../config.ts";
import type { DetachedRef, DetachedType, Fenced, ReportAnswer } from "../executors/detached.ts";
import { ownObjectName } from "./address.ts";
import { Archive } from "./archive.ts";
import type { OwnerStub } from "./attempt-owner.ts";
import { Chores } from "./chores.ts";
import { Commands, newResource } from "./commands.ts";
import { Engine } from "./engine.ts";
import type { Explanation } from "./explain.ts";
import { Feed } from "./feed.ts";
import type { LogQuery, LogSlice } from "./logs.ts";
import type { AttemptName } from "./nested.ts";
import type { EnginePorts } from "./ports.ts";
import { Projector } from "./projector.ts";
import { Queries } from "./queries.ts";
import type {
  ApprovalInput,
  CreateInput,
  EventPage,
  Refusal,
  RerunInput,
  RetryInput,
  SignalInput,
  StartInput,
} from "./requests.ts";
import { wakeAt } from "./rest.ts";
import { RunStore } from "./store.ts";
import type {
  EventRow,
  ParentRef,
  RerunPlan,
  Resource,
  RunInspection,
  RunSummary,
  Snapshot,
  StepDetail,
} from "./store-types.ts";
import { type ChildReport, type ChildStart, refusal, requestOf, stopped } from "./sub-runs.ts";
import type { AttemptView } from "./views.ts";

/** Work that a failed projection or archiving left is tried again after this long. */
const CHORE_RETRY_MS = 1_500;

export abstract class RunCoordinatorBase extends DurableObject<Env> implements OwnerStub {
  readonly #store: RunStore;
  readonly #engine: Engine;
  readonly #feed: Feed<EventRow>;
  readonly #projector: Projector;
  readonly #chores: Chores;
  readonly #commands: Commands;
  readonly #queries: Queries;
  #recovered = false;
  #housekeeping: Promise<boolean> | null = null;

  constructor(context: DurableObjectState, env: Env, ports: EnginePorts) {
    super(context, env);
    this.#store = new RunStore(context.storage.sql);
    this.#feed = new Feed(context);
    this.#projector = new Projector(env, this.#store, ports.kinds, ({ id, updated_at }) =>
      wakeAt(this.#engine.runs.of(id), updated_at),
    );
    this.#engine = new Engine(context, env, ports, this.#store, this.#feed, (changes) => {
      for (const change of changes) this.#projector.changed(change);
    });
    const archive = new Archive(env.BLOBS, this.#store, (resource, version) =>
      this.#queries.planOf(resource, version),
    );
    const retentionMs = loadConfig(env).RUN_RETENTION_SECONDS * 1000;
    this.#chores = new Chores(env.BLOBS, this.#store, archive, retentionMs);
    this.#queries = new Queries(this.#store, this.#engine, archive);
    this.#commands = new Commands(
      this.#store,
      this.#engine,
      this.#queries,
      this.#projector,
      this.#feed,
    );
  }

  /** Creates a resource; one that exists already is answered as it is. */
  async create(input: CreateInput): Promise<Snapshot | Refusal> {
    this.#open();
    return this.#commands.create(input);
  }

  /** The resource with its newest run, or with the one asked for. */
  async read(id: string, run: number | null): Promise<Snapshot | Refusal> {
    this.#open();
    return (await this.#queries.snapshot(id, run)) ?? { refused: "not_found" };
  }

  /** The project that a resource belongs to, and its kind. */
  owner(id: string): Pick<Resource, "project_id" | "kind"> | Refusal {
    this.#open();
    const resource = this.#queries.find(id);
    if (!resource) return { refused: "not_found" };
    const { project_id, kind } = resource;
    return { project_id, kind };
  }

  /** Starts run n+1 and waits for its end. */
  async execute(id: string, input: StartInput): Promise<Snapshot | Refusal> {
    this.#open();
    return this.#commands.execute(id, input);
  }

  /** Starts run n+1 from an earlier one; counts against what the kind allows. */
  async retry(id: string, input: RetryInput): Promise<Snapshot | Refusal> {
    this.#open();
    return this.#commands.retry(id, input);
  }

  /** What `retry` would run again. */
  async planRetry(id: string, input: RerunInput): Promise<RerunPlan | Refusal> {
    this.#open();
    return this.#commands.planRetry(id, input);
  }

  /**
   * Cancels a live run, or the resource before its first one; waits until the code has stopped.
   * `repeated` says that an earlier call was cut off, which may have cancelled it already;
   * `triggeredBy` is who asks.
   */
  async cancel(
    id: string,
    run: number | null,
    repeated: boolean,
    triggeredBy: string | null = null,
  ): Promise<Snapshot | Refusal> {
    this.#open();
    return this.#commands.cancel(id, run, repeated, triggeredBy);
  }

  /** `boundary` lets attempts in flight end; `now` stops them, to run again as the same try. */
  async pause(
    id: string,
    run: number | null,
    mode: "boundary" | "now",
  ): Promise<Snapshot | Refusal> {
    this.#open();
    return this.#commands.pause(id, run, mode);
  }

  async resume(id: string, run: number | null): Promise<Snapshot | Refusal> {
    this.#open();
    return this.#commands.resume(id, run);
  }

  /** Passes or fails an open approval. */
  async approve(id: string, run: number | null, input: ApprovalInput): Promise<Snapshot | Refusal> {
    this.#open();
    return this.#commands.approve(id, run, input);
  }

  /** Gives a signal to a live run, for the gate that waits for it or will. */
  async signal(id: string, run: number | null, input: SignalInput): Promise<Snapshot | Refusal> {
    this.#open();
    return this.#commands.signal(id, run, input);
  }

  /** Replaces the document of a resource; of one without versions only while it is not running. */
  async edit(
    id: string,
    document: string,
    version: number,
    revision: number | null,
  ): Promise<Snapshot | Refusal> {
    this.#open();
    return this.#commands.edit(id, document, version, revision);
  }

  /** Deletes a resource that is not running, with all its runs. */
  async remove(id: string, revision: number | null): Promise<{ readonly removed: true } | Refusal> {
    this.#open();
    return this.#commands.remove(id, revision);
  }

  /** Events after `after`, oldest first, one page; an empty page is the end of what there is. */
  async events(id: string, run: number, after: number): Promise<EventPage | Refusal> {
    this.#open();
    return this.#queries.events(id, run, after);
  }

  /** Attempts of a run, oldest first; `run` null is the newest. */
  async attempts(id: string, run: number | null): Promise<readonly AttemptView[] | Refusal> {
    this.#open();
    return this.#queries.attempts(id, run);
  }

  /** Bytes of a run's output. */
  async log(id: string, query: LogQuery): Promise<LogSlice | Refusal> {
    this.#open();
    return this.#queries.log(id, query);
  }

  /** Says why the resource is in the state it is in, and what can be done. */
  async why(id: string): Promise<Explanation | Refusal> {
    this.#open();
    return this.#queries.why(id);
  }

  /** Runs below `before`, newest first; null is from the newest. */
  async runs(
    id: string,
    before: number | null,
    limit: number,
  ): Promise<readonly RunSummary[] | Refusal> {
    this.#open();
    return this.#queries.runs(id, before, limit);
  }

  /** All of a run but its results. */
  async inspect(id: string, run: number | null): Promise<RunInspection | Refusal> {
    this.#open();
    return this.#queries.inspect(id, run);
  }

  /** One step of a run by its name, or an item as `name[2]`. */
  async step(id: string, run: number | null, name: string): Promise<StepDetail | Refusal> {
    this.#open();
    return this.#queries.step(id, run, name);
  }

  /**
   * Begins a run for a step of another, unless that has asked for its stop already; asked again, it
   * says how that run is.
   */
  async beginChild(start: ChildStart): Promise<ChildReport> {
    this.#open();
    const {
      resource_id: id,
      project_id,
      parent,
      inputs,
      triggered_by = null,
      trace = null,
    } = start;
    const request = { request_id: requestOf(parent), inputs };
    const created = start.made_of ? { id, project_id, ...start.made_of } : null;
    const inherited = start.pins ?? null;
    const pinned = await this.#commands.pinned(id, request, { created, inherited });
    const resource = this.#queries.find(id) ?? (created && newResource(created, Date.now()));
    const isNew = resource?.changed_seq === 0;
    if (!resource || resource.project_id !== project_id) {
      return refusal(
        parent,
        "pipeline_not_found",
        `There is no pipeline ${id} in this project. Correct the step's pipeline.`,
      );
    }
    const request_id = requestOf(parent);
    const isEmpty = !this.#store.exists();
    const known = isEmpty ? null : this.#store.runs.ofRequest(id, request_id);
    if (known === null) {
      if (!isEmpty && this.#store.stopped.has(id, request_id)) return stopped(parent);
      if (this.#engine.runs.isFull) {
        return refusal(
          parent,
          "busy",
          "The object that would run the step has too much under way. Retry later.",
        );
      }
      const { issues } = this.#engine.kind(resource).admit(resource, inputs);
      if (issues.length > 0) {
        const list = issues.map(({ path, message }) => `inputs${path}: ${message}`).join("; ");
        return refusal(
          parent,
          "inputs_invalid",
          `The inputs are not what the definition of the run below says: ${list}. Correct the step's inputs.`,
        );
      }
      if (pinned.issues.length > 0) {
        const list = pinned.issues.map(({ path, message }) => `${path}: ${message}`).join("; ");
        return refusal(parent, "reference_unavailable", `The run below cannot begin. ${list}`);
      }
      const { pins } = pinned;
      this.#engine.slots.lend(id, resource.run + 1, () =>
        this.#engine.commit((now) => {
          if (isNew) this.#commands.add(resource, now);
          this.#engine.beginRun(
            resource,
            {
              trigger: "parent",
              triggered_by,
              trace,
              retry_of: null,
              request_id,
              awaited: true,
              inputs,
              pins,
              parent,
            },
            now,
          );
        }),
      );
    } else {
      const live = this.#engine.runs.find(id, known)?.live;
      if (live) this.#engine.children.repeatRest(live);
    }
    const report = this.#engine.children.describe(resource, known ?? resource.run);
    const isOver = report !== null && report.result !== null;
    // What has ended tells its outputs by a report of its own.
    if (isOver) await this.#engine.children.report(resource, known ?? resource.run);
    return { parent, result: null, outputs: null };
  }

  /** Cancels the run that a step of another is; one that is not begun yet never will be. */
  async cancelChild(id: string, parent: ParentRef): Promise<ChildReport> {
    this.#open();
    const resource = this.#queries.find(id);
    const request_id = requestOf(parent);
    const run = resource && this.#store.runs.ofRequest(id, request_id);
    // In an object of its own nothing is made for a step: what is not there will not be.
    if (!resource && this.ctx.id.name === ownObjectName(id)) return stopped(parent);
    if (!resource || run === null) {
      this.#engine.commit((now) => this.#store.stopped.add(id, request_id, now));
      return stopped(parent);
    }
    const live = this.#engine.runs.find(id, run)?.live;
    if (live) this.#engine.tell(live, { type: "cancel" });
    else await this.#engine.children.report(resource, run);
    return { parent, result: null, outputs: null };
  }

  /** Takes what a run that is a step of a run here says of itself. */
  async childReported(report: ChildReport): Promise<void> {
    this.#open();
    await this.#engine.children.reported(report);
  }

  /** A run that is a step of a run here wants to go on: 0 lets it, else its place in the queue. */
  async childGoesOn(parent: ParentRef): Promise<number> {
    this.#open();
    const { children, slots } = this.#engine;
    return children.goesOn(parent, (live) => slots.position(live));
  }

  /** Code of an attempt is about to invoke a skill: false when it may not any more. */
  async nest(attempt: AttemptName, child: { id: string; slug: string }): Promise<boolean> {
    this.#open();
    return this.#engine.nested.add(attempt, child);
  }

  /** Cancels an invocation that another waited for; one that is not begun yet never will be. */
  async cancelNested(id: string): Promise<void> {
    this.#open();
    await this.#commands.cancelNested(id);
  }

  /** What code of an attempt invoked has ended. */
  async nestedEnded(child: string): Promise<void> {
    this.#open();
    if (this.#store.exists()) this.#engine.nested.forget(child);
  }

  /** A backend asks for the work of a dispatch; the first that does has it. A `Claim` as JSON text. */
  async claimAttempt(ref: DetachedRef, by: string, type: DetachedType): Promise<string> {
    this.#open();
    return JSON.stringify(await this.#engine.detached.claim(ref, by, type));
  }

  /** What a backend says of a dispatch: a list of `DetachedReport` as JSON text. */
  async reportAttempt(ref: DetachedRef, reports: string): Promise<ReportAnswer> {
    this.#open();
    return this.#engine.detached.report(ref, JSON.parse(reports));
  }

  /** Where a file goes that a detached attempt keeps. */
  async artifactPlace(
    ref: DetachedRef,
    path: string,
  ): Promise<Fenced | { readonly status: "wanted"; readonly key: string }> {
    this.#open();
    return this.#engine.detached.artifactPlace(ref, path);
  }

  async attemptUnavailable(ref: DetachedRef, type: DetachedType, by: string): Promise<void> {
    this.#open();
    await this.#engine.detached.unavailable(ref, type, by);
  }

  async attemptReturned(ref: DetachedRef, type: DetachedType, by: string): Promise<void> {
    this.#open();
    this.#engine.detached.returned(ref, type, by);
  }

  async attemptUndeliverable(ref: DetachedRef, message: string): Promise<void> {
    this.#open();
    await this.#engine.detached.undeliverable(ref, message);
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
    if (!id || !this.#queries.find(id)) return new Response("no such resource", { status: 404 });
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
    // No other alarm comes before this one returns: slow housekeeping must not hold up deadlines.
    const patience = Math.max(0, (next ?? Date.now() + CHORE_RETRY_MS) - Date.now());
    const settled = await Promise.race([
      this.#keepHouse(),
      scheduler.wait(Math.min(patience, CHORE_RETRY_MS)).then(() => false),
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
    this.#housekeeping ??= this.#settle().finally(() => {
      this.#housekeeping = null;
    });
    return this.#housekeeping;
  }

  async #settle(): Promise<boolean> {
    await this.#engine.slots.renew([...this.#engine.runs.all()]);
    const areTold = await this.#engine.children.reportAll();
    const isProjected = await this.#projector.settle();
    const areHeard = await this.#engine.executions.tellAll();
    const areStopped = await this.#engine.nested.stopOrphans();
    return isProjected && areTold && areHeard && areStopped && (await this.#chores.run());
  }

  /** Takes up unfinished runs once in the life of this instance, before anything else is done. */
  #open(): void {
    if (this.#recovered) return;
    this.#recovered = true;
    if (this.#store.exists()) this.#engine.recover();
  }
}
