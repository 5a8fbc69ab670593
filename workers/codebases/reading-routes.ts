/** What is read of a snapshot: files, folders, contents, searches. */
import { z } from "@hono/zod-openapi";
import type { AppContext, Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { nextLink } from "../http/page.ts";
import { rangeHeaders, readRange } from "../http/range.ts";
import { idSchema } from "../http/schemas.ts";
import { eventStream, wantsEvents } from "../http/sse.ts";
import type { FoundFile } from "./index/reading/browser.ts";
import type { SearchAnswer } from "./index/search/search-types.ts";
import { cutToBudget } from "./query/budget.ts";
import {
  fileListSchema,
  filesQuery,
  searchQuery,
  searchSchema,
  snapshotName,
  treeQuery,
  treeSchema,
} from "./reading-schemas.ts";
import type { ReadingService } from "./reading-service.ts";
import { contentNotHeld, renderResults } from "./render.ts";
import { codebaseParams as params } from "./schemas.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly reading: ReadingService;
  }
}

const tags = ["Codebases"];
const BYTES = "application/octet-stream";

export function readingRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/codebases/{codebase_id}/files",
      operationId: "listFiles",
      tags,
      scope: "codebases:read",
      summary: "List the files of a snapshot",
      request: { params, query: filesQuery },
      responses: { 200: { description: "A page of files, by path.", schema: fileListSchema } },
    },
    async (c, { params: { codebase_id }, query, principal }) => {
      const { snapshot = null, folder, glob = null, language = null, limit, cursor = null } = query;
      const request = {
        folder: folder.replaceAll(/^\/+|\/+$/g, ""),
        glob,
        language,
        cursor,
        limit,
      };
      const page = await c.get("services").reading.files(principal, codebase_id, snapshot, request);
      const items = page.items.map((file) => ({ ...file, traits: [...file.traits] }));
      const next = page.next_cursor;
      const headers = next === null ? {} : { Link: nextLink(c.req.url, next) };
      return {
        status: 200,
        body: { snapshot: page.snapshot, items, next_cursor: next },
        headers,
      };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/codebases/{codebase_id}/files/{file_path}",
      operationId: "getFileContent",
      tags,
      scope: "codebases:read",
      summary: "Get a file's content",
      description:
        "The bytes as they are, or the part that `Range` asks for. The `ETag` is its OID.",
      request: {
        params: z.object({ codebase_id: idSchema, file_path: z.string().min(1).max(4_096) }),
        query: z.strictObject({ snapshot: snapshotName }),
      },
      responses: {
        200: { description: "The content.", content: { [BYTES]: z.string() } },
        206: { description: "The part asked for.", content: { [BYTES]: z.string() } },
        304: { description: "The caller has it." },
      },
      errors: ["range_not_satisfiable", "illegal_transition"],
    },
    async (c, { params: { codebase_id, file_path }, query, principal }) => {
      const found = await c
        .get("services")
        .reading.file(principal, codebase_id, query.snapshot ?? null, file_path);
      return content(c, found);
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/codebases/{codebase_id}/tree",
      operationId: "getTree",
      tags,
      scope: "codebases:read",
      summary: "List one folder of a snapshot",
      request: { params, query: treeQuery },
      responses: { 200: { description: "The folder.", schema: treeSchema } },
      errors: ["illegal_transition"],
    },
    async (c, { params: { codebase_id }, query, principal }) => {
      const path = query.path.replaceAll(/^\/+|\/+$/g, "");
      const { snapshot, oid, folders, files } = await c
        .get("services")
        .reading.tree(principal, codebase_id, query.snapshot ?? null, path);
      return { status: 200, body: { snapshot, path, oid, folders, files } };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/codebases/{codebase_id}/search",
      operationId: "searchCodebase",
      tags,
      scope: "codebases:read",
      summary: "Search a snapshot",
      description:
        'Terms, `"phrases"` and `/expressions/` (RE2), with `path: lang: sym: content: is: case: ref: calls: calledby: imports: near: rev: diff: ran: failed:`, `OR`, `NOT` and parentheses; `syntax=zoekt` reads Zoekt\'s. The receipt says what was searched; `next_cursor` goes on to the very end. With `Accept: text/event-stream` all pages are streamed, each with its best first.',
      request: { params, query: searchQuery },
      responses: { 200: { description: "A page of files that match.", schema: searchSchema } },
      errors: ["illegal_transition"],
    },
    async (c, { params: { codebase_id }, query, principal }) => {
      const { q, max_tokens, timeout_seconds, snapshot = null, cursor = null, ...rest } = query;
      const request = {
        ...{ ...rest, query: q, snapshot, cursor },
        deadline_ms: timeout_seconds * 1_000,
      };
      const { reading } = c.get("services");
      if (wantsEvents(c)) {
        return streamPages(c, await reading.searchAll(principal, codebase_id, request));
      }
      const answer = await reading.search(principal, codebase_id, request);
      const { status: _, ...body } = answer;
      const cut = max_tokens === undefined ? null : cutToBudget(renderResults(answer), max_tokens);
      const headers =
        answer.next_cursor === null ? {} : { Link: nextLink(c.req.url, answer.next_cursor) };
      return {
        status: 200,
        body: { ...body, text: cut?.text ?? null, tokens: cut?.tokens ?? null },
        headers,
      };
    },
  );
}

/** Each page as an event `results`, and the receipt of the last as `done`. */
function streamPages(
  c: AppContext,
  pages: (signal: AbortSignal) => AsyncGenerator<Extract<SearchAnswer, { status: "found" }>>,
): Response {
  return eventStream(c, async function* (signal) {
    for await (const { items, receipt, next_cursor } of pages(signal)) {
      yield { event: "results", data: { items, receipt, next_cursor } };
      if (next_cursor === null) yield { event: "done", data: { receipt } };
    }
  });
}

function content(c: AppContext, found: Extract<FoundFile, { status: "found" }>): Response {
  const { entry, content: bytes } = found;
  const tag = `"${entry.oid}"`;
  const shared = { ETag: tag, "X-Snapshot": String(found.snapshot) };
  if (c.req.header("if-none-match")?.includes(tag)) {
    return new Response(null, { status: 304, headers: shared });
  }
  if (bytes === null) {
    throw contentNotHeld(entry.path, entry.size);
  }
  const range = readRange(c.req.header("range"), bytes.byteLength);
  const part = range === null ? bytes : bytes.subarray(range.offset, range.offset + range.length);
  const headers = {
    ...shared,
    // Never what a browser would run in this origin.
    "Content-Type": BYTES,
    "Content-Length": String(part.byteLength),
    ...rangeHeaders(range, bytes.byteLength),
  };
  const body = c.req.method === "HEAD" ? null : part.slice();
  return new Response(body, { status: range === null ? 200 : 206, headers });
}
