/** `/api/v1/secrets`: write-only secrets of a project. */
import { z } from "@hono/zod-openapi";
import { etag, isFresh, notModified } from "../http/conditional.ts";
import { createRouter, type Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { pageQuery, readPage, toPage } from "../http/page.ts";
import { timestamp } from "../http/schemas.ts";
import type { SecretRow } from "./repository.ts";
import {
  createSecretSchema,
  ifMatchHeaders,
  rotationSchema,
  type Secret,
  secretListSchema,
  secretParams,
  secretSchema,
  updateSecretSchema,
} from "./schemas.ts";
import type { SecretService } from "./service.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly secrets: SecretService;
  }
}

const TAGS = ["secrets"];
const ETAG_HEADER = { ETag: "The version, for If-Match." };

/** Paths are relative to `/api/v1`. */
export function secretRoutes(): Router {
  const router = createRouter();
  createRoutes(router);
  readRoutes(router);
  changeRoutes(router);
  return router;
}

function createRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "post",
      path: "/secrets",
      operationId: "createSecret",
      private_body: true,
      tags: TAGS,
      summary: "Store a secret",
      description: "The value is encrypted and never returned; tasks of the project may name it.",
      scope: "secrets:write",
      request: { body: createSecretSchema },
      responses: {
        201: {
          description: "The secret is stored.",
          schema: secretSchema,
          headers: { Location: "The secret's URL.", ...ETAG_HEADER },
        },
      },
      errors: ["conflict"],
    },
    async (c, { body, principal, seed }) => {
      const row = await c.get("services").secrets.create(principal, body, seed);
      return {
        status: 201,
        body: render(row),
        headers: { Location: `/api/v1/secrets/${row.id}`, ETag: etag(row.version) },
      };
    },
  );
  endpoint(
    router,
    {
      method: "post",
      path: "/secrets/rotate",
      operationId: "rotateSecrets",
      tags: TAGS,
      summary: "Encrypt secrets with the first master key",
      description:
        "After a new key was put first in SECRETS_MASTER_KEYS, call this until `remaining` is 0; then the older keys can be removed. Covers the caller's projects.",
      scope: "secrets:write",
      responses: { 200: { description: "One batch was done.", schema: rotationSchema } },
    },
    async (c, { principal }) => ({
      status: 200,
      body: await c.get("services").secrets.rotate(principal),
    }),
  );
}

function readRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/secrets",
      operationId: "listSecrets",
      tags: TAGS,
      summary: "List secrets, without values",
      scope: "secrets:read",
      request: {
        query: z.strictObject({
          ...pageQuery,
          project_id: z.string().max(200).optional(),
          name: z.string().max(200).optional(),
        }),
      },
      responses: {
        200: {
          description: "One page of secrets.",
          schema: secretListSchema,
          headers: { Link: 'The next page, as rel="next".' },
        },
      },
    },
    async (c, { query, principal }) => {
      const page = readPage(query, c.req.url);
      const rows = await c.get("services").secrets.list(principal, query, page);
      return { status: 200, ...toPage(rows, page, c.req.url, (row) => row, render) };
    },
  );
  endpoint(
    router,
    {
      method: "get",
      path: "/secrets/{secret_id}",
      operationId: "getSecret",
      tags: TAGS,
      summary: "Get a secret's metadata",
      scope: "secrets:read",
      request: {
        params: secretParams,
        headers: z.object({ "if-none-match": z.string().max(500).optional() }),
      },
      responses: {
        200: { description: "The secret.", schema: secretSchema, headers: ETAG_HEADER },
        304: { description: "The caller has this version." },
      },
    },
    async (c, { params, headers, principal }) => {
      const row = await c.get("services").secrets.get(principal, params.secret_id);
      if (isFresh(headers["if-none-match"], row.version)) return notModified(row.version);
      return { status: 200, body: render(row), headers: { ETag: etag(row.version) } };
    },
  );
}

function changeRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "patch",
      path: "/secrets/{secret_id}",
      operationId: "updateSecret",
      private_body: true,
      tags: TAGS,
      summary: "Give a secret a new value",
      description: "Attempts that start from now on get the new value.",
      scope: "secrets:write",
      request: { params: secretParams, headers: ifMatchHeaders, body: updateSecretSchema },
      responses: {
        200: { description: "The new version.", schema: secretSchema, headers: ETAG_HEADER },
      },
      errors: ["precondition_failed", "conflict"],
    },
    async (c, { params, headers, body, principal }) => {
      const { secrets } = c.get("services");
      const row = await secrets.replace(
        principal,
        params.secret_id,
        body.value,
        headers["if-match"],
      );
      return { status: 200, body: render(row), headers: { ETag: etag(row.version) } };
    },
  );
  endpoint(
    router,
    {
      method: "delete",
      path: "/secrets/{secret_id}",
      operationId: "deleteSecret",
      tags: TAGS,
      summary: "Delete a secret",
      description: "Attempts that start from now on and name it fail with `secret_not_found`.",
      scope: "secrets:write",
      request: { params: secretParams, headers: ifMatchHeaders },
      responses: { 204: { description: "It is deleted." } },
      errors: ["precondition_failed"],
    },
    async (c, { params, headers, principal }) => {
      await c.get("services").secrets.remove(principal, params.secret_id, headers["if-match"]);
      return { status: 204 };
    },
  );
}

function render(row: SecretRow): Secret {
  return {
    ...row,
    created_at: timestamp(row.created_at),
    updated_at: timestamp(row.updated_at),
  };
}
