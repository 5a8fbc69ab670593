/**
 * What cron does once a minute: forgets idempotency keys that have expired, and calls on runs that
 * should have changed a while ago and did not, so that one whose object lost its alarm goes on. A
 * run that waits or is paused is left alone until its deadline is overdue.
 */
import { z } from "zod";
import { logWarning } from "../http/log.ts";

/**
 * A run is called on when lists have not seen it change for this long after its `wake_at`: that is
 * its last change while something is under way, and its deadline while it rests.
 */
export const QUIET_MS = 60_000;
const RUNS_PER_SWEEP = 200;

const quietSql = (table: "tasks" | "pipelines" | "skill_invocations" | "agents") =>
  `SELECT id FROM ${table} WHERE wake_at <= ? ORDER BY random() LIMIT ${RUNS_PER_SWEEP}`;
export const QUIET_RUNS_SQL = {
  task: quietSql("tasks"),
  pipeline: quietSql("pipelines"),
  invocation: quietSql("skill_invocations"),
  agent: quietSql("agents"),
} as const;
const KINDS = ["task", "pipeline", "invocation", "agent"] as const;

const rowSchema = z.object({ id: z.string() });

/** A resource whose truth is in an object: its runs, or the session that it is. */
export interface QuietRun {
  readonly kind: (typeof KINDS)[number];
  readonly id: string;
}

export interface SweepReport {
  readonly expired_keys: number;
  readonly called_on: number;
}

/**
 * `callOn` wakes the object of a run, `chores` are what else is swept, elsewhere; a failure of
 * either is logged and left to the next sweep.
 */
export async function sweep(
  database: D1Database,
  callOn: (quiet: QuietRun) => Promise<unknown>,
  now: number,
  chores: readonly (() => Promise<unknown>)[] = [],
): Promise<SweepReport> {
  // In no order, since a run that is quiet by its nature stays so and must not stand before others.
  const [expired, ...found] = await database.batch([
    database.prepare("DELETE FROM idempotency_keys WHERE expires_at <= ?").bind(now),
    ...KINDS.map((kind) => database.prepare(QUIET_RUNS_SQL[kind]).bind(now - QUIET_MS)),
  ]);
  const quiet = KINDS.flatMap((kind, index) =>
    (found[index]?.results ?? []).map((row): QuietRun => ({ kind, id: rowSchema.parse(row).id })),
  );
  const done = Promise.allSettled(chores.map((chore) => chore()));
  const calls = await Promise.allSettled(quiet.map(callOn));
  for (const chore of await done) {
    if (chore.status === "rejected") logWarning("sweep_chore_failed", chore.reason, {});
  }
  for (const call of calls) {
    if (call.status === "rejected") logWarning("sweep_call_failed", call.reason, {});
  }
  return { expired_keys: expired?.meta.changes ?? 0, called_on: quiet.length };
}
