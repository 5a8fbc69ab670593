/**
 * What cron does once a minute: forgets idempotency keys that have expired, and calls on runs that
 * have been live without a change for a while, so that one whose object lost its alarm goes on.
 */
import { z } from "zod";
import { logWarning } from "../http/log.ts";

/** A live run that lists have not seen change for this long is called on. */
export const QUIET_MS = 60_000;
const RUNS_PER_SWEEP = 200;

/** Their condition is the one of the indexes `tasks_live` and `pipelines_live`, letter for letter. */
const quietSql = (table: "tasks" | "pipelines") => `SELECT id FROM ${table}
WHERE state IN ('queued', 'running', 'paused') AND updated_at <= ? ORDER BY random() LIMIT ${RUNS_PER_SWEEP}`;
export const QUIET_RUNS_SQL = { tasks: quietSql("tasks"), pipelines: quietSql("pipelines") };

const rowSchema = z.object({ id: z.string() });

/** A resource of the kind that keeps its runs in an object. */
export interface QuietRun {
  readonly kind: "task" | "pipeline";
  readonly id: string;
}

export interface SweepReport {
  readonly expired_keys: number;
  readonly called_on: number;
}

/** `callOn` wakes the object of a run; a failure is logged and left to the next sweep. */
export async function sweep(
  database: D1Database,
  callOn: (quiet: QuietRun) => Promise<unknown>,
  now: number,
): Promise<SweepReport> {
  // In no order, since a run that is quiet by its nature stays so and must not stand before others.
  const [expired, tasks, pipelines] = await database.batch([
    database.prepare("DELETE FROM idempotency_keys WHERE expires_at <= ?").bind(now),
    database.prepare(QUIET_RUNS_SQL.tasks).bind(now - QUIET_MS),
    database.prepare(QUIET_RUNS_SQL.pipelines).bind(now - QUIET_MS),
  ]);
  const named = (kind: QuietRun["kind"], found: D1Result | undefined): QuietRun[] =>
    (found?.results ?? []).map((row) => ({ kind, id: rowSchema.parse(row).id }));
  const quiet = [...named("task", tasks), ...named("pipeline", pipelines)];
  const calls = await Promise.allSettled(quiet.map(callOn));
  for (const call of calls) {
    if (call.status === "rejected") logWarning("sweep_call_failed", call.reason, {});
  }
  return { expired_keys: expired?.meta.changes ?? 0, called_on: quiet.length };
}
