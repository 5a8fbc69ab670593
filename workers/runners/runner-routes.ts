/** The runner's own API, at the paths of the protocol. */
import { z } from "@hono/zod-openapi";
import { MAX_EXCHANGE_BYTES, RUNNER_PATHS } from "../executors/runner/protocol.ts";
import { createRouter, type Router } from "../http/context.ts";
import { guardedEndpoint } from "../http/endpoint.ts";
import { ApiError } from "../http/errors.ts";
import { JSON_TYPE } from "../http/reply.ts";
import { countingFailures, registration, signedBody, signedRequest } from "./runner-guard.ts";
import {
  artifactQuery,
  blobQuery,
  exchangeDocument,
  exchangeReply,
  registeredSchema,
  registerSchema,
} from "./schemas.ts";
import type { RunnerWork } from "./work.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly runnerWork: RunnerWork;
  }
}

const tags = ["Runner protocol"];

/** The protocol's paths are from the service's root, a router's from where it is mounted. */
function below(path: string): string {
  return path.replace(/^\/api\/v1/, "");
}

export function runnerProtocolRoutes(): Router {
  const router = createRouter();

  guardedEndpoint(
    router,
    {
      method: "post",
      path: below(RUNNER_PATHS.register),
      operationId: "registerRunner",
      tags,
      audited: true,
      private_body: true,
      summary: "Register a runner's key",
      description:
        "Once a token. The same token with the same key is answered the same, so that a lost answer can be asked for again.",
      request: { body: registerSchema },
      responses: { 200: { description: "The runner is registered.", schema: registeredSchema } },
      errors: ["unavailable"],
    },
    registration,
    async (c, { body }) => ({
      status: 200,
      body: await countingFailures(c, () => c.get("services").runners.register(body, Date.now())),
    }),
  );

  guardedEndpoint(
    router,
    {
      method: "get",
      path: below(RUNNER_PATHS.connect),
      operationId: "connectRunner",
      tags,
      summary: "Connect a runner",
      description: "A WebSocket that carries the protocol's frames as JSON.",
      responses: { 101: { description: "The WebSocket." } },
      errors: ["bad_request", "unavailable"],
    },
    signedRequest,
    (c, { caller }) => {
      if (c.req.header("upgrade")?.toLowerCase() === "websocket") {
        return c.get("services").runnerWork.connect(caller, c.req.raw);
      }
      throw new ApiError(
        "bad_request",
        `This is a WebSocket: send \`Upgrade: websocket\`, or use ${RUNNER_PATHS.exchange}.`,
      );
    },
  );

  guardedEndpoint(
    router,
    {
      method: "post",
      path: below(RUNNER_PATHS.exchange),
      operationId: "exchangeRunnerFrames",
      tags,
      summary: "Exchange frames by long-poll",
      description:
        "For where no WebSocket gets through. A frame that cannot be read is answered by `refused`, and ends the session. Answers at once when there are frames, else after up to `wait_ms`. An unknown session is a conflict: begin another one with a hello.",
      raw_body: JSON_TYPE,
      body_document: exchangeDocument,
      responses: { 200: { description: "Frames for the runner.", schema: exchangeReply } },
      errors: ["bad_request", "conflict", "payload_too_large", "unavailable"],
    },
    signedBody(MAX_EXCHANGE_BYTES),
    async (c, { caller }) => {
      const frames = await c.get("services").runnerWork.exchange(caller, caller.body);
      return new Response(`{"frames":${frames}}`, { headers: { "Content-Type": JSON_TYPE } });
    },
  );

  guardedEndpoint(
    router,
    {
      method: "get",
      path: below(RUNNER_PATHS.blobs),
      operationId: "readRunnerBlob",
      tags,
      summary: "Read a file of an attempt",
      request: { query: blobQuery },
      responses: {
        200: {
          description: "The file, as it is.",
          content: { "application/octet-stream": z.string() },
        },
      },
      errors: ["not_found", "conflict", "unavailable"],
    },
    signedBody(0),
    async (c, { query: { key, ...attempt }, caller }) => {
      const object = await c.get("services").runnerWork.blob(caller, attempt, key);
      return new Response(c.req.method === "HEAD" ? null : object.body, {
        headers: {
          "Content-Type": "application/octet-stream",
          "Content-Length": String(object.size),
        },
      });
    },
  );

  guardedEndpoint(
    router,
    {
      method: "put",
      path: below(RUNNER_PATHS.artifacts),
      operationId: "keepRunnerArtifact",
      tags,
      summary: "Keep a file of an attempt",
      description:
        "The body is the file; Content-Length has to be there. 409 says that the attempt is not the runner's any more.",
      request: { query: artifactQuery },
      raw_body: "application/octet-stream",
      responses: { 204: { description: "The file is kept." } },
      errors: ["bad_request", "conflict", "payload_too_large", "unavailable"],
    },
    signedRequest,
    async (c, { query: { path, sha256, ...attempt }, caller }) => {
      const { body } = c.req.raw;
      const bytes = Number(c.req.header("content-length") ?? (body === null ? 0 : Number.NaN));
      if (!Number.isSafeInteger(bytes)) {
        throw new ApiError("bad_request", "Send the file's size as Content-Length.");
      }
      const upload = { path, body, bytes, sha256 };
      await c.get("services").runnerWork.keep(caller, attempt, upload);
      return { status: 204 };
    },
  );

  return router;
}
