/** What a courier has on its disk. Every method is synchronous: a caller groups them in one transaction. */
import { z } from "zod";
import type { Json } from "../http/json.ts";
import { messageSchema, type OutboxMessage } from "./message.ts";
import type { LogEntry, Memory } from "./target.ts";

const SCHEMA = `
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
  position INTEGER PRIMARY KEY, entity TEXT NOT NULL, at INTEGER NOT NULL, message TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS pending_by_entity ON pending (entity, position);
CREATE TABLE IF NOT EXISTS entities (
  entity TEXT PRIMARY KEY, project_id TEXT NOT NULL, tries INTEGER NOT NULL, next_at INTEGER NOT NULL,
  begun INTEGER NOT NULL, parked_at INTEGER, error TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entities_due ON entities (next_at) WHERE parked_at IS NULL;
CREATE INDEX IF NOT EXISTS entities_parked ON entities (parked_at, entity)
  WHERE parked_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
  number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, entry TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS bodies (number INTEGER PRIMARY KEY, body TEXT NOT NULL);
`;

const LOGGED = 1_000;

/** How the target as a whole does. Times are ms since 1970. */
const stateSchema = z.object({
  /** Position of the outbox up to which messages were taken; null before the first look. */
  cursor: z.number().nullable().default(null),
  failures: z.number().default(0),
  failing_since: z.number().nullable().default(null),
  next_try_at: z.number().default(0),
  /** Why nothing is delivered any more; null while something is. */
  closed: z.string().nullable().default(null),
  error: z.string().nullable().default(null),
  error_at: z.number().nullable().default(null),
  delivered_at: z.number().nullable().default(null),
  delivered: z.number().default(0),
});
export type CourierState = z.output<typeof stateSchema>;

const entitySchema = z.object({
  entity: z.string(),
  project_id: z.string(),
  tries: z.number(),
  next_at: z.number(),
  /** A delivery of it has begun and not ended. */
  begun: z.number(),
  parked_at: z.number().nullable(),
  error: z.string().nullable(),
});
export type EntityRow = z.output<typeof entitySchema>;

const parkedSchema = entitySchema
  .pick({ entity: true, project_id: true, tries: true, error: true })
  .extend({ parked_at: z.number(), messages: z.number(), oldest_at: z.number().nullable() });
export type ParkedRow = z.output<typeof parkedSchema>;

const count = z.object({ n: z.number() });
const numberOrNull = z.object({ n: z.number().nullable() });

