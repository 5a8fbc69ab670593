/** `/api/v1/integrations`: the neighbours, and how deliveries to them do. */
import { z } from "@hono/zod-openapi";
import { createRouter, type Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { sliceQuery, toSlice } from "../http/slice.ts";
import {
  integrationListSchema,
  integrationParams,
  integrationSchema,
  parkedListSchema,
  redrivenSchema,
  redriveSchema,
} from "./schemas.ts";
import type { IntegrationService } from "./service.ts";
import { toIntegration, toParked } from "./view.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly integrations: IntegrationService;
  }
}

const tags = ["integrations"];

export function integrationRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "get",
      path: "/integrations",
      operationId: "listIntegrations",
      tags,
      scope: "integrations:read",
      summary: "List the neighbours, with the health and the lag of deliveries to each",
      responses: { 200: { description: "All of them.", schema: integrationListSchema } },
    },
    async (c) => {
      const items = await c.get("services").integrations.list();
      const now = Date.now();
      return { status: 200, body: { items: items.map((each) => toIntegration(each, now)) } };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/integrations/{integration_id}",
      operationId: "getIntegration",
      tags,
      scope: "integrations:read",
      summary: "Get one neighbour",
      request: { params: integrationParams },
      responses: { 200: { description: "How it does.", schema: integrationSchema } },
    },
    async (c, { params: { integration_id } }) => {
      const found = await c.get("services").integrations.get(integration_id);
      return { status: 200, body: toIntegration(found, Date.now()) };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/integrations/{integration_id}/parked",
      operationId: "listParkedDeliveries",
      tags,
      scope: "integrations:read",
      summary: "List what could not be delivered to a neighbour, and is not tried any more",
      request: { params: integrationParams, query: z.strictObject(sliceQuery) },
      responses: { 200: { description: "A page, oldest first.", schema: parkedListSchema } },
    },
    async (c, { principal, params: { integration_id }, query: { limit, cursor = 0 } }) => {
      const { integrations } = c.get("services");
      const rows = await integrations.parked(principal, integration_id, cursor, limit + 1);
      const next = rows.length > limit ? cursor + limit : null;
      return toSlice(c.req.url, rows.slice(0, limit).map(toParked), next);
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/integrations/{integration_id}/redrive",
      operationId: "redriveIntegration",
      tags,
      scope: "integrations:write",
      summary: "Try again what was parked",
      request: { params: integrationParams, body: redriveSchema },
      responses: { 200: { description: "How much it was.", schema: redrivenSchema } },
    },
    async (c, { principal, params: { integration_id }, body: { entities } }) => {
      const redriven = await c
        .get("services")
        .integrations.redrive(principal, integration_id, entities);
      return { status: 200, body: { redriven } };
    },
  );

  return router;
}
