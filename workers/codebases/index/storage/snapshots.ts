/** Snapshots and what is on its way into them. */
import { z } from "zod";
import type { LeafMode } from "../../intake/git-objects.ts";
import {
  type MissingBlob,
  type NewSnapshot,
  SNAPSHOT_STATES,
  type SnapshotCounts,
  type SnapshotError,
  SOURCE_KINDS,
  type TakenFile,
} from "../types.ts";
import type { Described } from "./listing.ts";

const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema);
/** Written by this object alone. */
const counts = json(z.custom<SnapshotCounts>((value) => typeof value === "object"));
const error = json(z.custom<SnapshotError>((value) => typeof value === "object"));

const snapshotRow = z.object({
  number: z.number(),
  id: z.string(),
  state: z.enum(SNAPSHOT_STATES),
  ref: z.string().nullable(),
  commit_oid: z.string().nullable(),
  source: json(
    z.object({
      kind: z.enum(SOURCE_KINDS),
      url: z.string().nullable(),
      secret: z.string().nullable().default(null),
      etag: z.string().nullable().default(null),
      strip: z.union([z.literal("auto"), z.number()]).default(0),
    }),
  ),
  root: z.string().nullable(),
  counts: counts.nullable(),
  error: error.nullable(),
  created_at: z.number(),
  touched_at: z.number(),
  ready_at: z.number().nullable(),
  first_blob: z.number(),
  tries: z.number(),
  /** Counts the readings of its archive; only the last one may add to it. */
  reading: z.number(),
});
export type SnapshotRow = z.output<typeof snapshotRow>;

/** A row as this store wrote it: there can be 100,000, so that none is checked again. */
export interface IncomingFile extends Record<string, SqlStorageValue> {
  readonly path: string;
  readonly mode: LeafMode;
  readonly oid: string;
  readonly size: number;
  readonly language: string | null;
  readonly is_generated: number | null;
}

/** Snapshots of one address that another is compared with. */
const REMEMBERED = 20;

const count = z.object({ count: z.number() });
const missingRow = z.object({ oid: z.string(), size: z.number(), path: z.string() });

/** A submodule has no content of its own. */
const INCOMING_PAGE = 2_000;

const MISSING =
  "FROM incoming AS i WHERE i.snapshot = ? AND i.mode <> 'submodule' AND NOT EXISTS (SELECT 1 FROM blobs AS b WHERE b.oid = i.oid)";

const numberRow = z.object({ number: z.number() });
const readingRow = z.object({ reading: z.number() });
const pathRow = z.object({ path: z.string() });
const oidRow = z.object({ oid: z.string() });

export class SnapshotStore {
  readonly #sql: SqlStorage;
  #isClosed = false;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** From then on there are none: their table is gone. */
  close(): void {
    this.#isClosed = true;
  }

  find(number: number): SnapshotRow | null {
    return this.#rows("WHERE number = ?", number)[0] ?? null;
  }

  withId(id: string): SnapshotRow | null {
    return this.#rows("WHERE id = ?", id)[0] ?? null;
  }

  latestReady(): SnapshotRow | null {
    return this.#rows("WHERE state = 'ready' ORDER BY number DESC LIMIT 1")[0] ?? null;
  }

  /** The newest ready one below a number. */
  readyBefore(number: number): SnapshotRow | null {
    return (
      this.#rows("WHERE state = 'ready' AND number < ? ORDER BY number DESC LIMIT 1", number)[0] ??
      null
    );
  }

