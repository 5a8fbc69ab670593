/** `/api/v1/agents`: agents themselves. What is done with one is in the files beside. */
import type { Router } from "../http/context.ts";
import { createRouter } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { readPage, toPage } from "../http/page.ts";
import { preferenceHeaders, preferHeader, readPreference } from "../http/prefer.ts";
import { bundleRoutes } from "./bundle-routes.ts";
import { controlRoutes } from "./control-routes.ts";
import { messageRoutes } from "./message-routes.ts";
import { AGENT, location, agentParams as params, shown, tags } from "./replies.ts";
import {
  agentListSchema,
  createAgentSchema,
  listAgentsQuery,
  patchAgentSchema,
} from "./schemas.ts";
import type { AgentService } from "./service.ts";
import { streamRoutes } from "./stream-routes.ts";
import { traceRoutes } from "./traces/routes.ts";
import { usageRoutes } from "./usage-routes.ts";
import { toAgent } from "./view.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly agents: AgentService;
  }
}

export function agentRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "post",
      path: "/agents",
      operationId: "createAgent",
      tags,
      scope: "agents:write",
      yaml: true,
      summary: "Create an agent, and initialize it if asked",
      description:
        "An agent is one durable session with a model. With `initialize: true` the answer comes when that has ended, or after `Prefer: wait=N` seconds (30 unless said, 60 at most); what went wrong is the agent's `error`.",
      request: { headers: preferHeader, body: createAgentSchema },
      responses: { 201: { ...AGENT, headers: { Location: "The agent." } } },
      errors: ["rate_limited"],
    },
    async (c, { principal, seed, headers, body }) => {
      const { project_id, initialize, ...spec } = body;
      const preference = readPreference(headers.prefer);
      const initialize_wait_ms = initialize ? preference.wait_seconds * 1000 : null;
      const input = { spec, project_id, initialize_wait_ms };
      const snapshot = await c.get("services").agents.create(principal, seed, input);
      const applied = initialize ? preferenceHeaders(preference) : {};
      const headersOut = { ...applied, Location: location(snapshot) };
      return { status: 201, body: toAgent(snapshot), headers: headersOut };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/agents",
      operationId: "listAgents",
      tags,
      scope: "agents:read",
      summary: "List agents, newest first",
      description: "Served from an index that follows the agents within moments.",
      request: { query: listAgentsQuery },
      responses: { 200: { description: "A page of agents.", schema: agentListSchema } },
    },
    async (c, { principal, query }) => {
      const page = readPage(query, c.req.url);
      const filter = {
        project_id: query.project_id ?? null,
        session_id: query.session_id ?? null,
        parent_id: query.parent_id ?? null,
        states: query.state ?? null,
        name: query.name ?? null,
        model: query.model ?? null,
        labels: query.label ?? [],
      };
      const rows = await c.get("services").agents.list(principal, filter, page);
      const { body, headers } = toPage(
        rows,
        page,
        c.req.url,
        (row) => row,
        ({ summary }) => summary,
      );
      return { status: 200, body, headers };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/agents/{agent_id}",
      operationId: "getAgent",
      tags,
      scope: "agents:read",
      summary: "Read an agent as it stands",
      request: { params },
      responses: { 200: AGENT },
    },
    async (c, { principal, params: { agent_id } }) =>
      shown(await c.get("services").agents.get(principal, agent_id)),
  );

  endpoint(
    router,
    {
      method: "patch",
      path: "/agents/{agent_id}",
      operationId: "patchAgent",
      tags,
      scope: "agents:write",
      summary: "Switch the model of an agent, from its next step on",
      request: { params, body: patchAgentSchema },
      responses: { 200: AGENT },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { agent_id }, body }) => {
      const command = { type: "model", model: body.model } as const;
      return shown(await c.get("services").agents.command(principal, agent_id, command));
    },
  );

  endpoint(
    router,
    {
      method: "delete",
      path: "/agents/{agent_id}",
      operationId: "deleteAgent",
      tags,
      scope: "agents:write",
      summary: "Terminate an agent, and forget all that it has said and written",
      request: { params },
      responses: { 204: { description: "Deleted." } },
    },
    async (c, { principal, params: { agent_id } }) => {
      await c.get("services").agents.remove(principal, agent_id);
      return { status: 204 };
    },
  );

  controlRoutes(router);
  messageRoutes(router);
  usageRoutes(router);
  bundleRoutes(router);
  traceRoutes(router);
  streamRoutes(router);
  return router;
}
