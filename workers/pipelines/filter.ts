/** The filter that a query means, of lists and of bulk actions alike. */
import type { z } from "@hono/zod-openapi";
import type { listPipelinesQuery } from "./schemas.ts";
import type { ListFilter } from "./service.ts";

export function toFilter(query: z.output<typeof listPipelinesQuery>): ListFilter {
  return {
    project_id: query.project_id ?? null,
    states: query.state ?? null,
    name: query.name ?? null,
    pipeline_type: query.pipeline_type ?? null,
    triggered_by: query.triggered_by ?? null,
    labels: query.label ?? [],
  };
}
