/** The D1 side of invocations: the projection's statements, and the history of skills. */
import { listProjected, type ProjectedRow } from "../database/projections.ts";
import { FilterSql } from "../http/filters.ts";
import type { Page } from "../http/page.ts";
import { type InvocationSummary, invocationSummarySchema } from "./invocation-schemas.ts";

/** `?1` is a JSON array of rows; a row that is not newer than what is stored changes nothing. */
export const UPSERT_SQL = `
INSERT INTO skill_invocations (id, project_id, skill_id, slug, number, version, state,
                               implementation_type, invoked_by, parent_id, created_at, updated_at,
                               wake_at, duration_ms, revision, document)
SELECT value ->> 'id', value ->> 'project_id', value ->> 'skill_id', value ->> 'slug',
       value ->> 'number', value ->> 'version', value ->> 'state', value ->> 'implementation_type',
       value ->> 'invoked_by', value ->> 'parent_id', value ->> 'created_at', value ->> 'updated_at',
       value ->> 'wake_at', value ->> 'duration_ms', value ->> 'revision', value -> 'document'
FROM json_each(?1) WHERE true
ON CONFLICT (id) DO UPDATE SET
  state = excluded.state, updated_at = excluded.updated_at, wake_at = excluded.wake_at,
  duration_ms = excluded.duration_ms, revision = excluded.revision, document = excluded.document
WHERE excluded.revision > skill_invocations.revision`;

export const DELETE_SQL =
  "DELETE FROM skill_invocations WHERE id IN (SELECT value FROM json_each(?1))";

export interface InvocationFilter {
  readonly projects: "*" | readonly string[];
  readonly skill_id: string | null;
  readonly states: readonly string[] | null;
  readonly invoked_by: string | null;
  readonly parent_id: string | null;
}

export type InvocationRow = ProjectedRow<InvocationSummary>;

/** Up to `page.limit + 1` invocations, in the page's order. */
export function listInvocations(
  database: D1Database,
  filter: InvocationFilter,
  page: Page,
): Promise<InvocationRow[]> {
  const sql = new FilterSql(page);
  sql.oneOf("project_id", filter.projects === "*" ? null : filter.projects);
  sql.equals("skill_id", filter.skill_id);
  sql.oneOf("state", filter.states);
  sql.equals("invoked_by", filter.invoked_by);
  sql.equals("parent_id", filter.parent_id);
  return listProjected(database, "skill_invocations", sql, invocationSummarySchema);
}
