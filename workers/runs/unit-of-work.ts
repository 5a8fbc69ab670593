/** What one commit writes: its events together, and each resource and run once, as it ended up. */

import type { NewEvent, NewRow } from "./event-log.ts";
import type { Change } from "./projector.ts";
import type { RunStore } from "./store.ts";
import type { EventRow, LiveRun, Resource } from "./store-types.ts";
import type { StoredResult } from "./types.ts";

interface RunChange {
  readonly isNew: boolean;
  readonly touched: Set<number>;
}

interface ResourceChange {
  readonly resource: Resource;
  readonly isNew: boolean;
  readonly isVersioned: boolean;
}

export class UnitOfWork {
  readonly #store: RunStore;
  /** Seq of the newest event of resources, as far as it is known. */
  readonly #seqs: Map<string, number>;
  /** Whether results stay in memory: a task's is part of the reply. */
  readonly #keepsResults: (resource: Resource) => boolean;
  readonly #resources = new Map<string, ResourceChange>();
  readonly #rows: NewRow[] = [];
  readonly #runs = new Map<LiveRun, RunChange>();
  readonly #runResults = new Map<LiveRun, StoredResult | null>();
  /** Resources that a run was begun of, whose number has to be on the disk. */
  readonly #begun = new Set<Resource>();
  /** Events by resource, for those who watch. */
  readonly events = new Map<string, EventRow[]>();

  constructor(
    store: RunStore,
    seqs: Map<string, number>,
    keepsResults: (resource: Resource) => boolean,
  ) {
    this.#store = store;
    this.#seqs = seqs;
    this.#keepsResults = keepsResults;
  }

  addResource(resource: Resource, isVersioned: boolean): void {
    this.#resources.set(resource.id, { resource, isNew: true, isVersioned });
    this.#seqs.set(resource.id, 0);
  }

  /** A run of the resource begins with this commit. */
  begin(resource: Resource): void {
    this.#begun.add(resource);
  }

  addRun(live: LiveRun): void {
    this.#runs.set(live, { isNew: true, touched: new Set() });
  }

  setResult(live: LiveRun, result: StoredResult | null): void {
    this.#runResults.set(live, result);
  }

  changeRun(live: LiveRun, touched: Iterable<number>): void {
    const change = this.#runs.get(live) ?? { isNew: false, touched: new Set() };
    for (const step of touched) change.touched.add(step);
    this.#runs.set(live, change);
  }

  /** Appends an event; one that lists have to show raises the resource's revision. */
  append(resource: Resource, run: number, event: NewEvent): void {
    const seq = (this.#seqs.get(resource.id) ?? this.#store.log.lastSeq(resource.id)) + 1;
    this.#seqs.set(resource.id, seq);
    const data = JSON.stringify(event.data);
    this.#rows.push({ resource_id: resource.id, seq, run, event, data });
    if (!event.log) {
      resource.changed_seq = seq;
      resource.updated_at = event.at;
      if (!this.#resources.has(resource.id)) {
        this.#resources.set(resource.id, { resource, isNew: false, isVersioned: false });
      }
    }
    const rows = this.events.get(resource.id);
    const row = { seq, run, at: event.at, type: event.type, data };
    if (rows) rows.push(row);
    else this.events.set(resource.id, [row]);
  }

  /**
   * Whether a commit only carried runs on that stay live. It does not write the resource's row: when
   * these runs are recovered, their events say how far it is.
   */
  #goesOn(resource: Resource): boolean {
    if (this.#begun.has(resource)) return false;
    let isLive = false;
    for (const live of this.#runs.keys()) {
      if (live.resource !== resource) continue;
      if (live.state.completed_at !== null) return false;
      isLive = true;
    }
    return isLive;
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
    const { log, runs } = this.#store;
    log.append(this.#rows);
    for (const { resource, isNew, isVersioned } of this.#resources.values()) {
      if (isNew) this.#store.insertResource(resource, isVersioned);
      else if (!this.#goesOn(resource)) this.#store.saveProgress(resource);
    }
    for (const [live, { isNew, touched }] of this.#runs) {
      const { id } = live.resource;
      if (isNew) runs.insert(id, live, touched);
      else runs.save(id, live, touched);
      if (!this.#keepsResults(live.resource)) live.results.clear();
    }
    for (const [live, result] of this.#runResults) {
      runs.saveResult(live.resource.id, live.run, result);
    }
  }
}
