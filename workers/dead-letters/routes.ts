/** `/api/v1/dead-letters`. */
import { z } from "@hono/zod-openapi";
import { createRouter, type Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { readPage } from "../http/page.ts";
import { idSchema } from "../http/schemas.ts";
import {
  deadLetterListSchema,
  deadLetterQuery,
  deadLetterSchema,
  MAX_REDRIVEN,
  redriveReplySchema,
  redriveSchema,
} from "./schemas.ts";
import type { DeadLetterService } from "./service.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly deadLetters: DeadLetterService;
  }
}

const tags = ["Dead letters"];
const params = z.object({ dead_letter_id: idSchema });

export function deadLetterRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "get",
      path: "/dead-letters",
      operationId: "listDeadLetters",
      tags,
      scope: "dead_letters:read",
      summary: "List dispatches that could not be delivered",
      description:
        "Each failed its attempt with the code `dispatch_undeliverable`. They are kept for RUN_RETENTION_SECONDS.",
      request: { query: deadLetterQuery },
      responses: { 200: { description: "A page of dead letters.", schema: deadLetterListSchema } },
    },
    async (c, { query, principal }) => {
      const { project_id = null, task_type = null, resource_id = null, status = null } = query;
      const { url } = c.req;
      const filter = { project_id, task_type, resource_id, status };
      const page = await c
        .get("services")
        .deadLetters.list(principal, filter, readPage(query, url), url);
      return { status: 200, ...page };
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/dead-letters/redrive",
      operationId: "redriveDeadLetters",
      tags,
      scope: "dead_letters:write",
      summary: "Retry the runs that failed by them",
      description: `Up to ${MAX_REDRIVEN} that are open, oldest first, by the list's filters or by their ids. Each retries the newest run of its task or pipeline as \`retry\` does, which needs the scope \`tasks:execute\` or \`pipelines:execute\` as well; one whose run is no longer the newest, or failed by something else, is skipped with the reason.`,
      request: { body: redriveSchema },
      responses: { 200: { description: "What became of each.", schema: redriveReplySchema } },
    },
    async (c, { body, principal }) => ({
      status: 200,
      body: await c.get("services").deadLetters.redrive(principal, body, c.req.url, Date.now()),
    }),
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/dead-letters/{dead_letter_id}",
      operationId: "getDeadLetter",
      tags,
      scope: "dead_letters:read",
      summary: "Get a dead letter",
      request: { params },
      responses: { 200: { description: "The dead letter.", schema: deadLetterSchema } },
    },
    async (c, { params: { dead_letter_id }, principal }) => ({
      status: 200,
      body: await c.get("services").deadLetters.get(principal, dead_letter_id),
    }),
  );

  endpoint(
    router,
    {
      method: "delete",
      path: "/dead-letters/{dead_letter_id}",
      operationId: "deleteDeadLetter",
      tags,
      scope: "dead_letters:write",
      summary: "Delete a dead letter",
      description: "Its task or pipeline stays as it is.",
      request: { params },
      responses: { 204: { description: "It is deleted." } },
    },
    async (c, { params: { dead_letter_id }, principal }) => {
      await c.get("services").deadLetters.remove(principal, dead_letter_id);
      return { status: 204 };
    },
  );

  return router;
}
