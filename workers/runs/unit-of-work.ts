/** What one commit writes: its events together, and each resource and run once, as it ended up. */
import type { Change } from "./projector.ts";
import type { NewEvent, NewRow, RunStore } from "./store.ts";
import type { EventRow, LiveRun, Resource } from "./store-types.ts";

interface RunChange {
  readonly isNew: boolean;
  readonly touched: Set<number>;
}

export class UnitOfWork {
  readonly #store: RunStore;
  /** Seq of the newest event of resources, as far as it is known. */
  readonly #seqs: Map<string, number>;
  readonly #resources = new Map<string, { readonly resource: Resource; readonly isNew: boolean }>();
  readonly #rows: NewRow[] = [];
  readonly #runs = new Map<LiveRun, RunChange>();
  /** Events by resource, for those who watch. */
  readonly events = new Map<string, EventRow[]>();

  constructor(store: RunStore, seqs: Map<string, number>) {
    this.#store = store;
    this.#seqs = seqs;
  }

  addResource(resource: Resource): void {
    this.#resources.set(resource.id, { resource, isNew: true });
    this.#seqs.set(resource.id, 0);
  }

  addRun(live: LiveRun): void {
    this.#runs.set(live, { isNew: true, touched: new Set() });
  }

  changeRun(live: LiveRun, touched: Iterable<number>): void {
    const change = this.#runs.get(live) ?? { isNew: false, touched: new Set() };
    for (const step of touched) change.touched.add(step);
    this.#runs.set(live, change);
  }

  /** Appends an event; one that lists have to show raises the resource's revision. */
  append(resource: Resource, run: number, event: NewEvent): void {
    const seq = (this.#seqs.get(resource.id) ?? this.#store.lastSeq(resource.id)) + 1;
    this.#seqs.set(resource.id, seq);
    const data = JSON.stringify(event.data);
    this.#rows.push({ resource_id: resource.id, seq, run, event, data });
    if (!event.log) {
      resource.changed_seq = seq;
      resource.updated_at = event.at;
      if (!this.#resources.has(resource.id)) {
        this.#resources.set(resource.id, { resource, isNew: false });
      }
    }
    const rows = this.events.get(resource.id);
    const row = { seq, run, at: event.at, type: event.type, data };
    if (rows) rows.push(row);
    else this.events.set(resource.id, [row]);
  }

  /** What lists have to show; `liveRun` knows the runs that this commit only recorded something of. */
  changes(liveRun: (id: string) => LiveRun | null): Change[] {
    const runs = new Map([...this.#runs.keys()].map((live) => [live.resource.id, live]));
    return [...this.#resources.values()].map(({ resource }) => ({
      resource,
      live: runs.get(resource.id) ?? liveRun(resource.id),
      events: (this.events.get(resource.id) ?? []).filter(({ type }) => type !== "log"),
    }));
  }

  /** Writes what has changed; the last thing in a transaction. */
  write(): void {
    this.#store.appendEvents(this.#rows);
    for (const { resource, isNew } of this.#resources.values()) {
      if (isNew) this.#store.insertResource(resource);
      else this.#store.saveProgress(resource);
    }
    for (const [live, { isNew, touched }] of this.#runs) {
      if (isNew) this.#store.insertRun(live.resource.id, live, live.results);
      else this.#store.saveRun(live.resource.id, live, touched, live.results);
    }
  }
}
