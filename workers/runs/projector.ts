/**
 * Carries what the coordinator decided to D1, where lists are served from. Many changes become one
 * batch: the rows of each kind in one statement, and the neighbours' messages beside them.
 */
import type { EnginePorts } from "./ports.ts";
import type { Deletion, RunStore } from "./store.ts";
import type { EventRow, Resource, RunSummary } from "./store-types.ts";

const MIN_INTERVAL_MS = 100;
/** The interval follows the last flush's latency, so that a slow D1 gets fewer, larger batches. */
const LATENCY_FACTOR = 10;
const MAX_INTERVAL_MS = 5_000;
const MAX_RESOURCES_PER_FLUSH = 500;
/** D1 takes statements' parameters up to 2 MB; rows are packed below half of that. */
const MAX_CHUNK_CHARS = 1_000_000;

const OUTBOX_SQL = `INSERT INTO outbox (id, topic, project_id, resource_id, payload, created_at)
SELECT value ->> 'id', value ->> 'topic', value ->> 'project_id', value ->> 'resource_id',
       value ->> 'payload', value ->> 'created_at' FROM json_each(?1) WHERE true
ON CONFLICT (id) DO NOTHING`;

export class Projector {
  readonly #database: D1Database;
  readonly #store: RunStore;
  readonly #kinds: EnginePorts["kinds"];
  readonly #summarise: (resource: Resource) => RunSummary | null;
  #intervalMs = MIN_INTERVAL_MS;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #flushing: Promise<boolean> | null = null;

  constructor(
    database: D1Database,
    store: RunStore,
    kinds: EnginePorts["kinds"],
    summarise: (resource: Resource) => RunSummary | null,
  ) {
    this.#database = database;
    this.#store = store;
    this.#kinds = kinds;
    this.#summarise = summarise;
  }

  /** Flushes soon. The coordinator's alarm repeats what a lost timer or a failed flush left. */
  schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.flush();
    }, this.#intervalMs);
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
    if (dirty.length === 0 && deletions.length === 0) return true;
    const statements: D1PreparedStatement[] = [];
    const messages: Record<string, unknown>[] = [];
    const rowsByKind = new Map<string, string[]>();
    for (const { resource, projected_seq } of dirty) {
      const kind = this.#kind(resource.kind);
      const rows = rowsByKind.get(resource.kind) ?? [];
      rows.push(JSON.stringify(kind.row(resource, this.#summarise(resource))));
      rowsByKind.set(resource.kind, rows);
      for (const event of this.#lifecycle(resource, projected_seq)) {
        messages.push(toMessage(resource, event));
      }
    }
    for (const [kind, rows] of rowsByKind) {
      for (const chunk of chunks(rows)) {
        statements.push(this.#database.prepare(this.#kind(kind).upsertSql).bind(chunk));
      }
    }
    for (const [kind, ids] of Map.groupBy(deletions, (deletion) => deletion.kind)) {
      const list = JSON.stringify(ids.map((deletion) => deletion.id));
      statements.push(this.#database.prepare(this.#kind(kind).deleteSql).bind(list));
    }
    for (const deletion of deletions) messages.push(toDeletionMessage(deletion));
    for (const chunk of chunks(messages.map((message) => JSON.stringify(message)))) {
      statements.push(this.#database.prepare(OUTBOX_SQL).bind(chunk));
    }
    const began = Date.now();
    try {
      await this.#database.batch(statements);
    } catch (error) {
      this.#intervalMs = Math.min(MAX_INTERVAL_MS, this.#intervalMs * 2);
      console.error(JSON.stringify({ event: "projection_failed", message: String(error) }));
      return false;
    }
    const latency = Date.now() - began;
    this.#intervalMs = Math.min(
      MAX_INTERVAL_MS,
      Math.max(MIN_INTERVAL_MS, LATENCY_FACTOR * latency),
    );
    for (const { resource } of dirty) {
      this.#store.markProjected(resource.id, resource.changed_seq);
    }
    this.#store.markDeleted(deletions.map((deletion) => deletion.id));
    const done = this.#store.dirtyResources(1).length === 0;
    if (!done) this.schedule();
    return done;
  }

  #lifecycle(resource: Resource, after: number): readonly EventRow[] {
    return this.#store
      .lifecycleEvents(resource.id, after, resource.changed_seq)
      .filter((event) => OUTBOX_EVENTS.has(event.type));
  }

  #kind(name: string) {
    const kind = this.#kinds[name];
    if (!kind) throw new Error(`no kind "${name}" is wired into the engine`);
    return kind;
  }
}

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

function toMessage(resource: Resource, event: EventRow): Record<string, unknown> {
  const topic = `${resource.kind}.${event.type.slice(event.type.indexOf(".") + 1)}`;
  return {
    id: `${resource.id}:${event.seq}`,
    topic,
    project_id: resource.project_id,
    resource_id: resource.id,
    payload: JSON.stringify({ run: event.run, at: event.at, data: JSON.parse(event.data) }),
    created_at: event.at,
  };
}

function toDeletionMessage(deletion: Deletion): Record<string, unknown> {
  return {
    id: `${deletion.id}:deleted`,
    topic: `${deletion.kind}.deleted`,
    project_id: deletion.project_id,
    resource_id: deletion.id,
    payload: "{}",
    created_at: Date.now(),
  };
}

/** Packs JSON texts into JSON arrays below the parameter limit. */
function* chunks(items: readonly string[]): Generator<string> {
  let packed: string[] = [];
  let chars = 0;
  for (const item of items) {
    if (packed.length > 0 && chars + item.length > MAX_CHUNK_CHARS) {
      yield `[${packed.join(",")}]`;
      packed = [];
      chars = 0;
    }
    packed.push(item);
    chars += item.length + 1;
  }
  if (packed.length > 0) yield `[${packed.join(",")}]`;
}
