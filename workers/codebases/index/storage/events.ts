/** What happened in an index, in order, for those who follow it. */
import { z } from "zod";
import type { IndexEvent } from "../types.ts";

/** Events kept; older ones are of no interest to who watches an import. */
const KEPT = 10_000;

const eventRow = z.object({
  seq: z.number(),
  snapshot: z.number().nullable(),
  type: z.string(),
  at: z.number(),
  data: z.string(),
});

export class EventLog {
  readonly #sql: SqlStorage;
  readonly #waiting = new Set<() => void>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(
    type: string,
    snapshot: number | null,
    data: Readonly<Record<string, unknown>>,
    now: number,
  ): void {
    this.#sql.exec(
      "INSERT INTO events (snapshot, type, at, data) VALUES (?, ?, ?, ?)",
      snapshot,
      type,
      now,
      JSON.stringify(data),
    );
    this.#sql.exec("DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?", KEPT);
    this.wake();
  }

  /** Whoever waits for the next waits no longer. */
  wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  after(seq: number, snapshot: number | null, limit: number): IndexEvent[] {
    return this.#sql
      .exec(
        `SELECT * FROM events WHERE seq > ?1 AND (?2 IS NULL OR snapshot IS NULL OR snapshot = ?2)
         ORDER BY seq LIMIT ?3`,
        seq,
        snapshot,
        limit,
      )
      .toArray()
      .map((row) => eventRow.parse(row));
  }

  /** Resolves at the next event, and after `waitMs` at the latest. */
  next(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      this.#waiting.add(done);
    });
  }
}
