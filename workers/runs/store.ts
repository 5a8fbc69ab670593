/**
 * The coordinator's tables. Every method is synchronous: a caller groups them in one transaction.
 * Rows are written by this file alone, so what is read back is trusted to have the shape written.
 */
import type { Json } from "../executors/port.ts";
import {
  type EventRecord,
  type ResourceRow,
  type RunRow,
  toEvent,
  toResource,
} from "./store-rows.ts";
import { SCHEMA, SCHEMA_VERSION } from "./store-schema.ts";
import type { EventRow, Resource, RunHead } from "./store-types.ts";
import type { RunState, StepState, StoredResult } from "./types.ts";

/** One stored run, its steps included. */
export interface StoredRun extends RunHead {
  /** Key in the blob store of the run's events, once they have moved there. */
  readonly archive: string | null;
}

type Results = ReadonlyMap<number, StoredResult | null>;

/** An event about to be appended. `log` is set for output, whose text is in `data`. */
export interface NewEvent {
  readonly at: number;
  readonly type: string;
  readonly epoch?: number;
  readonly log?: { readonly stream: string; readonly attempt: number; readonly bytes: number };
  readonly data: Readonly<Record<string, Json>>;
}

/** Which output is meant; what is left out matches all. */
export interface LogFilter {
  readonly stream?: string | null;
  readonly attempt?: number | null;
  readonly epoch?: number | null;
}

export interface LogChunk {
  readonly seq: number;
  readonly bytes: number;
}

/** A resource that is gone, whose traces elsewhere are yet to go. */
export interface Deletion {
  readonly id: string;
  readonly kind: string;
  readonly project_id: string;
}

/** An event with its place in the log. */
export interface NewRow {
  readonly resource_id: string;
  readonly seq: number;
  readonly run: number;
  readonly event: NewEvent;
  /** The event's details as JSON text. */
  readonly data: string;
}

/** A statement takes 100 parameters, and an event has ten. */
const EVENTS_PER_INSERT = 10;

const insertStatements: string[] = [];

/** The same text for the same number of rows, so that it is compiled once. */
function insertEvents(rows: number): string {
  insertStatements[rows] ??= `INSERT INTO events (resource_id, seq, run, at, type, epoch, attempt,
    stream, bytes, data) VALUES ${Array(rows).fill("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)").join(", ")}`;
  return insertStatements[rows];
}

