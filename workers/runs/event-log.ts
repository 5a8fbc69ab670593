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

/** Rows of one statement: it takes 100 parameters, three of them for all rows. */
const EVENTS_PER_INSERT = 30;
const OUTPUT_PER_INSERT = 12;

const statements = new Map<string, string>();

/** The same text for the same number of rows, so that it is compiled once. */
function insertRows(columns: readonly string[], rows: number): string {
  const key = `${columns.length}/${rows}`;
  const known = statements.get(key);
  if (known !== undefined) return known;
  const values = Array.from({ length: rows }, (_, row) => {
    const first = 4 + row * columns.length;
    return `(?1, ?2, ?3, ${columns.map((_name, column) => `?${first + column}`).join(", ")})`;
  });
  const text = `INSERT INTO events (resource_id, run, at, ${columns.join(", ")}) VALUES ${values.join(", ")}`;
  statements.set(key, text);
  return text;
}

const EVENT_COLUMNS = ["seq", "type", "data"];
const OUTPUT_COLUMNS = [...EVENT_COLUMNS, "epoch", "attempt", "stream", "bytes", "step"];

/** Rows that one statement can take, in order: of one run, at one time, all output or none. */
function* together(rows: readonly NewRow[]): Generator<[NewRow, ...NewRow[]]> {
  let group: [NewRow, ...NewRow[]] | null = null;
  for (const row of rows) {
    const [first] = group ?? [];
    const most = row.event.log ? OUTPUT_PER_INSERT : EVENTS_PER_INSERT;
    const isAlike =
      first?.resource_id === row.resource_id &&
      first.run === row.run &&
      first.event.at === row.event.at &&
      (first.event.log === undefined) === (row.event.log === undefined);
    if (group && isAlike && group.length < most) group.push(row);
    else {
      if (group) yield group;
      group = [row];
    }
  }
  if (group) yield group;
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
    for (const rows of together(events)) {
      const [{ resource_id, run, event }] = rows;
      const values: SqlStorageValue[] = [resource_id, run, event.at];
      for (const { seq, event, data } of rows) {
        const { type, log, epoch, step } = event;
        values.push(seq, type, data);
        if (log) values.push(epoch ?? null, log.attempt, log.stream, log.bytes, step ?? null);
      }
      const columns = event.log ? OUTPUT_COLUMNS : EVENT_COLUMNS;
      this.#sql.exec(insertRows(columns, rows.length), ...values);
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
