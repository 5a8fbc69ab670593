/**
 * The outbox in D1: what happened, in the order in which it was committed. Each courier reads it from
 * where it is; a message is forgotten once every courier has taken it.
 */
import { z } from "zod";
import { type OutboxMessage, payloadSchema, traceSchema } from "./message.ts";

/** A message stays this long at least: whoever repeats it finds it there. */
const KEPT_MS = 10 * 60_000;
/** One that a courier has not come for by then is forgotten all the same. */
const MAX_KEPT_MS = 7 * 24 * 3_600_000;
const PURGED_AT_ONCE = 2_000;

const rowSchema = z.object({
  position: z.number(),
  id: z.string(),
  topic: z.string(),
  project_id: z.string(),
  resource_id: z.string(),
  payload: z.string(),
  trace: z.string().nullable(),
  created_at: z.number(),
});

export class Outbox {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** Messages after a position, in their order. */
  async after(position: number, limit: number): Promise<OutboxMessage[]> {
    const { results } = await this.#db
      .prepare(
        `SELECT position, id, topic, project_id, resource_id, payload, trace, created_at
         FROM outbox
         WHERE position > ?1 ORDER BY position LIMIT ?2`,
      )
      .bind(position, limit)
      .all();
    return results.map((row) => {
      const { payload, trace, ...message } = rowSchema.parse(row);
      return {
        ...message,
        events: payloadSchema.parse(JSON.parse(payload)),
        trace: trace === null ? null : traceSchema.parse(JSON.parse(trace)),
      };
    });
  }

  /** Where a courier begins that is to deliver only what happens from now on. */
  async newest(): Promise<number> {
    const row = await this.#db.prepare("SELECT max(position) AS position FROM outbox").first();
    return z.object({ position: z.number().nullable() }).parse(row).position ?? 0;
  }

  /** Notes how far a courier has come. */
  async passed(courier: string, position: number, now: number): Promise<void> {
    await this.#db
      .prepare(
        `INSERT INTO courier_cursors (name, position, updated_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET position = max(position, excluded.position),
           updated_at = excluded.updated_at`,
      )
      .bind(courier, position, now)
      .run();
  }

  /** Couriers whose name begins so, of those that have said how far they are. */
  async couriers(prefix: string): Promise<string[]> {
    const { results } = await this.#db
      .prepare("SELECT name FROM courier_cursors WHERE substr(name, 1, ?1) = ?2")
      .bind(prefix.length, prefix)
      .all();
    return z
      .array(z.object({ name: z.string() }))
      .parse(results)
      .map(({ name }) => name);
  }

  /** Nothing is kept for a courier that there is no more. */
  async forgetCourier(courier: string): Promise<void> {
    await this.#db.prepare("DELETE FROM courier_cursors WHERE name = ?1").bind(courier).run();
  }

  /** Forgets what every one of these couriers has taken, and what is too old. */
  async purge(couriers: readonly string[], now: number): Promise<number> {
    const { meta } = await this.#db
      .prepare(
        `DELETE FROM outbox WHERE position IN (
           SELECT position FROM outbox
           WHERE created_at <= ?1 AND (created_at <= ?2 OR position <= coalesce((
             SELECT min(coalesce(cursor.position, 0)) FROM json_each(?3) AS courier
             LEFT JOIN courier_cursors AS cursor ON cursor.name = courier.value
           ), 9e15))
           ORDER BY position LIMIT ${PURGED_AT_ONCE})`,
      )
      .bind(now - KEPT_MS, now - MAX_KEPT_MS, JSON.stringify(couriers))
      .run();
    return meta.changes;
  }
}
