/** What is known of a snapshot beyond its text: symbols, references, imports, a map, what changed. */
import type { z } from "@hono/zod-openapi";
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { nextLink } from "../http/page.ts";
import type { PageRequest } from "./index/reading/pages.ts";
import type { OutlineAnswer, SymbolMode } from "./index/understanding/symbols-query.ts";
import { codebaseParams as params } from "./schemas.ts";
import {
  render,
  renderDiff,
  renderImports,
  renderOutline,
  renderReferences,
  renderSymbols,
} from "./understanding-render.ts";
import {
  diffQuery,
  diffSchema,
  importListSchema,
  importsQuery,
  mapQuery,
  mapSchema,
  type OutlineNode,
  outlineQuery,
  outlineSchema,
  referenceListSchema,
  referencesQuery,
  symbolListSchema,
  symbolsQuery,
} from "./understanding-schemas.ts";
import type { UnderstandingService } from "./understanding-service.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly understanding: UnderstandingService;
  }
}

const SHARED = {
  method: "get",
  tags: ["Codebases"],
  scope: "codebases:read",
  errors: ["illegal_transition"],
} as const;

interface Paging {
  readonly snapshot?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
  readonly timeout_seconds: number;
}

function pageOf({ snapshot, cursor, limit, timeout_seconds }: Paging): PageRequest {
  const deadline_ms = timeout_seconds * 1_000;
  return { snapshot: snapshot ?? null, cursor: cursor ?? null, limit, deadline_ms };
}

function linkTo(url: string, cursor: string | null): Record<string, string> {
  return cursor === null ? {} : { Link: nextLink(url, cursor) };
}

