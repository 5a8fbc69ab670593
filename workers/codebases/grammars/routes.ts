/** `/api/v1/grammars`. */
import {
  etag,
  freshHeader,
  isFresh,
  matchHeader,
  matchOf,
  notModified,
} from "../../http/conditional.ts";
import { createRouter, type Router } from "../../http/context.ts";
import { endpoint } from "../../http/endpoint.ts";
import { readPage } from "../../http/page.ts";
import {
  checkedSchema,
  grammarListSchema,
  grammarParams,
  grammarQuery,
  grammarSchema,
  toGrammar,
  uploadDocument,
} from "./schemas.ts";
import type { GrammarService } from "./service.ts";
import { readUpload } from "./upload.ts";

declare module "../../http/context.ts" {
  interface Services {
    readonly grammars: GrammarService;
  }
}

const tags = ["Codebases"];
const FORM_TYPE = "multipart/form-data";
const VERSION = { ETag: "Its version." };

const UPLOAD_ERRORS = [
  ...(["bad_request", "payload_too_large"] as const),
  ...(["unsupported_media_type", "validation_failed"] as const),
];

/** Paths whose bodies are grammars, which have a limit of their own. */
export function isGrammarPath(path: string): boolean {
  return /\/grammars(?:\/[^/]+)?$/.test(path);
}

export function grammarRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "post",
      path: "/grammars",
      operationId: "createGrammar",
      tags,
      scope: "codebases:write",
      summary: "Bring a grammar for a language of your own",
      description:
        "A tree-sitter grammar and its tags query, as a form. It is tried in an isolate without network before it is taken; then the files of every codebase of the project that its endings and names fit are of its language, and are parsed with it.",
      raw_body: FORM_TYPE,
      body_document: uploadDocument,
      responses: {
        201: {
          description: "The grammar, and what it found in the sample.",
          schema: checkedSchema,
          headers: { Location: "The grammar's path.", ...VERSION },
        },
      },
      errors: ["conflict", ...UPLOAD_ERRORS],
    },
    async (c, { principal, seed }) => {
      const upload = await readUpload(c.req.raw);
      const { row, check } = await c
        .get("services")
        .grammars.create(principal, seed, upload, Date.now());
      const headers = { Location: `/api/v1/grammars/${row.id}`, ETag: etag(row.revision) };
      return { status: 201, body: { ...toGrammar(row), check }, headers };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/grammars",
      operationId: "listGrammars",
      tags,
      scope: "codebases:read",
      summary: "List the grammars that you brought",
      request: { query: grammarQuery },
      responses: { 200: { description: "A page of grammars.", schema: grammarListSchema } },
    },
    async (c, { query, principal }) => {
      const { url } = c.req;
      const page = await c
        .get("services")
        .grammars.list(principal, query.project_id, readPage(query, url), url);
      return { status: 200, ...page };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/grammars/{grammar_id}",
      operationId: "getGrammar",
      tags,
      scope: "codebases:read",
      summary: "Get a grammar",
      request: { params: grammarParams, headers: freshHeader },
      responses: {
        200: { description: "The grammar.", schema: grammarSchema, headers: VERSION },
        304: { description: "It has not changed." },
      },
    },
    async (c, { params: { grammar_id }, headers, principal }) => {
      const row = await c.get("services").grammars.find(principal, grammar_id);
      if (isFresh(headers["if-none-match"], row.revision)) return notModified(row.revision);
      return { status: 200, body: toGrammar(row), headers: { ETag: etag(row.revision) } };
    },
  );

  endpoint(
    router,
    {
      method: "put",
      path: "/grammars/{grammar_id}",
      operationId: "replaceGrammar",
      tags,
      scope: "codebases:write",
      summary: "Put another version of a grammar in its place",
      description: "The form is as for a new one. Files of its language are parsed again.",
      request: { params: grammarParams, headers: matchHeader },
      raw_body: FORM_TYPE,
      body_document: uploadDocument,
      responses: {
        200: {
          description: "The grammar, and what it found in the sample.",
          schema: checkedSchema,
          headers: VERSION,
        },
      },
      errors: ["conflict", "precondition_failed", ...UPLOAD_ERRORS],
    },
    async (c, { params: { grammar_id }, headers, principal, seed }) => {
      const upload = () => readUpload(c.req.raw);
      const match = matchOf(headers["if-match"]);
      const { row, check } = await c
        .get("services")
        .grammars.replace(principal, grammar_id, seed, upload, match, Date.now());
      const body = { ...toGrammar(row), check };
      return { status: 200, body, headers: { ETag: etag(row.revision) } };
    },
  );

  endpoint(
    router,
    {
      method: "delete",
      path: "/grammars/{grammar_id}",
      operationId: "deleteGrammar",
      tags,
      scope: "codebases:write",
      summary: "Delete a grammar, and what was parsed with it",
      request: { params: grammarParams },
      responses: { 204: { description: "It is deleted." } },
    },
    async (c, { params: { grammar_id }, principal }) => {
      await c.get("services").grammars.remove(principal, grammar_id, Date.now());
      return { status: 204 };
    },
  );

  return router;
}