export class RunStore {
  readonly #sql: SqlStorage;
  #migrated = false;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Says whether anything was ever stored here; an object that was only asked stays empty. */
  exists(): boolean {
    if (this.#migrated) return true;
    const tables = this.#sql.exec("SELECT name FROM sqlite_master WHERE name = 'meta'").toArray();
    this.#migrated = tables.length > 0;
    return this.#migrated;
  }

  create(): void {
    if (this.exists()) return;
    this.#sql.exec(SCHEMA);
    this.#sql.exec("INSERT INTO meta VALUES ('schema_version', ?)", String(SCHEMA_VERSION));
    this.#migrated = true;
  }

  resource(id: string): Resource | null {
    const row = this.#sql
      .exec<ResourceRow>("SELECT * FROM resources WHERE id = ?", id)
      .toArray()[0];
    return row ? toResource(row) : null;
  }

  insertResource(resource: Resource): void {
    this.#sql.exec(
      `INSERT INTO resources (id, kind, project_id, document, version, run, retry_count, created_at,
       updated_at, changed_seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      resource.id,
      resource.kind,
      resource.project_id,
      resource.document,
      resource.version,
      resource.run,
      resource.retry_count,
      resource.created_at,
      resource.updated_at,
      resource.changed_seq,
    );
  }

  saveDocument(resource: Resource): void {
    this.#sql.exec(
      "UPDATE resources SET document = ?, version = ? WHERE id = ?",
      resource.document,
      resource.version,
      resource.id,
    );
  }

  saveProgress(resource: Resource): void {
    this.#sql.exec(
      "UPDATE resources SET run = ?, retry_count = ?, updated_at = ?, changed_seq = ? WHERE id = ?",
      resource.run,
      resource.retry_count,
      resource.updated_at,
      resource.changed_seq,
      resource.id,
    );
  }

  /** Forgets a resource and leaves a tombstone until the projection has forgotten it too. */
  deleteResource(resource: Resource): void {
    for (const table of ["events", "steps", "runs"]) {
      this.#sql.exec(`DELETE FROM ${table} WHERE resource_id = ?`, resource.id);
    }
    this.#sql.exec("DELETE FROM resources WHERE id = ?", resource.id);
    this.#sql.exec(
      "INSERT OR REPLACE INTO deletions (id, kind, project_id) VALUES (?, ?, ?)",
      resource.id,
      resource.kind,
      resource.project_id,
    );
  }

  insertRun(resourceId: string, run: RunHead, results: Results): void {
    const { steps, ...state } = run.state;
    this.#sql.exec(
      `INSERT INTO runs (resource_id, run, status, live, started_by, retry_of, request_id, created_at,
       completed_at, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      resourceId,
      run.run,
      state.status,
      state.completed_at === null ? 1 : 0,
      run.trigger,
      run.retry_of,
      run.request_id,
      run.created_at,
      state.completed_at,
      JSON.stringify(state),
    );
    steps.forEach((step, index) => {
      this.#sql.exec(
        "INSERT INTO steps (resource_id, run, step, state, result) VALUES (?, ?, ?, ?, ?)",
        resourceId,
        run.run,
        index,
        JSON.stringify(step),
        resultText(results.get(index)),
      );
    });
  }

