/**
 * Archives in the blob store that snapshots are read from. Each is noted before it is stored, so that
 * whoever dies on the way leaves none that nobody knows of.
 */
import { z } from "zod";
import { SNAPSHOT_STATES } from "../types.ts";

/** An archive of which no snapshot is begun is given up. */
const ABANDONED_MS = 24 * 3_600_000;

export interface KeptArchivesDeps {
  readonly sql: SqlStorage;
  readonly bucket: R2Bucket;
}

const keptRow = z.object({
  key: z.string(),
  noted_at: z.number(),
  /** Null without a snapshot. */
  state: z.enum(SNAPSHOT_STATES).nullable(),
});

export class KeptArchives {
  readonly #deps: KeptArchivesDeps;

  constructor(deps: KeptArchivesDeps) {
    this.#deps = deps;
  }

  /** One is about to be stored under a key, for the snapshot of an id. */
  note(key: string, snapshotId: string, now: number): void {
    this.#deps.sql.exec(
      "INSERT OR REPLACE INTO kept_archives VALUES (?, ?, ?)",
      key,
      snapshotId,
      now,
    );
  }

  /** Its snapshot is deleted: nobody begins it any more. */
  release(snapshotId: string): void {
    this.#deps.sql.exec("UPDATE kept_archives SET noted_at = 0 WHERE snapshot_id = ?", snapshotId);
  }

  /** When one is to be deleted, ms since 1970; null while their snapshots are being read. */
  dueAt(): number | null {
    const times = this.#rows().flatMap(({ noted_at, state }) => {
      if (state === null) return [noted_at + ABANDONED_MS];
      return state === "ingesting" ? [] : [noted_at];
    });
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Deletes those that no snapshot needs. */
  async collect(now: number): Promise<void> {
    const { sql, bucket } = this.#deps;
    for (const { key, noted_at, state } of this.#rows()) {
      const isNeeded = state === null ? now - noted_at < ABANDONED_MS : state === "ingesting";
      if (isNeeded) continue;
      await bucket.delete(key);
      sql.exec("DELETE FROM kept_archives WHERE key = ? AND noted_at = ?", key, noted_at);
    }
  }

  #rows(): z.output<typeof keptRow>[] {
    return this.#deps.sql
      .exec(
        `SELECT a.key, a.noted_at, s.state FROM kept_archives AS a
         LEFT JOIN snapshots AS s ON s.id = a.snapshot_id`,
      )
      .toArray()
      .map((row) => keptRow.parse(row));
  }
}
