/** The D1 side of tasks: the projection's statements, and lists. */
import { z } from "zod";
import { type Page, type Position, pageSql } from "../http/page.ts";
import { type TaskSummary, taskSummarySchema } from "./schemas.ts";

/** `?1` is a JSON array of rows; a row that is not newer than what is stored changes nothing. */
export const UPSERT_SQL = `
INSERT INTO tasks (id, project_id, name, task_type, state, pipeline_id, agent_id, created_at,
                   updated_at, duration_ms, revision, document)
SELECT value ->> 'id', value ->> 'project_id', value ->> 'name', value ->> 'task_type',
       value ->> 'state', value ->> 'pipeline_id', value ->> 'agent_id', value ->> 'created_at',
       value ->> 'updated_at', value ->> 'duration_ms', value ->> 'revision', value -> 'document'
FROM json_each(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET
  name = excluded.name, task_type = excluded.task_type, state = excluded.state,
  pipeline_id = excluded.pipeline_id, agent_id = excluded.agent_id,
  updated_at = excluded.updated_at, duration_ms = excluded.duration_ms,
  revision = excluded.revision, document = excluded.document
WHERE excluded.revision > tasks.revision`;

export const DELETE_SQL = "DELETE FROM tasks WHERE id IN (SELECT value FROM json_each(?1))";

export interface TaskFilter {
  readonly projects: "*" | readonly string[];
  readonly states: readonly string[] | null;
  readonly task_types: readonly string[] | null;
  readonly name: string | null;
  readonly pipeline_id: string | null;
  readonly agent_id: string | null;
  /** A task has to have them all. */
  readonly labels: readonly { readonly key: string; readonly value: string }[];
}

export interface TaskRow extends Position {
  readonly summary: TaskSummary;
}

const rowSchema = z.object({ id: z.string(), created_at: z.number(), document: z.string() });

/** Up to `page.limit + 1` tasks, in the page's order. */
export async function listTasks(
  database: D1Database,
  filter: TaskFilter,
  page: Page,
): Promise<TaskRow[]> {
  const { where, parameters, tail } = pageSql(page);
  const oneOf = (column: string, values: readonly string[] | null) => {
    if (values === null) return;
    where.push(`${column} IN (SELECT value FROM json_each(?))`);
    parameters.push(JSON.stringify(values));
  };
  const equals = (column: string, value: string | null) =>
    oneOf(column, value === null ? null : [value]);
  oneOf("project_id", filter.projects === "*" ? null : filter.projects);
  oneOf("state", filter.states);
  oneOf("task_type", filter.task_types);
  equals("name", filter.name);
  equals("pipeline_id", filter.pipeline_id);
  equals("agent_id", filter.agent_id);
  for (const { key, value } of filter.labels) {
    where.push(
      "EXISTS (SELECT 1 FROM json_each(document, '$.labels') AS label WHERE label.key = ? AND label.value = ?)",
    );
    parameters.push(key, value);
  }
  const conditions = where.length > 0 ? `WHERE ${where.join(" AND ")}` : "";
  const { results } = await database
    .prepare(`SELECT id, created_at, document FROM tasks ${conditions} ${tail}`)
    .bind(...parameters)
    .all();
  return results.map((result) => {
    const row = rowSchema.parse(result);
    return {
      id: row.id,
      created_at: row.created_at,
      summary: taskSummarySchema.parse(JSON.parse(row.document)),
    };
  });
}
