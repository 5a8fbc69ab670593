/**
 * Carries what the coordinator decided to D1, where lists are served from: the newest row of each
 * resource that changed, and for the neighbours what happened to it. What a commit changed is kept
 * in memory until it is in D1; after a crash the rows say what is behind.
 */
import type { Json } from "../executors/port.ts";
import type { RequestTrace } from "../http/trace.ts";
import { projectPart } from "./address.ts";
import { readData } from "./events.ts";
import type { EnginePorts } from "./ports.ts";
import type { ProjectionBatch } from "./relay.ts";
import type { RunStore } from "./store.ts";
import type { EventRow, LiveRun, Resource } from "./store-types.ts";
import type { Deletion } from "./upkeep.ts";
import { summarise } from "./views.ts";

/** Changes of one object within this time share a call; the relay gathers over objects. */
const GATHER_MS = 20;
const RETRY_MS = 1_000;
/** What a settling object loads at a time of what an earlier life left, each with its document. */
const MAX_RESOURCES_PER_LOAD = 50;
/** A call takes rows until they have this many characters; the rest follows with the next. */
const MAX_BATCH_CHARS = 4 * 1024 * 1024;

/** Events that neighbours are told of; the rest is the run's own detail. */
const OUTBOX_EVENTS: ReadonlySet<string> = new Set([
  "resource.created",
  "resource.updated",
  "run.queued",
  "run.started",
  "run.paused",
  "run.resumed",
  "gate.opened",
  "gate.approved",
  "gate.refused",
  "run.completed",
  "run.failed",
  "run.cancelled",
]);

/** What one commit changed of one resource. */
export interface Change {
  readonly resource: Resource;
  /** The run that the commit was about; null when it was about none. */
  readonly live: LiveRun | null;
  readonly events: readonly EventRow[];
}

export class Projector {
  readonly #env: Env;
  readonly #store: RunStore;
  readonly #kinds: EnginePorts["kinds"];
  readonly #wakeAt: (resource: Resource) => number | null;
  readonly #pending = new Map<string, Change>();
  /** Revisions that are in D1; the alarm writes them down. */
  readonly #projected = new Map<string, number>();
  #deletionsDue = true;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #flushing: Promise<boolean> | null = null;

  /** `wakeAt` says when the object has something to do for a resource; null for not by itself. */
  constructor(
    env: Env,
    store: RunStore,
    kinds: EnginePorts["kinds"],
    wakeAt: (resource: Resource) => number | null,
  ) {
    this.#env = env;
    this.#store = store;
    this.#kinds = kinds;
    this.#wakeAt = wakeAt;
  }

  /** Takes up a committed change. */
  changed(change: Change): void {
    this.#add(change);
    this.#schedule(GATHER_MS);
  }

  /** Takes up a committed deletion. */
  deleted(id: string): void {
    this.#pending.delete(id);
    this.#deletionsDue = true;
    this.#schedule(GATHER_MS);
  }

  /** Projects what is pending and what an earlier life left, and writes down how far it is. */
  async settle(): Promise<boolean> {
    await this.flush();
    if (this.#projected.size > 0) {
      this.#store.upkeep.markProjected(this.#projected);
      this.#projected.clear();
    }
    const left = this.#store.upkeep
      .dirtyResources(MAX_RESOURCES_PER_LOAD)
      .filter(({ resource }) => !this.#pending.has(resource.id));
    for (const { resource, projected_seq } of left) {
      const { id, changed_seq } = resource;
      const events = this.#store.log.lifecycle(id, projected_seq, changed_seq);
      this.#add({ resource, live: null, events });
    }
    if (left.length > 0) this.#schedule(GATHER_MS);
    return !this.#isBehind();
  }

  /** Projects what is pending; resolves to false when it could not be. */
  flush(): Promise<boolean> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  async #flush(): Promise<boolean> {
    const pending = this.#takePending();
    const deletions = this.#deletionsDue
      ? this.#store.upkeep.deletions(MAX_RESOURCES_PER_LOAD)
      : [];
    this.#deletionsDue = deletions.length === MAX_RESOURCES_PER_LOAD;
    const first = pending[0]?.resource ?? deletions[0];
    if (!first) return true;
    const batch = this.#batch(pending, deletions);
    const revisions = pending.map(({ resource }) => [resource.id, resource.changed_seq] as const);
    try {
      await this.#env.PROJECTION.getByName(projectPart(first.id)).project(batch);
    } catch (error) {
      console.error(JSON.stringify({ event: "projection_failed", message: String(error) }));
      for (const change of pending) this.#restore(change);
      if (deletions.length > 0) this.#deletionsDue = true;
      this.#schedule(RETRY_MS);
      return false;
    }
    for (const [id, revision] of revisions) this.#projected.set(id, revision);
    if (deletions.length > 0) this.#store.upkeep.markDeleted(deletions.map(({ id }) => id));
    // What was committed while this batch was on its way joined this flush without being in it.
    if (this.#isBehind()) this.#schedule(GATHER_MS);
    return true;
  }

  /** Takes what is pending, oldest first, up to the size of a batch. */
  #takePending(): Change[] {
    const taken: Change[] = [];
    let chars = 0;
    for (const [id, change] of this.#pending) {
      if (chars >= MAX_BATCH_CHARS) break;
      this.#pending.delete(id);
      taken.push(change);
      chars += change.resource.document.length;
      for (const event of change.events) chars += event.data.length;
    }
    return taken;
  }

