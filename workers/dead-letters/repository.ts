/** Dispatches that could not be delivered, in D1. */
import { z } from "zod";
import { DETACHED_TYPES, type Dispatch } from "../executors/detached.ts";
import { FilterSql } from "../http/filters.ts";
import type { Page } from "../http/page.ts";

export const RESOURCE_KINDS = ["task", "pipeline", "invocation"] as const;
export type ResourceKindName = (typeof RESOURCE_KINDS)[number];
export const STATUSES = ["open", "redriven"] as const;

const rowSchema = z.object({
  id: z.string(),
  project_id: z.string(),
  resource_id: z.string(),
  /** Null when it is not known what the resource is. */
  resource_kind: z.enum(RESOURCE_KINDS).nullable(),
  run: z.number(),
  step: z.number(),
  epoch: z.number(),
  task_type: z.enum(DETACHED_TYPES),
  reason: z.string(),
  attempts: z.number(),
  dead_at: z.number(),
  redriven_at: z.number().nullable(),
  redriven_by: z.string().nullable(),
});
export type DeadLetterRow = z.output<typeof rowSchema>;

/** The projects a caller may see; `*` is all. */
export type Projects = "*" | readonly string[];

export interface DeadLetterFilter {
  readonly projects: Projects;
  readonly task_type: Dispatch["task_type"] | null;
  readonly resource_id: string | null;
  readonly status: (typeof STATUSES)[number] | null;
}

const COLUMNS =
  "id, project_id, resource_id, resource_kind, run, step, epoch, task_type, reason, attempts, dead_at, redriven_at, redriven_by";
/** Pages are by age, which is when it was given up. */
const AGED = `(SELECT ${COLUMNS}, dead_at AS created_at,
  CASE WHEN redriven_at IS NULL THEN 'open' ELSE 'redriven' END AS status FROM dead_letters)`;

export class DeadLetterRepository {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** Notes a dispatch that was given up, once. */
  async insert(row: DeadLetterRow): Promise<void> {
    await this.#db
      .prepare(
        `INSERT INTO dead_letters (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (resource_id, run, step, epoch) DO NOTHING`,
      )
      .bind(
        row.id,
        row.project_id,
        row.resource_id,
        row.resource_kind,
        row.run,
        row.step,
        row.epoch,
        row.task_type,
        row.reason,
        row.attempts,
        row.dead_at,
        row.redriven_at,
        row.redriven_by,
      )
      .run();
  }

  async find(projects: Projects, id: string): Promise<DeadLetterRow | null> {
    return (await this.named(projects, [id]))[0] ?? null;
  }

  /** Those of the ids that there are, in no order. */
  async named(projects: Projects, ids: readonly string[]): Promise<DeadLetterRow[]> {
    const within = scope(projects);
    const { results } = await this.#db
      .prepare(
        `SELECT ${COLUMNS} FROM dead_letters
         WHERE id IN (SELECT value FROM json_each(?))${within.where}`,
      )
      .bind(JSON.stringify(ids), ...within.parameters)
      .all();
    return z.array(rowSchema).parse(results);
  }

  /** Up to `limit + 1` rows of a page. */
  async list(filter: DeadLetterFilter, page: Page): Promise<DeadLetterRow[]> {
    const sql = new FilterSql(page);
    sql.oneOf("project_id", filter.projects === "*" ? null : filter.projects);
    sql.equals("task_type", filter.task_type);
    sql.equals("resource_id", filter.resource_id);
    sql.equals("status", filter.status);
    const { results } = await this.#db
      .prepare(`SELECT ${COLUMNS} FROM ${AGED} ${sql.clause}`)
      .bind(...sql.parameters)
      .all();
    return z.array(rowSchema).parse(results);
  }

  /** All of a run are redriven by the one retry of it. */
  async setRedriven(
    { resource_id, run }: Pick<DeadLetterRow, "resource_id" | "run">,
    by: string,
    now: number,
  ): Promise<void> {
    await this.#db
      .prepare(
        `UPDATE dead_letters SET redriven_at = ?, redriven_by = ?
         WHERE resource_id = ? AND run = ? AND redriven_at IS NULL`,
      )
      .bind(now, by, resource_id, run)
      .run();
  }

  /** False when there is none. */
  async remove(projects: Projects, id: string): Promise<boolean> {
    const within = scope(projects);
    const { meta } = await this.#db
      .prepare(`DELETE FROM dead_letters WHERE id = ?${within.where}`)
      .bind(id, ...within.parameters)
      .run();
    return meta.changes > 0;
  }

  /** Forgets what was given up before a time; returns how many. */
  async purge(before: number): Promise<number> {
    const { meta } = await this.#db
      .prepare("DELETE FROM dead_letters WHERE dead_at < ?")
      .bind(before)
      .run();
    return meta.changes;
  }
}

function scope(projects: Projects): { where: string; parameters: string[] } {
  if (projects === "*") return { where: "", parameters: [] };
  return {
    where: " AND project_id IN (SELECT value FROM json_each(?))",
    parameters: [JSON.stringify(projects)],
  };
}
