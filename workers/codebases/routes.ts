/** `/api/v1/codebases`. */
import {
  etag,
  freshHeader,
  isFresh,
  matchHeader,
  matchOf,
  notModified,
} from "../http/conditional.ts";
import { createRouter, type Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { readPage } from "../http/page.ts";
import { crossSearchRoutes } from "./cross-search-routes.ts";
import { readingRoutes } from "./reading-routes.ts";
import {
  codebaseListSchema,
  codebaseQuery,
  codebaseSchema,
  createCodebaseSchema,
  codebaseParams as params,
  patchCodebaseSchema,
  toCodebase,
} from "./schemas.ts";
import type { CodebaseService } from "./service.ts";
import { snapshotRoutes } from "./snapshot-routes.ts";
import { understandingRoutes } from "./understanding-routes.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly codebases: CodebaseService;
  }
}

const tags = ["Codebases"];
const CODEBASE_HEADERS = { Location: "The codebase's path.", ETag: "Its version." };

export function codebaseRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "post",
      path: "/codebases",
      operationId: "createCodebase",
      tags,
      scope: "codebases:write",
      summary: "Create a codebase",
      description:
        "It is empty until a snapshot is pushed or imported. With a `source` that is imported at once; `GET …/events` follows it.",
      request: { body: createCodebaseSchema },
      responses: {
        201: { description: "The codebase.", schema: codebaseSchema, headers: CODEBASE_HEADERS },
      },
      errors: ["conflict"],
    },
    async (c, { body, principal, seed }) => {
      const { codebases, snapshots } = c.get("services");
      const row = await codebases.create(principal, seed, body, Date.now());
      if (row.source_url !== null) {
        await snapshots.import(principal, row.id, seed, { url: null, ref: null, secret: null });
      }
      const headers = { Location: `/api/v1/codebases/${row.id}`, ETag: etag(row.revision) };
      return { status: 201, body: toCodebase(row), headers };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/codebases",
      operationId: "listCodebases",
      tags,
      scope: "codebases:read",
      summary: "List codebases",
      description: "Their newest snapshot may lag by a moment here.",
      request: { query: codebaseQuery },
      responses: { 200: { description: "A page of codebases.", schema: codebaseListSchema } },
    },
    async (c, { query, principal }) => {
      const { url } = c.req;
      const page = await c
        .get("services")
        .codebases.list(principal, query, readPage(query, url), url);
      return { status: 200, ...page };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/codebases/{codebase_id}",
      operationId: "getCodebase",
      tags,
      scope: "codebases:read",
      summary: "Get a codebase",
      request: { params, headers: freshHeader },
      responses: {
        200: {
          description: "The codebase.",
          schema: codebaseSchema,
          headers: { ETag: "Its version." },
        },
        304: { description: "It has not changed." },
      },
    },
    async (c, { params: { codebase_id }, headers, principal }) => {
      const { document, revision } = await c.get("services").codebases.get(principal, codebase_id);
      if (isFresh(headers["if-none-match"], revision)) return notModified(revision);
      return { status: 200, body: document, headers: { ETag: etag(revision) } };
    },
  );

  endpoint(
    router,
    {
      method: "patch",
      path: "/codebases/{codebase_id}",
      operationId: "updateCodebase",
      tags,
      scope: "codebases:write",
      summary: "Change a codebase's name, description, labels or source",
      request: { params, headers: matchHeader, body: patchCodebaseSchema },
      responses: {
        200: {
          description: "The codebase.",
          schema: codebaseSchema,
          headers: { ETag: "Its version." },
        },
      },
      errors: ["conflict", "precondition_failed"],
    },
    async (c, { params: { codebase_id }, headers, body, principal }) => {
      const match = matchOf(headers["if-match"]);
      const { document, revision } = await c
        .get("services")
        .codebases.update(principal, codebase_id, body, match, Date.now());
      return { status: 200, body: document, headers: { ETag: etag(revision) } };
    },
  );

  endpoint(
    router,
    {
      method: "delete",
      path: "/codebases/{codebase_id}",
      operationId: "deleteCodebase",
      tags,
      scope: "codebases:write",
      summary: "Delete a codebase with its index, contents and archives",
      request: { params },
      responses: { 204: { description: "It is deleted." } },
    },
    async (c, { params: { codebase_id }, principal }) => {
      await c.get("services").codebases.remove(principal, codebase_id, Date.now());
      return { status: 204 };
    },
  );

  snapshotRoutes(router);
  readingRoutes(router);
  understandingRoutes(router);
  crossSearchRoutes(router);
  return router;
}
