/**
 * Entries on the object's disk. An append writes one row; what entries are found by is written for
 * many at once, later, or before it is needed. Every method is synchronous.
 */
import { z } from "zod";
import type { Page } from "../http/page.ts";
import {
  type Found,
  foundSchema,
  type Head,
  ORIGIN,
  type Row,
  readFound,
  type Sealed,
  sealedSchema,
} from "./chain.ts";

const SCHEMA = `
CREATE TABLE IF NOT EXISTS entries (
  seq INTEGER PRIMARY KEY, body TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS found (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL, created_at INTEGER NOT NULL, actor TEXT NOT NULL,
  action TEXT NOT NULL, entity_type TEXT, entity_id TEXT, is_entity INTEGER NOT NULL,
  to_state TEXT, outcome TEXT NOT NULL, request_id TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS found_by_id ON found (id);
CREATE INDEX IF NOT EXISTS found_by_age ON found (created_at);
CREATE INDEX IF NOT EXISTS found_by_actor ON found (actor);
CREATE INDEX IF NOT EXISTS found_by_action ON found (action);
CREATE INDEX IF NOT EXISTS found_by_entity ON found (entity_id, entity_type);
CREATE INDEX IF NOT EXISTS found_by_request ON found (request_id);
CREATE INDEX IF NOT EXISTS found_refused ON found (outcome) WHERE outcome <> 'success';
`;
const COLUMNS = [
  ...["seq", "id", "created_at", "actor", "action", "entity_type", "entity_id", "is_entity"],
  ...["to_state", "outcome", "request_id"],
];
const INSERT_FOUND = `INSERT OR IGNORE INTO found (${COLUMNS.join(", ")})
  VALUES (${COLUMNS.map(() => "?").join(", ")})`;
const SELECT = "SELECT entries.seq, body, hash FROM entries";

const numberSchema = z.object({ seq: z.number() });
const stateSchema = z.object({ to_state: z.string() });

/** What a list can be narrowed by, each to one value; null is any. */
export interface EntryFilter {
  readonly actor: string | null;
  readonly action: string | null;
  readonly entity_type: string | null;
  readonly entity_id: string | null;
  readonly outcome: string | null;
  readonly request_id: string | null;
}

export interface Newest extends Head {
  /** ms since 1970. */
  readonly created_at: number;
}

