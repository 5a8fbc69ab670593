/**
 * What cron does once a minute: forgets idempotency keys that have expired, and calls on runs that
 * have been live without a change for a while, so that one whose object lost its alarm goes on.
 */
import { z } from "zod";
import { logWarning } from "../http/log.ts";

/** A live run that lists have not seen change for this long is called on. */
export const QUIET_MS = 60_000;
const RUNS_PER_SWEEP = 200;

/** Its condition is the one of the index `tasks_live`, letter for letter. */
export const QUIET_RUNS_SQL = `SELECT id FROM tasks
WHERE state IN ('queued', 'running', 'paused') AND updated_at <= ? ORDER BY random() LIMIT ${RUNS_PER_SWEEP}`;

const rowSchema = z.object({ id: z.string() });

export interface SweepReport {
  readonly expired_keys: number;
  readonly called_on: number;
}

/** `callOn` wakes the object of a run; a failure is logged and left to the next sweep. */
export async function sweep(
  database: D1Database,
  callOn: (resourceId: string) => Promise<unknown>,
  now: number,
): Promise<SweepReport> {
  // In no order, since a run that is quiet by its nature stays so and must not stand before others.
  const [expired, quiet] = await database.batch([
    database.prepare("DELETE FROM idempotency_keys WHERE expires_at <= ?").bind(now),
    database.prepare(QUIET_RUNS_SQL).bind(now - QUIET_MS),
  ]);
  const ids = (quiet?.results ?? []).map((row) => rowSchema.parse(row).id);
  const calls = await Promise.allSettled(ids.map(callOn));
  for (const call of calls) {
    if (call.status === "rejected") logWarning("sweep_call_failed", call.reason, {});
  }
  return { expired_keys: expired?.meta.changes ?? 0, called_on: ids.length };
}
