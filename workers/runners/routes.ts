/** `/api/v1/runners`. */
import { z } from "@hono/zod-openapi";
import { createRouter, type Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { pageQuery, readPage } from "../http/page.ts";
import { idSchema, projectIdSchema } from "../http/schemas.ts";
import {
  createdRunnerSchema,
  createRunnerSchema,
  runnerListSchema,
  runnerSchema,
} from "./schemas.ts";
import type { RunnerService } from "./service.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly runners: RunnerService;
  }
}

const tags = ["Runners"];
const params = z.object({ runner_id: idSchema });

export function runnerRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "post",
      path: "/runners",
      operationId: "createRunner",
      tags,
      scope: "runners:write",
      summary: "Register a companion runner",
      description:
        "Answers with a token for one runner, good for an hour, and the command that starts it. A runner is given the code and the secrets of the tasks that it carries out.",
      request: { body: createRunnerSchema },
      sensitive: true,
      responses: {
        201: {
          description: "The runner, which has not registered yet.",
          schema: createdRunnerSchema,
          headers: { Location: "The runner's path." },
        },
      },
    },
    async (c, { body, principal, seed }) => {
      const { origin } = new URL(c.req.url);
      const runner = await c
        .get("services")
        .runners.create(principal, seed, body, origin, Date.now());
      return { status: 201, body: runner, headers: { Location: `/api/v1/runners/${runner.id}` } };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/runners",
      operationId: "listRunners",
      tags,
      scope: "runners:read",
      summary: "List runners",
      description: "Shared ones are shown to callers of all projects. Revoked ones are listed too.",
      request: { query: z.strictObject({ ...pageQuery, project_id: projectIdSchema.optional() }) },
      responses: { 200: { description: "A page of runners.", schema: runnerListSchema } },
    },
    async (c, { query, principal }) => {
      const { url } = c.req;
      const page = await c
        .get("services")
        .runners.list(principal, query.project_id, readPage(query, url), url);
      return { status: 200, ...page };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/runners/{runner_id}",
      operationId: "getRunner",
      tags,
      scope: "runners:read",
      summary: "Get a runner",
      request: { params },
      responses: { 200: { description: "The runner.", schema: runnerSchema } },
    },
    async (c, { params: { runner_id }, principal }) => ({
      status: 200,
      body: await c.get("services").runners.get(principal, runner_id),
    }),
  );

  endpoint(
    router,
    {
      method: "delete",
      path: "/runners/{runner_id}",
      operationId: "revokeRunner",
      tags,
      scope: "runners:write",
      summary: "Revoke a runner",
      description:
        "It is refused at once, and what it has under way is lost: the service dispatches it again. It stays listed with its `revoked_at`.",
      request: { params },
      responses: { 204: { description: "The runner is revoked." } },
      errors: ["unavailable"],
    },
    async (c, { params: { runner_id }, principal }) => {
      await c.get("services").runners.revoke(principal, runner_id, Date.now());
      return { status: 204 };
    },
  );

  return router;
}
