/** How snapshots come into a codebase, and what is known of them. */
import { z } from "@hono/zod-openapi";
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { nextLink } from "../http/page.ts";
import { eventStream, lastEventId } from "../http/sse.ts";
import {
  archiveQuery,
  codebaseParams,
  importBody,
  manifestBody,
  missingSchema,
  pushedSchema,
  snapshotListSchema,
  snapshotParams,
  snapshotSchema,
  takenSchema,
  toSnapshot,
} from "./schemas.ts";
import type { SnapshotService } from "./snapshot-service.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly snapshots: SnapshotService;
  }
}

const tags = ["Codebases"];
const ARCHIVE_TYPE = "application/octet-stream";
const LOCATION = { Location: "The snapshot's path." };
const seqSchema = z
  .string()
  .regex(/^\d{1,15}$/, "Send a whole number.")
  .transform(Number);

const listQuery = z.strictObject({
  limit: seqSchema
    .refine((limit) => limit >= 1 && limit <= 200, "Send a number from 1 to 200.")
    .default(50)
    .openapi({ type: "integer", minimum: 1, maximum: 200, default: 50 }),
  cursor: seqSchema.optional().openapi({ type: "string" }),
});

/** Paths whose bodies are archives, which have a limit of their own. */
export function isArchivePath(path: string): boolean {
  return /\/codebases\/[^/]+\/(?:archive|snapshots\/[^/]+\/blobs)$/.test(path);
}

