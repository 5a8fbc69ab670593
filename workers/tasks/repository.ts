/** The D1 side of tasks: the projection's statements, and lists. */
import { listProjected, type ProjectedRow } from "../database/projections.ts";
import { FilterSql, type Label } from "../http/filters.ts";
import type { Page } from "../http/page.ts";
import { type TaskSummary, taskSummarySchema } from "./schemas.ts";

/** `?1` is a JSON array of rows; a row that is not newer than what is stored changes nothing. */
export const UPSERT_SQL = `
INSERT INTO tasks (id, project_id, name, task_type, state, pipeline_id, agent_id, created_at,
                   updated_at, wake_at, duration_ms, revision, document)
SELECT value ->> 'id', value ->> 'project_id', value ->> 'name', value ->> 'task_type',
       value ->> 'state', value ->> 'pipeline_id', value ->> 'agent_id', value ->> 'created_at',
       value ->> 'updated_at', value ->> 'wake_at', value ->> 'duration_ms', value ->> 'revision',
       value -> 'document'
FROM json_each(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET
  name = excluded.name, task_type = excluded.task_type, state = excluded.state,
  pipeline_id = excluded.pipeline_id, agent_id = excluded.agent_id,
  updated_at = excluded.updated_at, wake_at = excluded.wake_at,
  duration_ms = excluded.duration_ms, revision = excluded.revision, document = excluded.document
WHERE excluded.revision > tasks.revision`;

export const DELETE_SQL = "DELETE FROM tasks WHERE id IN (SELECT value FROM json_each(?1))";

export interface TaskFilter {
  readonly projects: "*" | readonly string[];
  readonly states: readonly string[] | null;
  readonly task_types: readonly string[] | null;
  readonly name: string | null;
  /** What the task says; steps of pipelines are no rows of this table. */
  readonly linked_pipeline_id: string | null;
  readonly agent_id: string | null;
  /** A task has to have them all. */
  readonly labels: readonly Label[];
}

export type TaskRow = ProjectedRow<TaskSummary>;

/** Up to `page.limit + 1` tasks, in the page's order. */
export function listTasks(
  database: D1Database,
  filter: TaskFilter,
  page: Page,
): Promise<TaskRow[]> {
  const sql = new FilterSql(page);
  sql.oneOf("project_id", filter.projects === "*" ? null : filter.projects);
  sql.oneOf("state", filter.states);
  sql.oneOf("task_type", filter.task_types);
  sql.equals("name", filter.name);
  sql.equals("pipeline_id", filter.linked_pipeline_id);
  sql.equals("agent_id", filter.agent_id);
  sql.labels(filter.labels);
  return listProjected(database, "tasks", sql, taskSummarySchema);
}
