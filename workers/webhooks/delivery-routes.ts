/** `/api/v1/webhooks/{id}/…`: what was sent to a webhook, and sending it again. */
import { z } from "@hono/zod-openapi";
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { sliceQuery, toSlice } from "../http/slice.ts";
import {
  deliveryParams,
  redrivenWebhookSchema,
  redriveWebhookSchema,
  webhookAnswerSchema,
  webhookDeliveryListSchema,
  webhookParams,
} from "./schemas.ts";
import { toDelivery } from "./view.ts";

const tags = ["webhooks"];

export function deliveryRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/webhooks/{webhook_id}/deliveries",
      operationId: "listWebhookDeliveries",
      tags,
      scope: "webhooks:read",
      summary: "List the requests that were sent to a webhook, newest first",
      description: "The newest 1,000 are kept.",
      request: { params: webhookParams, query: z.strictObject(sliceQuery) },
      responses: { 200: { description: "A page.", schema: webhookDeliveryListSchema } },
    },
    async (c, { params: { webhook_id }, query: { limit, cursor = null }, principal }) => {
      const { webhooks } = c.get("services");
      const rows = await webhooks.deliveries(principal, webhook_id, cursor, limit + 1);
      const shown = rows.slice(0, limit).map(toDelivery);
      const next = rows.length > limit ? (shown.at(-1)?.number ?? null) : null;
      return toSlice(c.req.url, shown, next);
    },
  );
  endpoint(
    router,
    {
      method: "post",
      path: "/webhooks/{webhook_id}/test",
      operationId: "testWebhook",
      tags,
      scope: "webhooks:write",
      summary: "Send a `webhook.test` now, and say what came back",
      description: "Whatever the webhook is subscribed to, and though it is disabled.",
      request: { params: webhookParams },
      responses: { 200: { description: "What came of it.", schema: webhookAnswerSchema } },
      errors: ["misconfigured"],
    },
    async (c, { params: { webhook_id }, principal, seed }) => ({
      status: 200,
      body: await c.get("services").webhooks.test(principal, webhook_id, seed),
    }),
  );
  endpoint(
    router,
    {
      method: "post",
      path: "/webhooks/{webhook_id}/deliveries/{number}/redeliver",
      operationId: "redeliverWebhookEvent",
      tags,
      scope: "webhooks:write",
      summary: "Send an event of the log again, now, with the same `webhook-id`",
      request: { params: deliveryParams },
      responses: { 200: { description: "What came of it.", schema: webhookAnswerSchema } },
      errors: ["conflict", "misconfigured"],
    },
    async (c, { params: { webhook_id, number }, principal }) => ({
      status: 200,
      body: await c.get("services").webhooks.redeliver(principal, webhook_id, number),
    }),
  );
  endpoint(
    router,
    {
      method: "post",
      path: "/webhooks/{webhook_id}/redrive",
      operationId: "redriveWebhook",
      tags,
      scope: "webhooks:write",
      summary: "Try again what was parked",
      description:
        "A resource is parked when the receiver refuses an event of it with a 4xx, or when all attempts at it alone have failed. What happens to it meanwhile waits behind that event.",
      request: { params: webhookParams, body: redriveWebhookSchema },
      responses: { 200: { description: "How much it was.", schema: redrivenWebhookSchema } },
    },
    async (c, { params: { webhook_id }, body: { resource_ids }, principal }) => {
      const { webhooks } = c.get("services");
      const redriven = await webhooks.redrive(principal, webhook_id, resource_ids);
      return { status: 200, body: { redriven } };
    },
  );
}