  /** The newest ready one that a name means: a number, a ref, or a commit or the beginning of one. */
  named(name: string): SnapshotRow | null {
    if (/^\d{1,9}$/.test(name)) {
      const found = this.find(Number(name));
      if (found !== null) return found;
    }
    const newest = "AND state = 'ready' ORDER BY number DESC LIMIT 1";
    const byRef = this.#rows(`WHERE ref = ? ${newest}`, name)[0];
    if (byRef !== undefined) return byRef;
    if (!/^[0-9a-f]{4,40}$/.test(name)) return this.withId(name);
    return (
      this.#rows(`WHERE commit_oid >= ?1 AND commit_oid < ?1 || 'g' ${newest}`, name)[0] ??
      this.#rows(`WHERE root >= ?1 AND root < ?1 || 'g' ${newest}`, name)[0] ??
      null
    );
  }

  /** Newest first, those below `before`. */
  list(before: number | null, limit: number): SnapshotRow[] {
    return this.#rows(
      "WHERE number < ? ORDER BY number DESC LIMIT ?",
      before ?? Number.MAX_SAFE_INTEGER,
      limit,
    );
  }

  /** The newest ready one below a number. */
  readyBelow(number: number): SnapshotRow | null {
    const newest = "WHERE state = 'ready' AND number < ? ORDER BY number DESC LIMIT 1";
    return this.#rows(newest, number)[0] ?? null;
  }

  /** Those of an address that are ready, the newest first. */
  ofAddress(url: string): SnapshotRow[] {
    return this.#rows(
      `WHERE state = 'ready' AND json_extract(source, '$.url') = ?
       ORDER BY number DESC LIMIT ${REMEMBERED}`,
      url,
    );
  }

  count(): number {
    return this.#count("SELECT count(*) AS count FROM snapshots");
  }

  inState(state: SnapshotRow["state"]): SnapshotRow[] {
    return this.#rows("WHERE state = ? ORDER BY number", state);
  }

  insert(
    { id, ref, commit, source }: NewSnapshot,
    state: SnapshotRow["state"],
    firstBlob: number,
    now: number,
  ): number {
    const [row] = this.#sql
      .exec(
        `INSERT INTO snapshots (id, state, ref, commit_oid, source, created_at, touched_at, first_blob)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING number`,
        id,
        state,
        ref,
        commit,
        JSON.stringify(source),
        now,
        now,
        firstBlob,
      )
      .toArray();
    return numberRow.parse(row).number;
  }

  setReady(
    number: number,
    { root, commit, counts }: { root: string; commit: string | null; counts: SnapshotCounts },
    now: number,
  ): void {
    this.#sql.exec(
      `UPDATE snapshots SET state = 'ready', root = ?, commit_oid = coalesce(commit_oid, ?),
         counts = ?, ready_at = ?, error = NULL WHERE number = ?`,
      root,
      commit,
      JSON.stringify(counts),
      now,
      number,
    );
    this.dropIncoming(number);
  }

  setCounts(number: number, counts: SnapshotCounts): void {
    this.#sql.exec(
      "UPDATE snapshots SET counts = ? WHERE number = ?",
      JSON.stringify(counts),
      number,
    );
  }

  /** What the last try to read it failed with. */
  setError(number: number, problem: SnapshotError): void {
    this.#sql.exec(
      "UPDATE snapshots SET error = ? WHERE number = ?",
      JSON.stringify(problem),
      number,
    );
  }

  setFailed(number: number, problem: SnapshotError): void {
    this.#sql.exec(
      "UPDATE snapshots SET state = 'failed', error = ? WHERE number = ?",
      JSON.stringify(problem),
      number,
    );
    this.dropIncoming(number);
  }

  setEtag(number: number, etag: string): void {
    this.#sql.exec(
      "UPDATE snapshots SET source = json_set(source, '$.etag', ?) WHERE number = ?",
      etag,
      number,
    );
  }

  touch(number: number, now: number): void {
    this.#sql.exec("UPDATE snapshots SET touched_at = ? WHERE number = ?", now, number);
  }

  /** Begins to read its archive from the start. */
  beginReading(number: number): number {
    this.dropIncoming(number);
    const row = this.#sql
      .exec("UPDATE snapshots SET reading = reading + 1 WHERE number = ? RETURNING reading", number)
      .one();
    return readingRow.parse(row).reading;
  }

  /** Counts one more try to read its archive. */
  setTried(number: number, now: number): void {
    this.#sql.exec(
      "UPDATE snapshots SET tries = tries + 1, touched_at = ? WHERE number = ?",
      now,
      number,
    );
  }

  remove(number: number): void {
    this.dropIncoming(number);
    this.#sql.exec("DELETE FROM snapshots WHERE number = ?", number);
  }

  addIncoming(number: number, file: TakenFile, described: Described | null): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO incoming VALUES (?, ?, ?, ?, ?, ?, ?)",
      number,
      file.path,
      file.mode,
      file.oid,
      file.size,
      described?.language ?? null,
      described === null ? null : described.generated ? 1 : 0,
    );
  }

  /** Paths of one content that are not described yet. */
  undescribed(number: number, oid: string): string[] {
    return this.#sql
      .exec(
        `SELECT path FROM incoming INDEXED BY incoming_by_oid
         WHERE snapshot = ? AND oid = ? AND is_generated IS NULL`,
        number,
        oid,
      )
      .toArray()
      .map((row) => pathRow.parse(row).path);
  }

  setDescribed(number: number, path: string, { language, generated }: Described): void {
    this.#sql.exec(
      "UPDATE incoming SET language = ?, is_generated = ? WHERE snapshot = ? AND path = ?",
      language,
      generated ? 1 : 0,
      number,
      path,
    );
  }

  /** In the order of the bytes of their paths. */
  *incoming(number: number): Generator<IncomingFile> {
    for (let after = ""; ; ) {
      const page = this.#sql
        .exec<IncomingFile>(
          `SELECT path, mode, oid, size, language, is_generated FROM incoming
           WHERE snapshot = ? AND path > ? ORDER BY path LIMIT ${INCOMING_PAGE}`,
          number,
          after,
        )
        .toArray();
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < INCOMING_PAGE) return;
      after = last.path;
    }
  }

  incomingCount(number: number): number {
    return this.#count("SELECT count(*) AS count FROM incoming WHERE snapshot = ?", number);
  }

  /** Contents that it has, each once. */
  contentCount(number: number): number {
    return this.#count(
      "SELECT count(DISTINCT oid) AS count FROM incoming WHERE snapshot = ? AND mode <> 'submodule'",
      number,
    );
  }

  missingCount(number: number): number {
    return this.#count(`SELECT count(DISTINCT i.oid) AS count ${MISSING}`, number);
  }

  /** In the order of the OIDs, those above `after`. */
  missing(number: number, after: string, limit: number): MissingBlob[] {
    return this.#sql
      .exec(
        `SELECT i.oid, min(i.size) AS size, min(i.path) AS path ${MISSING} AND i.oid > ?
         GROUP BY i.oid ORDER BY i.oid LIMIT ?`,
        number,
        after,
        limit,
      )
      .toArray()
      .map((row) => missingRow.parse(row));
  }

  wanted(number: number, oids: readonly string[]): string[] {
    return this.#sql
      .exec(
        `SELECT DISTINCT i.oid ${MISSING} AND i.oid IN (SELECT value FROM json_each(?))`,
        number,
        JSON.stringify(oids),
      )
      .toArray()
      .map((row) => oidRow.parse(row).oid);
  }

  dropIncoming(number: number): void {
    this.#sql.exec("DELETE FROM incoming WHERE snapshot = ?", number);
  }

  #count(query: string, ...parameters: SqlStorageValue[]): number {
    return count.parse(this.#sql.exec(query, ...parameters).one()).count;
  }

  #rows(tail: string, ...parameters: SqlStorageValue[]): SnapshotRow[] {
    if (this.#isClosed) return [];
    return this.#sql
      .exec(`SELECT * FROM snapshots ${tail}`, ...parameters)
      .toArray()
      .map((row) => snapshotRow.parse(row));
  }
}