export function snapshotRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "post",
      path: "/codebases/{codebase_id}/manifest",
      operationId: "pushManifest",
      tags,
      scope: "codebases:write",
      summary: "Begin a snapshot by the list of its files",
      description:
        "Answers with the contents that are missing; send them to `…/snapshots/{snapshot}/blobs`. What earlier snapshots have is not sent again. The snapshot is ready, and seen, once nothing is missing.",
      request: { params: codebaseParams, body: manifestBody },
      responses: {
        201: {
          description: "The snapshot, and what is missing.",
          schema: pushedSchema,
          headers: LOCATION,
        },
      },
    },
    async (c, { params: { codebase_id }, body, principal, seed }) => {
      const pushed = await c
        .get("services")
        .snapshots.pushManifest(principal, codebase_id, seed, body);
      const { snapshot, missing } = pushed;
      return {
        status: 201,
        body: { snapshot: toSnapshot(snapshot), missing },
        headers: { Location: pathOf(codebase_id, snapshot.number) },
      };
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/codebases/{codebase_id}/snapshots/{snapshot}/blobs",
      operationId: "pushBlobs",
      tags,
      scope: "codebases:write",
      summary: "Send contents that a snapshot waits for",
      description:
        "The body is a tar, tar.gz or zip of the files, under any names: each is known by its content. Send them in several requests if you like; what came is kept.",
      request: { params: snapshotParams },
      raw_body: ARCHIVE_TYPE,
      responses: { 200: { description: "What is still missing.", schema: takenSchema } },
      errors: ["illegal_transition", "payload_too_large"],
    },
    async (c, { params: { codebase_id, snapshot: name }, principal }) => {
      const outcome = await c
        .get("services")
        .snapshots.pushBlobs(principal, codebase_id, name, c.req.raw.body);
      const { snapshot, missing, taken } = outcome;
      return { status: 200, body: { snapshot: toSnapshot(snapshot), missing, taken } };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/codebases/{codebase_id}/snapshots/{snapshot}/missing",
      operationId: "listMissingBlobs",
      tags,
      scope: "codebases:read",
      summary: "List the contents that a snapshot waits for",
      request: {
        params: snapshotParams,
        query: z.strictObject({
          after: z.string().max(40).default("").openapi({ description: "The last OID seen." }),
        }),
      },
      responses: {
        200: { description: "What is missing.", schema: z.object({ items: missingSchema }) },
      },
    },
    async (c, { params: { codebase_id, snapshot }, query, principal }) => {
      const items = await c
        .get("services")
        .snapshots.missing(principal, codebase_id, snapshot, query.after);
      return { status: 200, body: { items } };
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/codebases/{codebase_id}/archive",
      operationId: "pushArchive",
      tags,
      scope: "codebases:write",
      summary: "Push an archive as a snapshot",
      description:
        "The body is a tar, tar.gz or zip of up to 100 MB, such as `git archive HEAD`. Its paths are kept as they are, unless `strip` takes folders off. It is read after the answer; `GET …/events?snapshot=` follows it.",
      request: { params: codebaseParams, query: archiveQuery },
      raw_body: ARCHIVE_TYPE,
      responses: {
        202: {
          description: "The snapshot, which is being read.",
          schema: snapshotSchema,
          headers: LOCATION,
        },
      },
      errors: ["payload_too_large"],
    },
    async (c, { params: { codebase_id }, query, principal, seed }) => {
      const { ref = null, commit = null, strip } = query;
      const upload = { ref, commit, strip, body: c.req.raw.body };
      const snapshot = await c
        .get("services")
        .snapshots.pushArchive(principal, codebase_id, seed, upload);
      const headers = { Location: pathOf(codebase_id, snapshot.number) };
      return { status: 202, body: toSnapshot(snapshot), headers };
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/codebases/{codebase_id}/import",
      operationId: "importCodebase",
      tags,
      scope: "codebases:write",
      summary: "Import a snapshot from an address",
      description:
        "A git repository over http or https, or an archive. Without `url` the codebase's own source is looked at again: at a commit that is known nothing is fetched, and contents that are known cost nothing.",
      request: { params: codebaseParams, body: importBody },
      responses: {
        202: {
          description: "The snapshot, which is being fetched.",
          schema: snapshotSchema,
          headers: LOCATION,
        },
      },
    },
    async (c, { params: { codebase_id }, body, principal, seed }) => {
      const { url = null, ref = null, secret = null } = body;
      const snapshot = await c
        .get("services")
        .snapshots.import(principal, codebase_id, seed, { url, ref, secret });
      const headers = { Location: pathOf(codebase_id, snapshot.number) };
      return { status: 202, body: toSnapshot(snapshot), headers };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/codebases/{codebase_id}/snapshots",
      operationId: "listSnapshots",
      tags,
      scope: "codebases:read",
      summary: "List a codebase's snapshots, newest first",
      request: { params: codebaseParams, query: listQuery },
      responses: { 200: { description: "A page of snapshots.", schema: snapshotListSchema } },
    },
    async (c, { params: { codebase_id }, query: { limit, cursor = null }, principal }) => {
      const found = await c.get("services").snapshots.list(principal, codebase_id, cursor, limit);
      const items = found.slice(0, limit).map(toSnapshot);
      const next = found.length > limit ? String(items.at(-1)?.number) : null;
      const headers = next === null ? {} : { Link: nextLink(c.req.url, next) };
      return { status: 200, body: { items, next_cursor: next }, headers };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/codebases/{codebase_id}/snapshots/{snapshot}",
      operationId: "getSnapshot",
      tags,
      scope: "codebases:read",
      summary: "Get a snapshot by its number, id, ref or commit",
      request: { params: snapshotParams },
      responses: { 200: { description: "The snapshot.", schema: snapshotSchema } },
    },
    async (c, { params: { codebase_id, snapshot }, principal }) => ({
      status: 200,
      body: toSnapshot(await c.get("services").snapshots.get(principal, codebase_id, snapshot)),
    }),
  );

  endpoint(
    router,
    {
      method: "delete",
      path: "/codebases/{codebase_id}/snapshots/{snapshot}",
      operationId: "deleteSnapshot",
      tags,
      scope: "codebases:write",
      summary: "Delete a snapshot, and contents that no other has",
      request: { params: snapshotParams },
      responses: { 204: { description: "It is deleted." } },
    },
    async (c, { params: { codebase_id, snapshot }, principal }) => {
      await c.get("services").snapshots.remove(principal, codebase_id, snapshot);
      return { status: 204 };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/codebases/{codebase_id}/events",
      operationId: "streamCodebaseEvents",
      tags,
      scope: "codebases:read",
      summary: "Follow what happens in a codebase",
      description:
        "Server-sent events; `Last-Event-ID` or `?after=` resumes. With `snapshot` the stream ends when that one has failed, or is ready and its symbols are known.",
      request: {
        params: codebaseParams,
        query: z.strictObject({
          after: seqSchema.optional().openapi({ type: "integer", minimum: 0 }),
          snapshot: z.string().max(255).optional(),
        }),
      },
      responses: {
        200: { description: "The events.", content: { "text/event-stream": z.string() } },
      },
    },
    async (c, { params: { codebase_id }, query, principal }) => {
      const after = lastEventId(c) ?? query.after ?? 0;
      const events = await c
        .get("services")
        .reading.events(principal, codebase_id, after, query.snapshot ?? null);
      return eventStream(c, async function* (signal) {
        for await (const { seq, type, snapshot, at, data } of events(signal)) {
          const body: unknown = JSON.parse(data);
          const time = new Date(at).toISOString();
          yield {
            id: String(seq),
            event: type,
            data: { seq, type, snapshot, at: time, data: body },
          };
        }
      });
    },
  );
}

function pathOf(codebaseId: string, number: number): string {
  return `/api/v1/codebases/${codebaseId}/snapshots/${number}`;
}