export class CourierTables implements Memory {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(SCHEMA);
  }

  state(): CourierState {
    const [row] = this.#sql.exec("SELECT value FROM state WHERE name = 'state'").toArray();
    return stateSchema.parse(row === undefined ? {} : JSON.parse(String(row.value)));
  }

  change(change: Partial<CourierState>): void {
    const value = JSON.stringify({ ...this.state(), ...change });
    this.#sql.exec("INSERT OR REPLACE INTO state VALUES ('state', ?)", value);
  }

  /** Takes a message in, which is due at once unless its entity waits. */
  take(entity: string, message: OutboxMessage): void {
    this.#sql.exec(
      "INSERT OR IGNORE INTO pending (position, entity, at, message) VALUES (?, ?, ?, ?)",
      message.position,
      entity,
      message.created_at,
      JSON.stringify(message),
    );
    // One that is only looked at again is due at once; one that waits after a failure waits on.
    this.#sql.exec(
      `INSERT INTO entities (entity, project_id, tries, next_at, begun) VALUES (?, ?, 0, 0, 0)
       ON CONFLICT (entity) DO UPDATE SET next_at = CASE WHEN tries = 0 THEN 0 ELSE next_at END`,
      entity,
      message.project_id,
    );
  }

  /** Entities that are due, those that wait longest first. */
  due(now: number, limit: number): EntityRow[] {
    return this.#sql
      .exec(
        `SELECT * FROM entities WHERE parked_at IS NULL AND next_at <= ?
         ORDER BY next_at, (SELECT min(position) FROM pending WHERE pending.entity = entities.entity)
         LIMIT ?`,
        now,
        limit,
      )
      .toArray()
      .map((row) => entitySchema.parse(row));
  }

  /** When the next entity is due; null for none. */
  nextDueAt(): number | null {
    const row = this.#sql
      .exec("SELECT min(next_at) AS n FROM entities WHERE parked_at IS NULL")
      .one();
    return numberOrNull.parse(row).n;
  }

  messages(entity: string, limit: number): OutboxMessage[] {
    return this.#sql
      .exec("SELECT message FROM pending WHERE entity = ? ORDER BY position LIMIT ?", entity, limit)
      .toArray()
      .map(({ message }) => messageSchema.parse(JSON.parse(String(message))));
  }

  begin(entity: string): void {
    this.#sql.exec("UPDATE entities SET begun = 1 WHERE entity = ?", entity);
  }

  /** Forgets messages of an entity that are done. */
  done(entity: string, through: number): void {
    this.#sql.exec("DELETE FROM pending WHERE entity = ? AND position <= ?", entity, through);
  }

  /** The entity is at rest, or due again at `nextAt`, when nothing comes before; null for not by itself. */
  settle(entity: string, nextAt: number | null): void {
    const [left] = this.#sql
      .exec("SELECT 1 FROM pending WHERE entity = ? LIMIT 1", entity)
      .toArray();
    if (left === undefined && nextAt === null) {
      this.#sql.exec("DELETE FROM entities WHERE entity = ?", entity);
      return;
    }
    this.#sql.exec(
      "UPDATE entities SET tries = 0, begun = 0, error = NULL, parked_at = NULL, next_at = ? WHERE entity = ?",
      left === undefined ? (nextAt ?? 0) : 0,
      entity,
    );
  }

  /** Notes a failure about an entity; it is parked for `nextAt` null. */
  failed(entity: string, tries: number, error: string, nextAt: number | null, now: number): void {
    this.#sql.exec(
      "UPDATE entities SET tries = ?, error = ?, next_at = ?, parked_at = ? WHERE entity = ?",
      tries,
      error,
      nextAt ?? 0,
      nextAt === null ? now : null,
      entity,
    );
  }

  /** Parked entities of these projects, oldest first. */
  parked(projects: "*" | readonly string[], after: number, limit: number): ParkedRow[] {
    const isOpen = projects === "*";
    return this.#sql
      .exec(
        `SELECT entity, project_id, tries, error, parked_at,
           (SELECT count(*) FROM pending WHERE pending.entity = entities.entity) AS messages,
           (SELECT min(at) FROM pending WHERE pending.entity = entities.entity) AS oldest_at
         FROM entities WHERE parked_at IS NOT NULL
           AND (?1 OR project_id IN (SELECT value FROM json_each(?2)))
         ORDER BY parked_at, entity LIMIT ?4 OFFSET ?3`,
        isOpen ? 1 : 0,
        JSON.stringify(isOpen ? [] : projects),
        after,
        limit,
      )
      .toArray()
      .map((row) => parkedSchema.parse(row));
  }

  /** Makes parked entities due again; null for all of these projects. Returns how many. */
  redrive(projects: "*" | readonly string[], entities: readonly string[] | null): number {
    const isOpen = projects === "*";
    return this.#sql
      .exec(
        `UPDATE entities SET parked_at = NULL, tries = 0, next_at = 0
         WHERE parked_at IS NOT NULL
           AND (?1 OR project_id IN (SELECT value FROM json_each(?2)))
           AND (?3 OR entity IN (SELECT value FROM json_each(?4)))
         RETURNING entity`,
        isOpen ? 1 : 0,
        JSON.stringify(isOpen ? [] : projects),
        entities === null ? 1 : 0,
        JSON.stringify(entities ?? []),
      )
      .toArray().length;
  }

  counts(): { pending: number; parked: number; oldest_at: number | null } {
    const pending = count.parse(this.#sql.exec("SELECT count(*) AS n FROM pending").one()).n;
    const parked = count.parse(
      this.#sql.exec("SELECT count(*) AS n FROM entities WHERE parked_at IS NOT NULL").one(),
    ).n;
    const oldest = this.#sql
      .exec(
        `SELECT min(at) AS n FROM pending WHERE entity NOT IN
           (SELECT entity FROM entities WHERE parked_at IS NOT NULL)`,
      )
      .one();
    return { pending, parked, oldest_at: numberOrNull.parse(oldest).n };
  }

  get(key: string): Json | undefined {
    const [row] = this.#sql.exec("SELECT value FROM memory WHERE key = ?", key).toArray();
    if (row === undefined) return undefined;
    const value: Json = JSON.parse(String(row.value));
    return value;
  }

  set(key: string, value: Json): void {
    this.#sql.exec("INSERT OR REPLACE INTO memory VALUES (?, ?)", key, JSON.stringify(value));
  }

  delete(key: string): void {
    this.#sql.exec("DELETE FROM memory WHERE key = ?", key);
  }

  keys(prefix: string): readonly string[] {
    return this.#sql
      .exec(
        "SELECT key FROM memory WHERE key >= ?1 AND key < ?1 || char(1114111) ORDER BY key",
        prefix,
      )
      .toArray()
      .map(({ key }) => String(key));
  }

  /** Returns the entry's number. */
  log(entry: LogEntry, body: string | null = null): number {
    const number = count.parse(
      this.#sql
        .exec(
          "INSERT INTO log (at, entry) VALUES (?, ?) RETURNING number AS n",
          Date.now(),
          JSON.stringify(entry),
        )
        .one(),
    ).n;
    if (body !== null) this.#sql.exec("INSERT INTO bodies VALUES (?, ?)", number, body);
    this.#sql.exec("DELETE FROM log WHERE number <= ?", number - LOGGED);
    this.#sql.exec("DELETE FROM bodies WHERE number <= ?", number - LOGGED);
    return number;
  }

  /** What was sent by an entry of the log; null when it was not kept. */
  body(number: number): string | null {
    const [row] = this.#sql.exec("SELECT body FROM bodies WHERE number = ?", number).toArray();
    return row === undefined ? null : String(row.body);
  }

  /** Entries before a number, newest first. */
  entries(before: number | null, limit: number): LoggedEntry[] {
    return this.#sql
      .exec(
        "SELECT number, at, entry FROM log WHERE number < ? ORDER BY number DESC LIMIT ?",
        before ?? Number.MAX_SAFE_INTEGER,
        limit,
      )
      .toArray()
      .map(({ number, at, entry }) => {
        const read: LogEntry = JSON.parse(String(entry));
        return { ...read, number: Number(number), at: Number(at) };
      });
  }
}

export interface LoggedEntry extends LogEntry {
  readonly number: number;
  /** ms since 1970. */
  readonly at: number;
}
