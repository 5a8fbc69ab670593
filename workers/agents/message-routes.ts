/** What is said to an agent and by it: messages, and the tool calls that wait for a person. */
import { z } from "@hono/zod-openapi";
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { preferenceHeaders, preferHeader, readPreference } from "../http/prefer.ts";
import { idSchema } from "../http/schemas.ts";
import { sliceQuery, toSlice } from "../http/slice.ts";
import { lastEventId, wantsEvents } from "../http/sse.ts";
import { messageListSchema, sendMessageSchema, sentMessageSchema } from "./message-schemas.ts";
import { AGENT, location, agentParams as params, shown, tags } from "./replies.ts";
import { approvalListSchema, approveSchema, denySchema } from "./schemas.ts";
import { streamMessage } from "./stream-routes.ts";
import { toApproval, toMessage, toSent } from "./view.ts";

const callParams = params.extend({ call_id: idSchema });

export function messageRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "post",
      path: "/agents/{agent_id}/message",
      operationId: "sendAgentMessage",
      tags,
      scope: "agents:execute",
      summary: "Send an agent a message, and wait for its reply",
      description:
        "The message is stored before the answer. 200 with the reply when its turn has ended, 202 when it is still going, or waits, after `Prefer: wait=N` seconds (30 unless said, 60 at most). With `Accept: text/event-stream` the answer is the events, what the model writes included, until the turn ends. The same `Idempotency-Key` again finds the same message.",
      request: { params, headers: preferHeader, body: sendMessageSchema },
      responses: {
        200: { description: "The turn has ended.", schema: sentMessageSchema },
        202: {
          description: "Accepted; follow the agent's `/events`.",
          schema: sentMessageSchema,
          headers: { Location: "The agent." },
        },
      },
      errors: ["illegal_transition", "idempotency_mismatch"],
    },
    async (c, { principal, seed, params: { agent_id }, headers, body }) => {
      const { agents } = c.get("services");
      if (wantsEvents(c)) {
        const { seq } = await agents.get(principal, agent_id);
        const sent = await agents.send(principal, agent_id, seed, { ...body, wait_ms: 0 });
        // A message that was answered before is told from the beginning, where its turn is found.
        const after = lastEventId(c) ?? (sent.reply === null ? seq : 0);
        return streamMessage(c, await agents.events(principal, agent_id, after), sent);
      }
      const preference = readPreference(headers.prefer);
      const wait_ms = preference.wait_seconds * 1000;
      const sent = await agents.send(principal, agent_id, seed, { ...body, wait_ms });
      const applied = preferenceHeaders(preference);
      if (sent.reply !== null) return { status: 200, body: toSent(sent), headers: applied };
      const Location = location(sent.session);
      return { status: 202, body: toSent(sent), headers: { ...applied, Location } };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/agents/{agent_id}/messages",
      operationId: "listAgentMessages",
      tags,
      scope: "agents:read",
      summary: "List the messages of a session, oldest first",
      description: "All that was said, what was compacted or taken back included.",
      request: { params, query: z.strictObject(sliceQuery) },
      responses: { 200: { description: "A page of messages.", schema: messageListSchema } },
    },
    async (c, { principal, params: { agent_id }, query }) => {
      const { limit, cursor = 0 } = query;
      const rows = await c.get("services").agents.messages(principal, agent_id, cursor, limit + 1);
      const items = rows.slice(0, limit);
      const next = rows.length > limit ? (items.at(-1)?.seq ?? null) : null;
      return toSlice(c.req.url, items.map(toMessage), next);
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/agents/{agent_id}/approvals",
      operationId: "listAgentApprovals",
      tags,
      scope: "agents:read",
      summary: "List the tool calls of an agent that wait for an approval",
      request: { params },
      responses: { 200: { description: "The calls.", schema: approvalListSchema } },
    },
    async (c, { principal, params: { agent_id } }) => {
      const calls = await c.get("services").agents.approvals(principal, agent_id);
      return { status: 200, body: { items: calls.map(toApproval) } };
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/agents/{agent_id}/approvals/{call_id}/approve",
      operationId: "approveAgentCall",
      tags,
      scope: "agents:write",
      summary: "Approve a tool call, as it is or with another input",
      request: { params: callParams, body: approveSchema },
      responses: { 200: AGENT },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { agent_id, call_id }, body }) => {
      const decision = { approved: true, input: body.input } as const;
      const { agents } = c.get("services");
      return shown(await agents.decide(principal, agent_id, call_id, decision));
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/agents/{agent_id}/approvals/{call_id}/deny",
      operationId: "denyAgentCall",
      tags,
      scope: "agents:write",
      summary: "Deny a tool call; the model reads why, and goes on",
      request: { params: callParams, body: denySchema },
      responses: { 200: AGENT },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { agent_id, call_id }, body }) => {
      const decision = { approved: false, reason: body.reason } as const;
      const { agents } = c.get("services");
      return shown(await agents.decide(principal, agent_id, call_id, decision));
    },
  );
}