  /** Writes the run and the steps that were touched; a step without an entry keeps its result. */
  saveRun(resourceId: string, run: RunHead, touched: Iterable<number>, results: Results): void {
    const { steps, ...state } = run.state;
    this.#sql.exec(
      "UPDATE runs SET status = ?, live = ?, completed_at = ?, state = ? WHERE resource_id = ? AND run = ?",
      state.status,
      state.completed_at === null ? 1 : 0,
      state.completed_at,
      JSON.stringify(state),
      resourceId,
      run.run,
    );
    for (const index of touched) {
      const step = JSON.stringify(steps[index]);
      if (results.has(index)) {
        this.#sql.exec(
          "UPDATE steps SET state = ?, result = ? WHERE resource_id = ? AND run = ? AND step = ?",
          step,
          resultText(results.get(index)),
          resourceId,
          run.run,
          index,
        );
      } else {
        this.#sql.exec(
          "UPDATE steps SET state = ? WHERE resource_id = ? AND run = ? AND step = ?",
          step,
          resourceId,
          run.run,
          index,
        );
      }
    }
  }

  run(resourceId: string, run: number): StoredRun | null {
    const row = this.#sql
      .exec<RunRow>("SELECT * FROM runs WHERE resource_id = ? AND run = ?", resourceId, run)
      .toArray()[0];
    return row ? this.#toRun(row) : null;
  }

  /** Number of the run that a request began; null when it began none. */
  runOfRequest(resourceId: string, requestId: string): number | null {
    const row = this.#sql
      .exec<{ run: number }>(
        "SELECT run FROM runs WHERE resource_id = ? AND request_id = ?",
        resourceId,
        requestId,
      )
      .toArray()[0];
    return row?.run ?? null;
  }

  /** The runs that have not ended, with the resource of each. */
  liveRuns(): { readonly resource: Resource; readonly stored: StoredRun }[] {
    const found: { resource: Resource; stored: StoredRun }[] = [];
    for (const row of this.#sql.exec<RunRow>("SELECT * FROM runs WHERE live = 1").toArray()) {
      const resource = this.resource(row.resource_id);
      if (resource) found.push({ resource, stored: this.#toRun(row) });
    }
    return found;
  }

  result(resourceId: string, run: number, step: number): StoredResult | null {
    const row = this.#sql
      .exec<{ result: string | null }>(
        "SELECT result FROM steps WHERE resource_id = ? AND run = ? AND step = ?",
        resourceId,
        run,
        step,
      )
      .toArray()[0];
    return row?.result ? JSON.parse(row.result) : null;
  }

  /** Seq of the newest event of a resource; 0 when it has none. */
  lastSeq(resourceId: string): number {
    const row = this.#sql
      .exec<{ seq: number | null }>(
        "SELECT max(seq) AS seq FROM events WHERE resource_id = ?",
        resourceId,
      )
      .one();
    return row.seq ?? 0;
  }

  appendEvents(events: readonly NewRow[]): void {
    for (let from = 0; from < events.length; from += EVENTS_PER_INSERT) {
      const rows = events.slice(from, from + EVENTS_PER_INSERT);
      const values: SqlStorageValue[] = [];
      for (const { resource_id, seq, run, event, data } of rows) {
        const { at, type, epoch, log } = event;
        values.push(resource_id, seq, run, at, type, epoch ?? null);
        values.push(log?.attempt ?? null, log?.stream ?? null, log?.bytes ?? null, data);
      }
      this.#sql.exec(insertEvents(rows.length), ...values);
    }
  }

  /** Events after `after`, oldest first: at most `limit`, and about `maxBytes` of data. */
  events(resourceId: string, after: number, limit: number, maxBytes = 1024 * 1024): EventRow[] {
    const rows: EventRow[] = [];
    let bytes = 0;
    const cursor = this.#sql.exec<EventRecord>(
      `SELECT seq, run, at, type, data FROM events WHERE resource_id = ? AND seq > ?
       ORDER BY seq LIMIT ?`,
      resourceId,
      after,
      limit,
    );
    for (const row of cursor) {
      rows.push(toEvent(row));
      bytes += row.data.length;
      if (bytes >= maxBytes) break;
    }
    return rows;
  }

  /** Events in (after, upTo] that are not output, oldest first. */
  lifecycleEvents(resourceId: string, after: number, upTo: number): EventRow[] {
    return this.#sql
      .exec<EventRecord>(
        `SELECT seq, run, at, type, data FROM events
         WHERE resource_id = ? AND seq > ? AND seq <= ? AND stream IS NULL ORDER BY seq`,
        resourceId,
        after,
        upTo,
      )
      .toArray()
      .map(toEvent);
  }

  /** Events of one run of the given types, oldest first. */
  eventsOfType(resourceId: string, run: number, types: readonly string[]): EventRow[] {
    return this.#sql
      .exec<EventRecord>(
        `SELECT seq, run, at, type, data FROM events WHERE resource_id = ? AND run = ?
         AND type IN (SELECT value FROM json_each(?)) ORDER BY seq`,
        resourceId,
        run,
        JSON.stringify(types),
      )
      .toArray()
      .map(toEvent);
  }

  /** Sizes of a run's output chunks that match, oldest first. */
  logChunks(resourceId: string, run: number, filter: LogFilter): LogChunk[] {
    return this.#sql
      .exec<Record<string, SqlStorageValue> & LogChunk>(
        `SELECT seq, bytes FROM events WHERE resource_id = ?1 AND run = ?2 AND stream IS NOT NULL
         AND (?3 IS NULL OR stream = ?3) AND (?4 IS NULL OR attempt = ?4)
         AND (?5 IS NULL OR epoch = ?5) ORDER BY seq`,
        resourceId,
        run,
        filter.stream ?? null,
        filter.attempt ?? null,
        filter.epoch ?? null,
      )
      .toArray();
  }

  logText(resourceId: string, seq: number): string {
    const row = this.#sql
      .exec<{ data: string }>(
        "SELECT data FROM events WHERE resource_id = ? AND seq = ?",
        resourceId,
        seq,
      )
      .one();
    const data: { text: string } = JSON.parse(row.data);
    return data.text;
  }

  /** Resources whose projection is behind, longest unprojected first. */
  dirtyResources(limit: number): { readonly resource: Resource; readonly projected_seq: number }[] {
    return this.#sql
      .exec<ResourceRow & { projected_seq: number }>(
        "SELECT * FROM resources INDEXED BY resources_dirty WHERE changed_seq > projected_seq LIMIT ?",
        limit,
      )
      .toArray()
      .map((row) => ({ resource: toResource(row), projected_seq: row.projected_seq }));
  }

  /** Writes down which revision of each resource is in D1. */
  markProjected(revisions: ReadonlyMap<string, number>): void {
    this.#sql.exec(
      `UPDATE resources SET projected_seq = (SELECT value FROM json_each(?1) WHERE key = resources.id)
       WHERE id IN (SELECT key FROM json_each(?1))`,
      JSON.stringify(Object.fromEntries(revisions)),
    );
  }

  /** Deleted resources that lists still show. */
  deletions(limit: number): Deletion[] {
    return this.#deletions(0, limit);
  }

  markDeleted(ids: readonly string[]): void {
    this.#sql.exec(
      "UPDATE deletions SET projected = 1 WHERE id IN (SELECT value FROM json_each(?))",
      JSON.stringify(ids),
    );
  }

  /** Deleted resources whose blobs are still there. */
  purges(limit: number): Deletion[] {
    return this.#deletions(1, limit);
  }

  forgetDeletion(id: string): void {
    this.#sql.exec("DELETE FROM deletions WHERE id = ?", id);
  }

  /** Ended runs whose events are due to move to the blob store, oldest first. */
  archivable(
    before: number,
    limit: number,
  ): { readonly resource_id: string; readonly run: number }[] {
    return this.#sql
      .exec<{ resource_id: string; run: number }>(
        `SELECT resource_id, run FROM runs WHERE live = 0 AND archive IS NULL AND completed_at < ?
         ORDER BY completed_at LIMIT ?`,
        before,
        limit,
      )
      .toArray();
  }

  /** When the oldest ended run with events here ended; null when there is none. */
  oldestUnarchived(): number | null {
    return this.#sql
      .exec<{ at: number | null }>(
        "SELECT min(completed_at) AS at FROM runs WHERE live = 0 AND archive IS NULL",
      )
      .one().at;
  }

  /** Replaces the events of a run by the key of their archive, but keeps the newest as the seq's floor. */
  markArchived(resourceId: string, run: number, key: string): void {
    this.#sql.exec(
      "UPDATE runs SET archive = ? WHERE resource_id = ? AND run = ?",
      key,
      resourceId,
      run,
    );
    this.#sql.exec(
      `DELETE FROM events WHERE resource_id = ?1 AND run = ?2
       AND seq < (SELECT max(seq) FROM events WHERE resource_id = ?1)`,
      resourceId,
      run,
    );
  }

  #deletions(projected: 0 | 1, limit: number): Deletion[] {
    return this.#sql
      .exec<Record<string, SqlStorageValue> & Deletion>(
        "SELECT id, kind, project_id FROM deletions WHERE projected = ? LIMIT ?",
        projected,
        limit,
      )
      .toArray();
  }

  #toRun(row: RunRow): StoredRun {
    const steps: StepState[] = this.#sql
      .exec<{ state: string }>(
        "SELECT state FROM steps WHERE resource_id = ? AND run = ? ORDER BY step",
        row.resource_id,
        row.run,
      )
      .toArray()
      .map((step) => JSON.parse(step.state));
    const state: Omit<RunState, "steps"> = JSON.parse(row.state);
    return {
      run: row.run,
      trigger: row.started_by,
      retry_of: row.retry_of,
      request_id: row.request_id,
      created_at: row.created_at,
      state: { ...state, steps },
      archive: row.archive,
    };
  }
}

function resultText(result: StoredResult | null | undefined): string | null {
  return result ? JSON.stringify(result) : null;
}
