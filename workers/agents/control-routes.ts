/** What makes an agent go, stand still and end. */
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { preferenceHeaders, preferHeader, readPreference } from "../http/prefer.ts";
import { AGENT, answer, GOING, agentParams as params, shown, tags } from "./replies.ts";
import { cancelTurnSchema, pauseAgentSchema } from "./schemas.ts";

const scope = "agents:execute";
const errors = ["illegal_transition"] as const;

export function controlRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "post",
      path: "/agents/{agent_id}/initialize",
      operationId: "initializeAgent",
      tags,
      scope,
      summary: "Prepare what an agent needs, so that it takes messages",
      description:
        "Checks its model, pins its skills, finds its codebase. Answers 200 when that has ended, `error` says why it failed, and 202 when it is still going after `Prefer: wait=N` seconds (30 unless said, 60 at most). One that failed may be initialized again.",
      request: { params, headers: preferHeader },
      responses: { 200: AGENT, 202: GOING },
      errors: [...errors, "rate_limited"],
    },
    async (c, { principal, params: { agent_id }, headers }) => {
      const preference = readPreference(headers.prefer);
      const wait_ms = preference.wait_seconds * 1000;
      const snapshot = await c.get("services").agents.initialize(principal, agent_id, wait_ms);
      return answer(snapshot, snapshot.state === "initializing", preferenceHeaders(preference));
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/agents/{agent_id}/pause",
      operationId: "pauseAgent",
      tags,
      scope,
      summary: "Pause an agent, in the middle of a turn too",
      description:
        "Answers 202 while what is in flight still has to end. Messages that come meanwhile wait.",
      request: { params, body: pauseAgentSchema },
      responses: { 200: AGENT, 202: GOING },
      errors,
    },
    async (c, { principal, params: { agent_id }, body }) => {
      const command = { type: "pause", mode: body.mode } as const;
      const snapshot = await c.get("services").agents.command(principal, agent_id, command);
      return answer(snapshot, snapshot.pausing);
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/agents/{agent_id}/cancel",
      operationId: "cancelAgentTurn",
      tags,
      scope,
      summary: "Cancel the turn that is under way; the agent goes on with what waits",
      request: { params, body: cancelTurnSchema },
      responses: { 200: AGENT },
      errors,
    },
    async (c, { principal, params: { agent_id }, body }) => {
      const command = { type: "cancel_turn", turn: body.turn } as const;
      return shown(await c.get("services").agents.command(principal, agent_id, command));
    },
  );

  const actions = [
    ["resume", "resumeAgent", "Go on with the turn that was paused, where it stood"],
    ["terminate", "terminateAgent", "End an agent for good, and free what it has"],
    ["compact", "compactAgent", "Have the conversation summarised; the originals are kept"],
  ] as const;
  for (const [type, operationId, summary] of actions) {
    endpoint(
      router,
      {
        method: "post",
        path: `/agents/{agent_id}/${type}`,
        operationId,
        tags,
        scope,
        summary,
        request: { params },
        responses: { 200: AGENT },
        errors,
      },
      async (c, { principal, params: { agent_id } }) =>
        shown(await c.get("services").agents.command(principal, agent_id, { type })),
    );
  }
}
