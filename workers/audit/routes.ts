/** `/api/v1/audit`. */

import { z } from "@hono/zod-openapi";
import { createRouter, type Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { readPage } from "../http/page.ts";
import {
  auditEntryDetailSchema,
  auditEntryListSchema,
  auditQuery,
  entryParams,
  entryQuery,
  exportQuery,
  readSeq,
  verificationSchema,
  verifySchema,
} from "./schemas.ts";
import type { AuditService } from "./service.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly audit: AuditService;
  }
}

const tags = ["Audit"];
const EXPORT_TYPE = "application/x-ndjson";

export function auditRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "get",
      path: "/audit",
      operationId: "listAuditEntries",
      tags,
      scope: "audit:read",
      summary: "List what was done, and what was refused",
      description:
        "The entries of one project: every call that changes something, and every denial. A caller of several projects names the one it means.",
      request: { query: auditQuery },
      responses: { 200: { description: "A page of entries.", schema: auditEntryListSchema } },
    },
    async (c, { query, principal }) => {
      const { actor = null, action = null, entity_type = null, entity_id = null } = query;
      const { outcome = null, request_id = null } = query;
      const filter = { actor, action, entity_type, entity_id, outcome, request_id };
      const { url } = c.req;
      const { audit } = c.get("services");
      const page = await audit.list(principal, query, filter, readPage(query, url), url);
      return { status: 200, ...page };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/audit/export",
      operationId: "exportAuditEntries",
      tags,
      scope: "audit:read",
      summary: "Export entries as lines of JSON",
      description:
        "In their order, up to the newest. The hash of an entry is the SHA-256 of its line without `hash`, with sorted keys and no spaces.",
      request: { query: exportQuery },
      responses: { 200: { description: "The entries.", content: { [EXPORT_TYPE]: z.string() } } },
      errors: ["not_found"],
    },
    async (c, { query, principal }) => {
      const { from = 1, to = null } = query;
      const lines = c.get("services").audit.export(principal, query, { from, to });
      return new Response(lines, { headers: { "Content-Type": EXPORT_TYPE } });
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/audit/verify",
      operationId: "verifyAudit",
      tags,
      scope: "audit:read",
      summary: "Check that no entry was changed, left out or put in",
      description:
        "Checks the chain of hashes, and that the log has the newest entry that D1 knows and the one that you remember. Names the first entry that is not as it was.",
      request: { body: verifySchema },
      responses: { 200: { description: "What was found.", schema: verificationSchema } },
      errors: ["not_found"],
    },
    async (c, { body, principal }) => ({
      status: 200,
      body: await c.get("services").audit.verify(principal, body, Date.now()),
    }),
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/audit/{seq}",
      operationId: "getAuditEntry",
      tags,
      scope: "audit:read",
      summary: "Get an entry, with what it was about before",
      request: { params: entryParams, query: entryQuery },
      responses: { 200: { description: "The entry.", schema: auditEntryDetailSchema } },
      errors: ["conflict"],
    },
    async (c, { params: { seq }, query, principal }) => ({
      status: 200,
      body: await c.get("services").audit.get(principal, query, readSeq(seq), seq),
    }),
  );

  return router;
}
