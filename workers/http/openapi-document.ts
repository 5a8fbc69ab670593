/** The OpenAPI document: generated from the routes once, when it is first asked for. */
import { z } from "@hono/zod-openapi";
import { createRouter, type Router } from "./context.ts";
import { publicEndpoint } from "./endpoint.ts";
import { ERROR_CODES } from "./errors.ts";
import { JSON_TYPE } from "./reply.ts";

/** Builds the document of all routes of an app; returns its JSON text. */
export function documentOf(
  app: Router,
  { service, version }: { service: string; version: string },
): () => string {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "An API key, or a JWT of CommandCentral.",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", "apiKey", {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
    description: "An API key.",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", "runnerSignature", {
    type: "http",
    scheme: "PIPELZR-Runner",
    description:
      "`Authorization: PIPELZR-Runner id=<runner id>,ts=<unix seconds>,nonce=<16 bytes hex>,sig=<base64url>`: the runner's Ed25519 signature over `pipelzr-runner-1`, the method, the path with its query, ts, nonce and the hex SHA-256 of the body (`-` for a streamed body and for the WebSocket), joined by newlines. ts may be 300 seconds off, and a nonce is accepted once.",
  });
  let text: string | undefined;
  return () => {
    text ??= JSON.stringify(
      app.getOpenAPI31Document({
        openapi: "3.1.0",
        info: {
          title: service,
          version,
          description: DESCRIPTION,
          license: { name: "MIT" },
        },
        servers: [{ url: "/" }],
        "x-error-codes": ERROR_CODES,
      }),
    );
    return text;
  };
}

const DESCRIPTION = `Codebase & Execution Service of the CommandCentral platform.

Times are ISO-8601 in UTC, ids UUIDv7, names snake_case. Lists are \`{items, next_cursor}\`.
Errors are \`application/problem+json\` (RFC 9457): \`code\` is stable, \`detail\` says what to do, and \`errors\` lists every problem of the input.
A POST with an \`Idempotency-Key\` takes effect once.`;

/** The route that serves the document. */
export function openApiRoutes(document: () => string): Router {
  const router = createRouter();
  publicEndpoint(
    router,
    {
      method: "get",
      path: "/openapi.json",
      operationId: "getOpenApi",
      tags: ["Service"],
      summary: "Read this description",
      responses: {
        200: {
          description: "The OpenAPI 3.1 document.",
          content: { "application/json": z.record(z.string(), z.unknown()) },
        },
      },
    },
    () =>
      new Response(document(), {
        headers: { "Content-Type": JSON_TYPE, "Cache-Control": "public, max-age=60" },
      }),
  );
  return router;
}
