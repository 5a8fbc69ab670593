/** The D1 side of pipelines: the projection's statements, and lists. */
import { listProjected, type ProjectedRow } from "../database/projections.ts";
import { FilterSql, type Label } from "../http/filters.ts";
import type { Page } from "../http/page.ts";
import { type PipelineSummary, pipelineSummarySchema } from "./schemas.ts";

/** `?1` is a JSON array of rows; a row that is not newer than what is stored changes nothing. */
export const UPSERT_SQL = `
INSERT INTO pipelines (id, project_id, name, pipeline_type, state, triggered_by, created_at,
                       updated_at, wake_at, revision, document)
SELECT value ->> 'id', value ->> 'project_id', value ->> 'name', value ->> 'pipeline_type',
       value ->> 'state', value ->> 'triggered_by', value ->> 'created_at',
       value ->> 'updated_at', value ->> 'wake_at', value ->> 'revision', value -> 'document'
FROM json_each(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET
  name = excluded.name, pipeline_type = excluded.pipeline_type, state = excluded.state,
  triggered_by = excluded.triggered_by, updated_at = excluded.updated_at,
  wake_at = excluded.wake_at, revision = excluded.revision, document = excluded.document
WHERE excluded.revision > pipelines.revision`;

export const DELETE_SQL = "DELETE FROM pipelines WHERE id IN (SELECT value FROM json_each(?1))";

export interface PipelineFilter {
  readonly projects: "*" | readonly string[];
  readonly states: readonly string[] | null;
  readonly name: string | null;
  readonly pipeline_type: string | null;
  readonly triggered_by: string | null;
  /** A pipeline has to have them all. */
  readonly labels: readonly Label[];
}

export type PipelineRow = ProjectedRow<PipelineSummary>;

/** Up to `page.limit + 1` pipelines, in the page's order. */
export function listPipelines(
  database: D1Database,
  filter: PipelineFilter,
  page: Page,
): Promise<PipelineRow[]> {
  const sql = new FilterSql(page);
  sql.oneOf("project_id", filter.projects === "*" ? null : filter.projects);
  sql.oneOf("state", filter.states);
  sql.equals("name", filter.name);
  sql.equals("pipeline_type", filter.pipeline_type);
  sql.equals("triggered_by", filter.triggered_by);
  sql.labels(filter.labels);
  return listProjected(database, "pipelines", sql, pipelineSummarySchema);
}
