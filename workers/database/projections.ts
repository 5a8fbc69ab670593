/** Reads the tables that objects project to: each row has the summary that lists show as its document. */
import { z } from "zod";
import type { FilterSql } from "../http/filters.ts";
import type { Position } from "../http/page.ts";

/** A row of a list, with its place in the list's order. */
export interface ProjectedRow<Summary> extends Position {
  readonly summary: Summary;
}

const rowSchema = z.object({ id: z.string(), created_at: z.number(), document: z.string() });

/** Up to one row more than the page of `sql` has, in the page's order. */
export async function listProjected<Summary>(
  database: D1Database,
  table: "tasks" | "pipelines" | "skill_invocations" | "agents",
  sql: FilterSql,
  summarySchema: z.ZodType<Summary>,
): Promise<ProjectedRow<Summary>[]> {
  const { results } = await database
    .prepare(`SELECT id, created_at, document FROM ${table} ${sql.clause}`)
    .bind(...sql.parameters)
    .all();
  return results.map((result) => {
    const { document, ...position } = rowSchema.parse(result);
    return { ...position, summary: summarySchema.parse(JSON.parse(document)) };
  });
}
