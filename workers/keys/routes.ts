/** `/api/v1/keys`. */
import { z } from "@hono/zod-openapi";
import { createRouter, type Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { pageQuery, readPage } from "../http/page.ts";
import { idSchema } from "../http/schemas.ts";
import { createdKeySchema, createKeySchema, keyListSchema, keySchema } from "./schemas.ts";
import type { KeyService } from "./service.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly keys: KeyService;
  }
}

const tags = ["Keys"];
const params = z.object({ key_id: idSchema });

export function keyRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "post",
      path: "/keys",
      operationId: "createKey",
      tags,
      scope: "keys:admin",
      summary: "Create an API key",
      description: "The key is in this answer and nowhere else; only its hash is stored.",
      request: { body: createKeySchema },
      sensitive: true,
      responses: {
        201: {
          description: "The key.",
          schema: createdKeySchema,
          headers: { Location: "The key's path." },
        },
      },
    },
    async (c, { body, principal, seed }) => {
      const key = await c.get("services").keys.create(principal, seed, body, Date.now());
      return { status: 201, body: key, headers: { Location: `/api/v1/keys/${key.id}` } };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/keys",
      operationId: "listKeys",
      tags,
      scope: "keys:admin",
      summary: "List API keys",
      description: "Revoked and expired keys are listed too. Secrets are never shown again.",
      request: { query: z.strictObject(pageQuery) },
      responses: { 200: { description: "A page of keys.", schema: keyListSchema } },
    },
    async (c, { query, principal }) => {
      const page = await c
        .get("services")
        .keys.list(principal, readPage(query, c.req.url), c.req.url);
      return { status: 200, ...page };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/keys/{key_id}",
      operationId: "getKey",
      tags,
      scope: "keys:admin",
      summary: "Get an API key",
      request: { params },
      responses: { 200: { description: "The key, without its secret.", schema: keySchema } },
    },
    async (c, { params: { key_id }, principal }) => ({
      status: 200,
      body: await c.get("services").keys.get(principal, key_id),
    }),
  );

  endpoint(
    router,
    {
      method: "delete",
      path: "/keys/{key_id}",
      operationId: "revokeKey",
      tags,
      scope: "keys:admin",
      summary: "Revoke an API key",
      description:
        "It is refused everywhere within 10 seconds. It stays listed with its `revoked_at`.",
      request: { params },
      responses: { 204: { description: "The key is revoked." } },
    },
    async (c, { params: { key_id }, principal }) => {
      await c.get("services").keys.revoke(principal, key_id, Date.now());
      return { status: 204 };
    },
  );

  return router;
}