export function understandingRoutes(router: Router): void {
  endpoint(
    router,
    {
      ...SHARED,
      path: "/codebases/{codebase_id}/symbols",
      operationId: "listSymbols",
      summary: "Find definitions by name or by words",
      request: { params, query: symbolsQuery },
      responses: { 200: { description: "A page of definitions.", schema: symbolListSchema } },
    },
    async (c, { params: { codebase_id }, query, principal }) => {
      const { kind = null, language = null, path = null, exported, max_tokens } = query;
      const { status: _, ...found } = await c
        .get("services")
        .understanding.symbols(principal, codebase_id, {
          ...pageOf(query),
          ...modeOf(query),
          ...{ kind, language, path },
          exported: exported === undefined ? null : exported === "true",
        });
      const text = render(() => renderSymbols(found.items, found.receipt), max_tokens);
      const headers = linkTo(c.req.url, found.next_cursor);
      return { status: 200, body: { ...found, ...text }, headers };
    },
  );

  endpoint(
    router,
    {
      ...SHARED,
      path: "/codebases/{codebase_id}/outline",
      operationId: "getOutline",
      summary: "Outline a file by its symbols",
      request: { params, query: outlineQuery },
      responses: { 200: { description: "The file's symbols as a tree.", schema: outlineSchema } },
    },
    async (c, { params: { codebase_id }, query, principal }) => {
      const { snapshot = null, path, max_tokens } = query;
      const answer = await c
        .get("services")
        .understanding.outline(principal, codebase_id, snapshot, path);
      const { receipt, language } = answer;
      const symbols = treeOf(answer);
      const text = render(() => renderOutline(path, symbols, receipt), max_tokens);
      return { status: 200, body: { path, language, symbols, receipt, ...text } };
    },
  );

  endpoint(
    router,
    {
      ...SHARED,
      path: "/codebases/{codebase_id}/references",
      operationId: "listReferences",
      summary: "Find who refers to a symbol",
      description:
        "Every reference says which definition it means, and how sure that is: `exact` by the rules of the language, `likely` by a convention or the only definition of the name, `ambiguous` one of several.",
      request: { params, query: referencesQuery },
      responses: { 200: { description: "A page of references.", schema: referenceListSchema } },
    },
    async (c, { params: { codebase_id }, query, principal }) => {
      const { symbol, path = null, line = null, kind = null, confidence = null } = query;
      const { status: _, ...found } = await c
        .get("services")
        .understanding.references(principal, codebase_id, {
          ...pageOf(query),
          ...{ symbol, path, line, kind, confidence },
        });
      const text = render(() => renderReferences(found.items, found.receipt), query.max_tokens);
      const headers = linkTo(c.req.url, found.next_cursor);
      return { status: 200, body: { ...found, ...text }, headers };
    },
  );

  endpoint(
    router,
    {
      ...SHARED,
      path: "/codebases/{codebase_id}/imports",
      operationId: "listImports",
      summary: "Show what files import, or who imports a file",
      request: { params, query: importsQuery },
      responses: { 200: { description: "A page of imports.", schema: importListSchema } },
    },
    async (c, { params: { codebase_id }, query, principal }) => {
      const { path = null, direction, inside } = query;
      const { status: _, ...found } = await c
        .get("services")
        .understanding.imports(principal, codebase_id, {
          ...pageOf(query),
          ...{ path, direction, outside: !inside },
        });
      const text = render(() => renderImports(found.items, found.receipt), query.max_tokens);
      const headers = linkTo(c.req.url, found.next_cursor);
      return { status: 200, body: { ...found, ...text }, headers };
    },
  );

  endpoint(
    router,
    {
      ...SHARED,
      path: "/codebases/{codebase_id}/map",
      operationId: "getMap",
      summary: "Map a codebase within a token budget",
      description:
        "The definitions that matter most, by PageRank over who refers to whom, turned to what is in `focus` or in `mention`.",
      request: { params, query: mapQuery },
      responses: { 200: { description: "The map.", schema: mapSchema } },
    },
    async (c, { params: { codebase_id }, query, principal }) => {
      const { snapshot = null, max_tokens, focus = [], mention = [] } = query;
      const request = { snapshot, max_tokens, focus, mention };
      const { status: _, ...body } = await c
        .get("services")
        .understanding.map(principal, codebase_id, request);
      return { status: 200, body };
    },
  );

  endpoint(
    router,
    {
      ...SHARED,
      path: "/codebases/{codebase_id}/diff",
      operationId: "diffSnapshots",
      summary: "Compare two snapshots by files, lines and symbols",
      request: { params, query: diffQuery },
      responses: { 200: { description: "A page of files that differ.", schema: diffSchema } },
    },
    async (c, { params: { codebase_id }, query, principal }) => {
      const { base = null, head, path, patch, max_tokens } = query;
      const { status: _, ...found } = await c
        .get("services")
        .understanding.diff(principal, codebase_id, {
          ...pageOf({ ...query, snapshot: head }),
          ...{ base, patch, path: path.replaceAll(/^\/+|\/+$/g, "") },
        });
      const text = render(() => renderDiff(found.items, found.receipt), max_tokens);
      const headers = linkTo(c.req.url, found.next_cursor);
      return { status: 200, body: { ...found, ...text }, headers };
    },
  );
}

function modeOf({ name, prefix, contains, q }: z.output<typeof symbolsQuery>): {
  readonly by: SymbolMode;
  readonly text: string;
} {
  if (name !== undefined) return { by: "name", text: name };
  if (prefix !== undefined) return { by: "prefix", text: prefix };
  if (contains !== undefined) return { by: "contains", text: contains };
  return q === undefined ? { by: "all", text: "" } : { by: "words", text: q };
}

/** The symbols of an outline under what they are defined in. */
function treeOf({ symbols }: Extract<OutlineAnswer, { status: "found" }>): OutlineNode[] {
  const nodes = symbols.map(
    ({ parent: _, ...symbol }): OutlineNode => ({
      ...symbol,
      containers: [...symbol.containers],
      children: [],
    }),
  );
  return nodes.filter((node, index) => {
    const parent = symbols[index]?.parent ?? null;
    if (parent !== null) nodes[parent]?.children.push(node);
    return parent === null;
  });
}
