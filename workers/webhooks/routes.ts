/** `/api/v1/webhooks`. */
import { etag, matchHeader, matchOf } from "../http/conditional.ts";
import { createRouter, type Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { readPage, toPage } from "../http/page.ts";
import { deliveryRoutes } from "./delivery-routes.ts";
import {
  createWebhookSchema,
  revealedSchema,
  rotateWebhookSchema,
  updateWebhookSchema,
  webhookDetailSchema,
  webhookListSchema,
  webhookParams,
  webhookQuery,
  webhookSchema,
} from "./schemas.ts";
import type { Revealed, WebhookService } from "./service.ts";
import { toStatus, toWebhook } from "./view.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly webhooks: WebhookService;
  }
}

const tags = ["webhooks"];
const ETAG_HEADER = { ETag: "The revision, for If-Match." };

/** Paths are relative to `/api/v1`. */
export function webhookRoutes(): Router {
  const router = createRouter();
  createRoutes(router);
  readRoutes(router);
  changeRoutes(router);
  deliveryRoutes(router);
  return router;
}

function createRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "post",
      path: "/webhooks",
      operationId: "createWebhook",
      tags,
      scope: "webhooks:write",
      summary: "Have events of a project sent to an address",
      description:
        "Each event is one POST of `{type, timestamp, data}`, signed as the Standard Webhooks specification says (`webhook-id`, `webhook-timestamp`, `webhook-signature`). Events of one resource come in their order; one may come twice, with the same `webhook-id`. The secret is in this answer and nowhere else.",
      request: { body: createWebhookSchema },
      sensitive: true,
      private_body: true,
      responses: {
        201: {
          description: "It is sent what happens from now on.",
          schema: revealedSchema,
          headers: { Location: "The webhook's path.", ...ETAG_HEADER },
        },
      },
      errors: ["conflict", "misconfigured"],
    },
    async (c, { body, principal, seed }) => {
      const created = await c.get("services").webhooks.create(principal, body, seed);
      const { id, revision } = created.row;
      const headers = { Location: `/api/v1/webhooks/${id}`, ETag: etag(revision) };
      return { status: 201, body: reveal(created), headers };
    },
  );
  endpoint(
    router,
    {
      method: "post",
      path: "/webhooks/{webhook_id}/rotate-secret",
      operationId: "rotateWebhookSecret",
      tags,
      scope: "webhooks:write",
      summary: "Give a webhook a new secret",
      description:
        "The secret before signs beside the new one for `overlap_seconds`, so that the receiver can be changed meanwhile.",
      request: { params: webhookParams, body: rotateWebhookSchema },
      sensitive: true,
      private_body: true,
      responses: {
        200: {
          description: "The webhook, with the secret.",
          schema: revealedSchema,
          headers: ETAG_HEADER,
        },
      },
      errors: ["conflict", "misconfigured"],
    },
    async (c, { params: { webhook_id }, body, principal, seed }) => {
      const { webhooks } = c.get("services");
      const rotated = await webhooks.rotate(principal, webhook_id, body, seed);
      return {
        status: 200,
        body: reveal(rotated),
        headers: { ETag: etag(rotated.row.revision) },
      };
    },
  );
}

function readRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/webhooks",
      operationId: "listWebhooks",
      tags,
      scope: "webhooks:read",
      summary: "List webhooks, without their secrets",
      request: { query: webhookQuery },
      responses: { 200: { description: "A page of webhooks.", schema: webhookListSchema } },
    },
    async (c, { query, principal }) => {
      const { url } = c.req;
      const page = readPage(query, url);
      const rows = await c.get("services").webhooks.list(principal, query, page);
      const now = Date.now();
      return {
        status: 200,
        ...toPage(
          rows,
          page,
          url,
          (row) => row,
          (row) => toWebhook(row, now),
        ),
      };
    },
  );
  endpoint(
    router,
    {
      method: "get",
      path: "/webhooks/{webhook_id}",
      operationId: "getWebhook",
      tags,
      scope: "webhooks:read",
      summary: "Get a webhook, with how its deliveries go",
      request: { params: webhookParams },
      responses: {
        200: { description: "The webhook.", schema: webhookDetailSchema, headers: ETAG_HEADER },
      },
    },
    async (c, { params: { webhook_id }, principal }) => {
      const { webhooks } = c.get("services");
      const row = await webhooks.get(principal, webhook_id);
      const status = await webhooks.status(row);
      const now = Date.now();
      const body = { ...toWebhook(row, now), status: toStatus(row, status, now) };
      return { status: 200, body, headers: { ETag: etag(row.revision) } };
    },
  );
}

function changeRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "patch",
      path: "/webhooks/{webhook_id}",
      operationId: "updateWebhook",
      tags,
      scope: "webhooks:write",
      summary: "Change a webhook",
      description:
        "What waits is sent as it is then, at once, even if it was to wait longer after a failure of the endpoint. `enabled: true` brings back one that was disabled.",
      request: { params: webhookParams, headers: matchHeader, body: updateWebhookSchema },
      responses: {
        200: { description: "The webhook.", schema: webhookSchema, headers: ETAG_HEADER },
      },
      errors: ["precondition_failed", "conflict"],
    },
    async (c, { params: { webhook_id }, headers, body, principal }) => {
      const match = matchOf(headers["if-match"]);
      const row = await c.get("services").webhooks.update(principal, webhook_id, body, match);
      const headersOut = { ETag: etag(row.revision) };
      return { status: 200, body: toWebhook(row, Date.now()), headers: headersOut };
    },
  );
  endpoint(
    router,
    {
      method: "delete",
      path: "/webhooks/{webhook_id}",
      operationId: "deleteWebhook",
      tags,
      scope: "webhooks:write",
      summary: "Delete a webhook",
      description: "What waits for it, and its log, are gone with it.",
      request: { params: webhookParams, headers: matchHeader },
      responses: { 204: { description: "It is deleted." } },
      errors: ["precondition_failed"],
    },
    async (c, { params: { webhook_id }, headers, principal }) => {
      const match = matchOf(headers["if-match"]);
      await c.get("services").webhooks.remove(principal, webhook_id, match);
      return { status: 204 };
    },
  );
}

function reveal({ row, secret }: Revealed) {
  return { ...toWebhook(row, Date.now()), secret };
}
