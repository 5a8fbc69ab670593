/** Figures of executors in D1: what pools of runners say of themselves, and what sandboxes cost. */
import { z } from "zod";
import type { SandboxBill } from "../executors/e2b/ports.ts";
import { TASK_TYPES } from "../executors/port.ts";
import type { PoolFigure } from "../executors/runner/pool-types.ts";
import { SHARED_POOL } from "../executors/runner/pools.ts";

/** A pool with something to show says so more often than this; one that does not has nothing. */
export const POOL_FIGURES_MS = 90_000;

const poolCount = z.object({
  task_type: z.enum(TASK_TYPES),
  pool: z.enum(["shared", "project"]),
  connected: z.number(),
  queued: z.number(),
});
const letterCount = z.object({
  task_type: z.enum(TASK_TYPES),
  status: z.enum(["open", "redriven"]),
  total: z.number(),
});
const spending = z.object({ sandbox_seconds: z.number(), usd: z.number() });

export interface ExecutorFigures {
  readonly pools: readonly z.output<typeof poolCount>[];
  readonly dead_letters: readonly z.output<typeof letterCount>[];
  readonly spending: z.output<typeof spending>;
}

/** The statements whose results `readExecutorFigures` reads; `filter` is a WHERE over project_id. */
export function executorStatements(
  filter: string,
  now: number,
): readonly [pools: string, letters: string, spent: string] {
  const fresh = `${filter === "" ? "WHERE" : `${filter} AND`} at > ${now - POOL_FIGURES_MS}`;
  return [
    `SELECT task_type, iif(pool = '${SHARED_POOL}', 'shared', 'project') AS pool, SUM(connected) AS connected, SUM(queued) AS queued FROM pool_figures ${fresh} GROUP BY 1, 2 ORDER BY 1, 2`,
    `SELECT task_type, status, SUM(total) AS total FROM dead_letter_counts ${filter} GROUP BY task_type, status ORDER BY task_type, status`,
    `SELECT coalesce(SUM(sandbox_seconds), 0) AS sandbox_seconds, coalesce(SUM(usd), 0) AS usd FROM sandbox_spending ${filter}`,
  ];
}

export function readExecutorFigures(
  pools: readonly unknown[],
  letters: readonly unknown[],
  spent: readonly unknown[],
): ExecutorFigures {
  return {
    pools: z.array(poolCount).parse(pools),
    dead_letters: z.array(letterCount).parse(letters),
    spending: spending.parse(spent[0] ?? { sandbox_seconds: 0, usd: 0 }),
  };
}

/** Puts the figures of a pool in the place of its earlier ones. */
export async function savePoolFigures(
  database: D1Database,
  pool: string,
  figures: readonly PoolFigure[],
  now: number,
): Promise<void> {
  await database.batch([
    database.prepare("DELETE FROM pool_figures WHERE pool = ?").bind(pool),
    database
      .prepare(
        `INSERT INTO pool_figures (pool, project_id, task_type, connected, queued, at)
         SELECT ?1, value ->> 'project_id', value ->> 'task_type', value ->> 'connected',
           value ->> 'queued', ?2 FROM json_each(?3)`,
      )
      .bind(pool, now, JSON.stringify(figures)),
  ]);
}

/** Adds a bill to what is spent, unless it is there already. */
export async function saveBill(
  database: D1Database,
  { id, project_id, sandbox_seconds, usd }: SandboxBill,
  now: number,
): Promise<void> {
  await database
    .prepare(
      `INSERT INTO sandbox_bills (id, project_id, sandbox_seconds, usd, billed_at)
       VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
    )
    .bind(id, project_id, sandbox_seconds, usd, now)
    .run();
}

/** Forgets bills that nobody tells again; their sums stay. */
export async function purgeBills(database: D1Database, before: number): Promise<void> {
  await database.prepare("DELETE FROM sandbox_bills WHERE billed_at <= ?").bind(before).run();
}
