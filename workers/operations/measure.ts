/** Collects the figures of `/metrics`. */
import { z } from "zod";
import type { Config } from "../config.ts";
import { type Principal, visibleProjects } from "../security/principal.ts";
import { executorStatements, readExecutorFigures } from "./executor-figures.ts";
import type { Measurements } from "./exposition.ts";
import { flush, metricsObject } from "./recorder.ts";

const stateSchema = z.object({ state: z.string(), total: z.number() });
const countSchema = stateSchema.extend({ task_type: z.string() });
const durationSchema = countSchema.extend({ le_ms: z.number(), sum_ms: z.number() });

/** Invocations that have ended, of skills that are still there. */
const skillsSql = (filter: string) => `
  WITH sums AS (
    SELECT SUM(success_count) AS completed, SUM(failure_count) AS failed,
           SUM(cancelled_count) AS cancelled
    FROM skill_figures AS f JOIN skills AS s ON s.id = f.skill_id ${filter}
  )
  SELECT 'cancelled' AS state, coalesce(cancelled, 0) AS total FROM sums
  UNION ALL SELECT 'completed', coalesce(completed, 0) FROM sums
  UNION ALL SELECT 'failed', coalesce(failed, 0) FROM sums`;

/** Task figures cover the projects that the caller may see, HTTP figures the whole deployment. */
export async function measure(
  env: Env,
  config: Config,
  principal: Principal,
): Promise<Measurements> {
  await flush(env);
  const projects = visibleProjects(principal);
  const filter = projects === "*" ? "" : "WHERE project_id IN (SELECT value FROM json_each(?1))";
  const statements = [
    `SELECT state, SUM(total) AS total FROM pipeline_counts ${filter} GROUP BY state ORDER BY state`,
    `SELECT task_type, state, SUM(total) AS total FROM task_counts ${filter} GROUP BY task_type, state ORDER BY task_type, state`,
    `SELECT task_type, state, le_ms, SUM(total) AS total, SUM(sum_ms) AS sum_ms FROM task_durations ${filter} GROUP BY task_type, state, le_ms ORDER BY task_type, state, le_ms`,
    skillsSql(filter),
    ...executorStatements(filter, Date.now()),
  ].map((sql) => {
    const statement = env.DB.prepare(sql);
    return projects === "*" ? statement : statement.bind(JSON.stringify(projects));
  });
  const [
    [pipelines, counts, durations, invocations, pools, letters, spent],
    { figures, attempts, counted_since, audit_entries_lost },
  ] = await Promise.all([env.DB.batch(statements), metricsObject(env).snapshot()]);
  return {
    service: config.APP_NAME,
    version: config.APP_VERSION,
    uptime_seconds: Math.max(0, (Date.now() - counted_since) / 1000),
    http: figures,
    attempts,
    audit_entries_lost,
    pipeline_counts: z.array(stateSchema).parse(pipelines?.results ?? []),
    invocation_counts: z.array(stateSchema).parse(invocations?.results ?? []),
    task_counts: z.array(countSchema).parse(counts?.results ?? []),
    executors: readExecutorFigures(
      pools?.results ?? [],
      letters?.results ?? [],
      spent?.results ?? [],
    ),
    task_durations: z.array(durationSchema).parse(durations?.results ?? []),
  };
}