  #isBehind(): boolean {
    return this.#pending.size > 0 || this.#deletionsDue;
  }

  #add({ resource, live, events }: Change): void {
    const known = this.#pending.get(resource.id);
    const merged = known ? [...known.events, ...events] : events;
    this.#pending.set(resource.id, { resource, live: live ?? known?.live ?? null, events: merged });
  }

  /** Puts back what did not get through, beneath what has come since; a deleted resource stays out. */
  #restore(change: Change): void {
    const since = this.#pending.get(change.resource.id);
    if (!since && this.#store.resource(change.resource.id) === null) return;
    this.#pending.set(change.resource.id, change);
    if (since) this.#add(since);
  }

  #schedule(delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.flush();
    }, delayMs);
  }

  #batch(changes: readonly Change[], deletions: readonly Deletion[]): ProjectionBatch {
    const rows: Record<string, string[]> = {};
    const deleted: Record<string, string[]> = {};
    const messages: string[] = [];
    for (const change of changes) {
      const { kind } = change.resource;
      rows[kind] ??= [];
      rows[kind].push(JSON.stringify(this.#row(change)));
      const told = change.events.filter(({ type }) => OUTBOX_EVENTS.has(type));
      if (told.length > 0) {
        const trace = this.#traceOf(change, told.at(-1)?.run ?? 0);
        messages.push(toMessage(change.resource, kind, told, trace));
      }
    }
    for (const { id, kind, project_id } of deletions) {
      deleted[kind] ??= [];
      deleted[kind].push(JSON.stringify(id));
      const event = { seq: 0, run: 0, at: Date.now(), type: "resource.deleted", data: "{}" };
      messages.push(toMessage({ id, project_id }, kind, [event], null));
    }
    return { rows, deleted, messages };
  }

  #row({ resource, live }: Change): Record<string, unknown> | undefined {
    const isNewest = live?.run === resource.run;
    const current = isNewest ? live : this.#newest(resource);
    const kind = this.#kinds[resource.kind];
    if (!kind) return undefined;
    const wake_at = this.#wakeAt(resource);
    if (!current) return { ...kind.row(resource, null), wake_at };
    const plan = isNewest
      ? live.plan
      : kind.plan(resource, this.#store.document(resource, current.version));
    return { ...kind.row(resource, summarise(current, plan)), wake_at };
  }

  /** Of the request that a run goes back to. */
  #traceOf({ resource, live }: Change, run: number): RequestTrace | null {
    if (live?.run === run) return live.trace;
    return run === 0 ? null : (this.#store.runs.get(resource.id, run)?.trace ?? null);
  }

  #newest(resource: Resource) {
    return resource.run === 0 ? null : this.#store.runs.get(resource.id, resource.run);
  }
}

/**
 * One outbox row: what happened to a resource between two projections. A row repeated after a crash
 * may repeat events, which `(resource_id, seq)` tells apart.
 */
function toMessage(
  resource: Pick<Resource, "id" | "project_id">,
  kind: string,
  events: readonly EventRow[],
  trace: RequestTrace | null,
): string {
  const last = events.at(-1);
  const payload: Json = events.map((event) => ({
    seq: event.seq,
    run: event.run,
    at: event.at,
    type: event.type,
    data: readData(event),
  }));
  return JSON.stringify({
    id: `${resource.id}:${last?.seq ?? 0}`,
    topic: kind,
    project_id: resource.project_id,
    resource_id: resource.id,
    payload: JSON.stringify(payload),
    trace: trace && JSON.stringify(trace),
    created_at: last?.at ?? Date.now(),
  });
}
