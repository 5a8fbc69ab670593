/** The D1 side of agents: lists of what their objects project. */
import { z } from "zod";
import { FilterSql, type Label } from "../http/filters.ts";
import type { Page, Position } from "../http/page.ts";
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

export interface AgentRow extends Position {
  readonly summary: AgentSummary;
}

const rowSchema = z.object({ id: z.string(), created_at: z.number(), document: z.string() });

/** Up to `page.limit + 1` agents, in the page's order. */
export async function listAgents(
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
  const { results } = await database
    .prepare(`SELECT id, created_at, document FROM agents ${sql.clause}`)
    .bind(...sql.parameters)
    .all();
  return z
    .array(rowSchema)
    .parse(results)
    .map(({ id, created_at, document }) => ({
      id,
      created_at,
      summary: agentSummarySchema.parse(JSON.parse(document)),
    }));
}
