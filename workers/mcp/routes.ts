/**
 * `/mcp`: the Model Context Protocol, in front of it the same doors as in front of the REST API. It is
 * in no OpenAPI document: what it offers, each caller asks the protocol itself.
 */
import { followed } from "../http/audit.ts";
import type { AppContext, Router } from "../http/context.ts";
import { createRouter } from "../http/context.ts";
import { ApiError } from "../http/errors.ts";
import { takeRequest } from "../http/rate-limit.ts";
import { authenticate } from "../security/authenticate.ts";
import { withProjects } from "../security/project-access.ts";
import { chosenProject, toCaller } from "./caller.ts";
import { whyRefused } from "./origin.ts";

const MCP_PATH = "/mcp";
const ALLOWED_METHODS = "OPTIONS, POST";
/** Of the door itself denials alone are written down; tools write down their calls. */
const DOOR = { operationId: "mcp", method: "post", path: MCP_PATH, audited: false } as const;

export function mcpRoutes(): Router {
  const router = createRouter();
  router.all(MCP_PATH, (c) => {
    c.set("route", MCP_PATH);
    return followed(c, DOOR, async (trail) => {
      guardOrigin(c);
      if (c.req.method === "OPTIONS") {
        return new Response(null, { status: 204, headers: { Allow: ALLOWED_METHODS } });
      }
      if (c.req.method !== "POST") throw notAllowed(c.req.method);
      const user = await authenticate(c);
      trail.callBy(user);
      await takeRequest(c, user);
      const named = chosenProject(c);
      const principal = await withProjects(c, user, named === undefined ? [] : [named]);
      trail.callBy(principal);
      const caller = toCaller(c, principal);
      // The protocol's package runs its top level when it is first spoken, not at the start.
      const { serveMcp } = await import("./server.ts");
      return serveMcp(c.req.raw, caller);
    });
  });
  return router;
}

function guardOrigin(c: AppContext): void {
  const { CORS_ORIGINS, ENVIRONMENT } = c.get("config");
  const host = c.req.header("host") ?? new URL(c.req.url).host;
  const refusal = whyRefused(
    { host, origin: c.req.header("origin") ?? null },
    { origins: CORS_ORIGINS, routed: ENVIRONMENT !== "local" },
  );
  if (refusal !== null) throw new ApiError("forbidden", refusal);
}

function notAllowed(method: string): ApiError {
  return new ApiError(
    "method_not_allowed",
    `${method} is not possible here: the protocol is stateless, and every message is a POST.`,
    { headers: { Allow: ALLOWED_METHODS }, members: { allowed: ["OPTIONS", "POST"] } },
  );
}
