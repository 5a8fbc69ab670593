/** What an agent has used, and what it may. */
import { z } from "@hono/zod-openapi";
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { sliceQuery, toSlice } from "../http/slice.ts";
import { AGENT, agentParams as params, shown, tags } from "./replies.ts";
import { addTokensSchema, patchBudgetSchema, usageSchema } from "./schemas.ts";
import { toBlocked, toLedgerRow, toTotals } from "./view.ts";

export function usageRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/agents/{agent_id}/usage",
      operationId: "getAgentUsage",
      tags,
      scope: "agents:read",
      summary: "Read what an agent has used: totals, and each step of a model",
      description:
        "What sub-agents have used is part of it. They tell it step by step, so that the rows always sum up to the totals.",
      request: { params, query: z.strictObject(sliceQuery) },
      responses: {
        200: { description: "Totals, and a page of steps, oldest first.", schema: usageSchema },
      },
    },
    async (c, { principal, params: { agent_id }, query }) => {
      const { limit, cursor = 0 } = query;
      const { agents } = c.get("services");
      const { snapshot, rows } = await agents.usage(principal, agent_id, cursor, limit + 1);
      const items = rows.slice(0, limit);
      const next = rows.length > limit ? (items.at(-1)?.seq ?? null) : null;
      const page = toSlice(c.req.url, items.map(toLedgerRow), next);
      const { budget } = snapshot.spec;
      const about = { totals: toTotals(snapshot), budget, blocked_by: toBlocked(snapshot) };
      return { ...page, body: { ...page.body, ...about } };
    },
  );

  endpoint(
    router,
    {
      method: "patch",
      path: "/agents/{agent_id}/budget",
      operationId: "patchAgentBudget",
      tags,
      scope: "agents:write",
      summary: "Change the limits of an agent, at any time",
      description: "An agent that waits for its budget goes on when it has room again.",
      request: { params, body: patchBudgetSchema },
      responses: { 200: AGENT },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { agent_id }, body }) =>
      shown(await c.get("services").agents.changeBudget(principal, agent_id, body)),
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/agents/{agent_id}/tokens",
      operationId: "addAgentTokens",
      tags,
      scope: "agents:write",
      summary: "Add to an agent's counters what it has used elsewhere",
      request: { params, body: addTokensSchema },
      responses: { 200: AGENT },
      errors: ["illegal_transition"],
    },
    async (c, { principal, seed, params: { agent_id }, body }) => {
      const { cost_usd: usd, ...tokens } = body;
      const { agents } = c.get("services");
      return shown(await agents.addTokens(principal, agent_id, seed, { ...tokens, usd }));
    },
  );
}
