/** Sessions as bundles: taken out, taken in, and forked. */
import { z } from "@hono/zod-openapi";
import { readBytes } from "../http/body.ts";
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { ApiError } from "../http/errors.ts";
import { projectIdSchema } from "../http/schemas.ts";
import { fields } from "../tasks/fields.ts";
import { MAX_BUNDLE_BYTES, type SessionBundles } from "./bundle-service.ts";
import { AGENT, location, agentParams as params, tags } from "./replies.ts";
import { toAgent } from "./view.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly sessionBundles: SessionBundles;
  }
}

const TYPE = "application/x-ndjson";
const IMPORT_PATH = /\/agents\/import$/;

/** Paths whose bodies are bundles, which have a limit of their own. */
export function isSessionBundlePath(path: string): boolean {
  return IMPORT_PATH.test(path);
}

const forkSchema = z
  .strictObject({
    seq: z.int().min(1).nullable().default(null).openapi({
      description:
        "Of the message that it goes on from, as `/messages` has it; the newest unless said.",
    }),
    name: fields.name.nullable().default(null).openapi({ description: "The same unless said." }),
  })
  .openapi("ForkAgent");

const MADE = { ...AGENT, headers: { Location: "The agent." } };

export function bundleRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/agents/{agent_id}/export",
      operationId: "exportAgent",
      tags,
      scope: "agents:read",
      summary: "Export a session as a bundle",
      description:
        "JSON by lines: settings and state, every message, turn, call, step that was paid for, and event, and the files that the session has written. An agent at work is refused: pause it, or wait for the end of its turn. Who may do what is not in it.",
      request: { params },
      responses: {
        200: { description: "The bundle.", content: { [TYPE]: z.string() } },
      },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { agent_id } }) => {
      const bundle = await c.get("services").sessionBundles.export(principal, agent_id);
      return new Response(bundle, {
        headers: {
          "Content-Type": TYPE,
          "Content-Disposition": `attachment; filename="agent-${agent_id}.ndjson"`,
        },
      });
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/agents/import",
      operationId: "importAgent",
      tags,
      scope: "agents:write",
      summary: "Make an agent of a bundle",
      description:
        "A new agent that is what the exported one was, up to 64 MiB. It is the caller's, with the caller's rights; skills and codebase are looked up in its project, by the versions that it had, and are 422 when they are not there. Exported again it is the same text. An Idempotency-Key has to come with a Content-Digest.",
      request: {
        query: z.strictObject({
          project_id: projectIdSchema.optional(),
          name: fields.name.optional(),
        }),
      },
      raw_body: TYPE,
      responses: { 201: MADE },
      errors: ["payload_too_large"],
    },
    async (c, { principal, seed, query: { project_id, name = null } }) => {
      const advice = "Export a fork, which has no events.";
      const bytes = await readBytes(c.req.raw, MAX_BUNDLE_BYTES, advice);
      const bundle = readText(bytes);
      const { sessionBundles } = c.get("services");
      const made = await sessionBundles.import(principal, seed, bundle, { project_id, name });
      return { status: 201, body: toAgent(made), headers: { Location: location(made) } };
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/agents/{agent_id}/fork",
      operationId: "forkAgent",
      tags,
      scope: "agents:write",
      summary: "Make an agent that goes on from a message of another",
      description:
        "It knows what was said up to that message, has its own copy of the files as they are now, and has used nothing of its budget. What was called and not answered by then counts as interrupted. The other stays as it is, whatever it does.",
      request: { params, body: forkSchema },
      responses: { 201: MADE },
    },
    async (c, { principal, seed, params: { agent_id }, body }) => {
      const made = await c.get("services").sessionBundles.fork(principal, agent_id, seed, body);
      return { status: 201, body: toAgent(made), headers: { Location: location(made) } };
    },
  );
}

/** Throws `validation_failed` for what is no UTF-8. */
function readText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ApiError(
      "validation_failed",
      "The bundle is not UTF-8. Send what the export answered, unchanged.",
    );
  }
}