export class EntryStore {
  readonly #sql: SqlStorage;
  /** The newest entries, whose rows of `found` are yet to be written. */
  #unwritten: Found[] = [];

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(SCHEMA);
    const rows = sql.exec(`${SELECT} WHERE seq > (SELECT coalesce(max(seq), 0) FROM found)`);
    for (const row of rows) {
      // What is no entry any more is found by nothing; a check names it.
      const found = readFound(sealedSchema.parse(row).body);
      if (found !== null) this.#unwritten.push(found);
    }
  }

  newest(): Newest {
    const [row] = this.#sql.exec(`${SELECT} ORDER BY seq DESC LIMIT 1`).toArray();
    if (row === undefined) return { ...ORIGIN, created_at: 0 };
    const { seq, hash, body } = sealedSchema.parse(row);
    return { seq, hash, created_at: readFound(body)?.created_at ?? 0 };
  }

  insert({ seq, body, hash, found }: Sealed & { readonly found: Found }): void {
    this.#sql.exec("INSERT INTO entries (seq, body, hash) VALUES (?, ?, ?)", seq, body, hash);
    this.#unwritten.push(found);
  }

  /** Writes what the newest entries are found by. */
  index(): void {
    for (const each of this.#unwritten) {
      this.#sql.exec(
        INSERT_FOUND,
        ...[each.seq, each.id, each.created_at, each.actor, each.action, each.entity_type],
        ...[each.entity_id, each.is_entity, each.to_state, each.outcome, each.request_id],
      );
    }
    this.#unwritten = [];
  }

  /** The number of the entry that was written under an id; null for none. */
  seqOf(id: string): number | null {
    const newest = this.#unwritten.findLast((found) => found.id === id);
    if (newest !== undefined) return newest.seq;
    const [row] = this.#sql.exec("SELECT seq FROM found WHERE id = ?", id).toArray();
    return row === undefined ? null : numberSchema.parse(row).seq;
  }

  /** The state in which the newest entry that says one left an entity. */
  stateOf(type: string | null, id: string | null): string | null {
    if (type === null || id === null) return null;
    const newest = this.#unwritten.findLast(
      (each) => each.entity_id === id && each.entity_type === type && each.to_state !== null,
    );
    if (newest !== undefined) return newest.to_state;
    const [row] = this.#sql
      .exec(
        `SELECT to_state FROM found WHERE entity_id = ? AND entity_type = ? AND to_state IS NOT NULL
         ORDER BY seq DESC LIMIT 1`,
        ...[id, type],
      )
      .toArray();
    return row === undefined ? null : stateSchema.parse(row).to_state;
  }

  at(seq: number): Sealed | null {
    const [row] = this.#sql.exec(`${SELECT} WHERE seq = ?`, seq).toArray();
    return row === undefined ? null : sealedSchema.parse(row);
  }

  /** The newest entry before one that shows the same entity. */
  before(seq: number): Sealed | null {
    this.index();
    const [row] = this.#sql
      .exec(
        `${SELECT} JOIN found USING (seq) JOIN found AS it ON it.seq = ?
         WHERE found.entity_id = it.entity_id AND found.entity_type = it.entity_type
           AND found.is_entity AND found.seq < it.seq ORDER BY found.seq DESC LIMIT 1`,
        seq,
      )
      .toArray();
    return row === undefined ? null : sealedSchema.parse(row);
  }

  /** Entries after one up to another, in their order. They are read as they are asked for. */
  *after(seq: number, limit: number, last: number | null = null): Generator<Sealed> {
    const rows = this.#sql.exec(
      `${SELECT} WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
      ...[seq, last ?? Number.MAX_SAFE_INTEGER, limit],
    );
    for (const row of rows) yield sealedSchema.parse(row);
  }

  /** As `after`, with what they are found by. */
  *whole(seq: number, limit: number): Generator<Row> {
    this.index();
    for (const sealed of this.after(seq, limit)) {
      const [row] = this.#sql
        .exec(`SELECT ${COLUMNS.join(", ")} FROM found WHERE seq = ?`, sealed.seq)
        .toArray();
      yield { ...sealed, found: row === undefined ? null : foundSchema.parse(row) };
    }
  }

  /** Up to one more than a page. */
  list(filter: EntryFilter, page: Page): Sealed[] {
    this.index();
    const where: string[] = [];
    const parameters: (string | number)[] = [];
    const add = (condition: string, value: string | number | null) => {
      if (value === null) return;
      where.push(condition);
      parameters.push(value);
    };
    for (const [column, value] of Object.entries(filter)) add(`${column} = ?`, value);
    // Without it the index of the few that were refused is not used.
    if (filter.outcome !== null && filter.outcome !== "success") where.push("outcome <> 'success'");
    add("created_at > ?", page.created_after);
    add("created_at < ?", page.created_before);
    const isDescending = page.order === "desc";
    const after = page.after === null ? null : Number(page.after.id);
    add(`found.seq ${isDescending ? "<" : ">"} ?`, after);
    const clause = where.length === 0 ? "" : `WHERE ${where.join(" AND ")}`;
    return this.#sql
      .exec(
        `${SELECT} JOIN found USING (seq) ${clause}
         ORDER BY found.seq ${isDescending ? "DESC" : "ASC"} LIMIT ?`,
        ...parameters,
        page.limit + 1,
      )
      .toArray()
      .map((row) => sealedSchema.parse(row));
  }
}
