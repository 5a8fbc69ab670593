/**
 * Carries what the coordinator decided to D1, where lists are served from: the newest row of each
 * resource that changed, and a message for the neighbours for each step of its life.
 */
import { projectPart } from "./address.ts";
import { readData } from "./events.ts";
import type { EnginePorts } from "./ports.ts";
import type { ProjectionBatch } from "./relay.ts";
import type { Deletion, RunStore } from "./store.ts";
import type { EventRow, Resource, RunSummary } from "./store-types.ts";

/** Changes of one object within this time share a call; the relay gathers over objects. */
const GATHER_MS = 20;
const RETRY_MS = 1_000;
const MAX_RESOURCES_PER_FLUSH = 500;

/** Events that neighbours are told of; the rest is the run's own detail. */
const OUTBOX_EVENTS: ReadonlySet<string> = new Set([
  "resource.created",
  "resource.updated",
  "run.queued",
  "run.started",
  "run.completed",
  "run.failed",
  "run.cancelled",
]);

export class Projector {
  readonly #env: Env;
  readonly #store: RunStore;
  readonly #kinds: EnginePorts["kinds"];
  readonly #summarise: (resource: Resource) => RunSummary | null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #flushing: Promise<boolean> | null = null;

  constructor(
    env: Env,
    store: RunStore,
    kinds: EnginePorts["kinds"],
    summarise: (resource: Resource) => RunSummary | null,
  ) {
    this.#env = env;
    this.#store = store;
    this.#kinds = kinds;
    this.#summarise = summarise;
  }

  /** Flushes soon. The coordinator's alarm repeats what a lost timer or a failed flush left. */
  schedule(delayMs = GATHER_MS): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.flush();
    }, delayMs);
  }

  /** Projects everything that is behind; resolves to false when something still is. */
  flush(): Promise<boolean> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  async #flush(): Promise<boolean> {
    const dirty = this.#store.dirtyResources(MAX_RESOURCES_PER_FLUSH);
    const deletions = this.#store.deletions(MAX_RESOURCES_PER_FLUSH);
    const [first] = [...dirty.map(({ resource }) => resource), ...deletions];
    if (!first) return true;
    const batch = this.#batch(dirty, deletions);
    try {
      await this.#env.PROJECTION.getByName(projectPart(first.id)).project(batch);
    } catch (error) {
      console.error(JSON.stringify({ event: "projection_failed", message: String(error) }));
      this.schedule(RETRY_MS);
      return false;
    }
    for (const { resource } of dirty) {
      this.#store.markProjected(resource.id, resource.changed_seq);
    }
    this.#store.markDeleted(deletions.map((deletion) => deletion.id));
    // What was committed while this batch was on its way joined this flush without being in it.
    const done =
      this.#store.dirtyResources(1).length === 0 && this.#store.deletions(1).length === 0;
    if (!done) this.schedule();
    return done;
  }

  #batch(
    dirty: readonly { readonly resource: Resource; readonly projected_seq: number }[],
    deletions: readonly Deletion[],
  ): ProjectionBatch {
    const rows: Record<string, string[]> = {};
    const deleted: Record<string, string[]> = {};
    const messages: string[] = [];
    for (const { resource, projected_seq } of dirty) {
      const row = this.#kinds[resource.kind]?.row(resource, this.#summarise(resource));
      rows[resource.kind] = [...(rows[resource.kind] ?? []), JSON.stringify(row)];
      const { id, changed_seq } = resource;
      for (const event of this.#store.lifecycleEvents(id, projected_seq, changed_seq)) {
        if (OUTBOX_EVENTS.has(event.type)) messages.push(toMessage(resource, event));
      }
    }
    for (const deletion of deletions) {
      deleted[deletion.kind] = [...(deleted[deletion.kind] ?? []), JSON.stringify(deletion.id)];
      messages.push(toDeletionMessage(deletion));
    }
    return { rows, deleted, messages };
  }
}

function toMessage(resource: Resource, event: EventRow): string {
  return JSON.stringify({
    id: `${resource.id}:${event.seq}`,
    topic: `${resource.kind}.${event.type.slice(event.type.indexOf(".") + 1)}`,
    project_id: resource.project_id,
    resource_id: resource.id,
    payload: JSON.stringify({ run: event.run, at: event.at, data: readData(event) }),
    created_at: event.at,
  });
}

function toDeletionMessage(deletion: Deletion): string {
  return JSON.stringify({
    id: `${deletion.id}:deleted`,
    topic: `${deletion.kind}.deleted`,
    project_id: deletion.project_id,
    resource_id: deletion.id,
    payload: "{}",
    created_at: Date.now(),
  });
}
