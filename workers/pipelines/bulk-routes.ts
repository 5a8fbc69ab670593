/** Actions on every pipeline that a filter finds. */
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { ApiError } from "../http/errors.ts";
import { readPage, toPage } from "../http/page.ts";
import { actOnAll } from "./bulk-service.ts";
import { bulkSchema } from "./control-schemas.ts";
import { toFilter } from "./filter.ts";
import { tags } from "./replies.ts";
import { listPipelinesQuery } from "./schemas.ts";

const ACTIONS = [
  ["cancel", "bulkCancelPipelines", "Cancel the newest live run of every pipeline that matches"],
  ["retry", "bulkRetryPipelines", "Retry the newest run of every pipeline that matches"],
] as const;

export function bulkRoutes(router: Router): void {
  for (const [action, operationId, summary] of ACTIONS) {
    endpoint(
      router,
      {
        method: "post",
        path: `/pipelines/bulk/${action}`,
        operationId,
        tags,
        summary,
        description:
          "Chooses as the list does, by at least one filter, and without `state` those that the action makes sense for. One call acts on `limit` of them; repeat it with `next_cursor` until that is null.",
        scope: "pipelines:execute",
        request: { query: listPipelinesQuery },
        responses: { 200: { description: "What became of each.", schema: bulkSchema } },
      },
      async (c, { principal, seed, query }) => {
        requireFilter(query);
        const page = readPage(query, c.req.url);
        const { rows, succeeded, failed } = await actOnAll(
          c.get("services"),
          principal,
          seed,
          action,
          toFilter(query),
          page,
        );
        const { body, headers } = toPage(rows, page, c.req.url, position, ({ id }) => id);
        const { items, next_cursor } = body;
        const outcome = { matched: items.length, succeeded, failed, next_cursor };
        return { status: 200, body: outcome, headers };
      },
    );
  }
}

/** What pages a list chooses nothing. */
const PAGING = ["limit", "cursor", "order"];

/** A call that was meant to name something must not act on everything. */
function requireFilter(query: object): void {
  const filters = Object.entries(query).filter(
    ([name, value]) => value !== undefined && !PAGING.includes(name),
  );
  if (filters.length > 0) return;
  throw new ApiError("validation_failed", "Say which pipelines are meant.", {
    issues: [
      {
        path: "query",
        message: "Give at least one filter, such as name, label, state or project_id.",
      },
    ],
  });
}

function position<Row>(row: Row): Row {
  return row;
}
