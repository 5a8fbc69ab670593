/** The append-only log of what happened, of all resources of one object. */
import type { Json } from "../executors/port.ts";
import { type EventRecord, toEvent } from "./store-rows.ts";
import type { EventRow } from "./store-types.ts";

/** An event about to be appended. `log` is set for output, whose text is in `data`. */
export interface NewEvent {
  readonly at: number;
  readonly type: string;
  readonly epoch?: number;
  /** Name of the step that it is about. */
  readonly step?: string;
  readonly log?: { readonly stream: string; readonly attempt: number; readonly bytes: number };
  readonly data: Readonly<Record<string, Json>>;
}

/** Which output is meant; what is left out matches all. */
export interface LogFilter {
  readonly step?: string | null;
  readonly stream?: string | null;
  readonly attempt?: number | null;
  readonly epoch?: number | null;
}

export interface LogChunk {
  readonly seq: number;
  readonly bytes: number;
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

/** A statement takes 100 parameters, and an event has eleven. */
const EVENTS_PER_INSERT = 9;

const insertStatements: string[] = [];

/** The same text for the same number of rows, so that it is compiled once. */
function insertEvents(rows: number): string {
  insertStatements[rows] ??= `INSERT INTO events (resource_id, seq, run, at, type, epoch, attempt,
    stream, bytes, data, step) VALUES ${Array(rows).fill("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)").join(", ")}`;
  return insertStatements[rows];
}

export class EventLog {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
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

  /** The newest event of a resource that is no output; null when it has none. */
  lastChange(resourceId: string): { readonly seq: number; readonly at: number } | null {
    const [row] = this.#sql
      .exec<{ seq: number; at: number }>(
        `SELECT seq, at FROM events WHERE resource_id = ? AND stream IS NULL
         ORDER BY seq DESC LIMIT 1`,
        resourceId,
      )
      .toArray();
    return row ?? null;
  }

  append(events: readonly NewRow[]): void {
    for (let from = 0; from < events.length; from += EVENTS_PER_INSERT) {
      const rows = events.slice(from, from + EVENTS_PER_INSERT);
      const values: SqlStorageValue[] = [];
      for (const { resource_id, seq, run, event, data } of rows) {
        const { at, type, epoch, log, step } = event;
        values.push(resource_id, seq, run, at, type, epoch ?? null);
        values.push(
          log?.attempt ?? null,
          log?.stream ?? null,
          log?.bytes ?? null,
          data,
          step ?? null,
        );
      }
      this.#sql.exec(insertEvents(rows.length), ...values);
    }
  }

  /** Events after `after`, oldest first: at most `limit`, and about `maxBytes` of data. */
  read(resourceId: string, after: number, limit: number, maxBytes = 1024 * 1024): EventRow[] {
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
  lifecycle(resourceId: string, after: number, upTo: number): EventRow[] {
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
  ofType(resourceId: string, run: number, types: readonly string[]): EventRow[] {
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
  chunks(resourceId: string, run: number, filter: LogFilter): LogChunk[] {
    return this.#sql
      .exec<Record<string, SqlStorageValue> & LogChunk>(
        `SELECT seq, bytes FROM events WHERE resource_id = ?1 AND run = ?2 AND stream IS NOT NULL
         AND (?3 IS NULL OR stream = ?3) AND (?4 IS NULL OR attempt = ?4)
         AND (?5 IS NULL OR epoch = ?5) AND (?6 IS NULL OR step = ?6) ORDER BY seq`,
        resourceId,
        run,
        filter.stream ?? null,
        filter.attempt ?? null,
        filter.epoch ?? null,
        filter.step ?? null,
      )
      .toArray();
  }

  text(resourceId: string, seq: number): string {
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
}
