/** The D1 side of agents: lists of what their objects project. */
import { listProjected, type ProjectedRow } from "../database/projections.ts";
import { FilterSql, type Label } from "../http/filters.ts";
import type { Page } from "../http/page.ts";
import { type AgentSummary, agentSummarySchema } from "./schemas.ts";

export interface AgentFilter {
  readonly projects: "*" | readonly string[];
  readonly session_id: string | null;
  readonly parent_id: string | null;
  readonly states: readonly string[] | null;
  readonly name: string | null;
  readonly model: string | null;
  /** An agent has to have them all. */
  readonly labels: readonly Label[];
}

export type AgentRow = ProjectedRow<AgentSummary>;

/** Up to `page.limit + 1` agents, in the page's order. */
export function listAgents(
  database: D1Database,
  filter: AgentFilter,
  page: Page,
): Promise<AgentRow[]> {
  const sql = new FilterSql(page);
  sql.oneOf("project_id", filter.projects === "*" ? null : filter.projects);
  sql.equals("session_id", filter.session_id);
  sql.equals("parent_id", filter.parent_id);
  sql.oneOf("state", filter.states);
  sql.equals("name", filter.name);
  sql.equals("model", filter.model);
  sql.labels(filter.labels);
  return listProjected(database, "agents", sql, agentSummarySchema);
}
