/** What the routes of agents answer with. */
import { z } from "@hono/zod-openapi";
import { idSchema } from "../http/schemas.ts";
import { agentSchema } from "./schemas.ts";
import type { SessionSnapshot } from "./session-port.ts";
import { toAgent } from "./view.ts";

export const tags = ["Agents"];
export const agentParams = z.object({ agent_id: idSchema });

export const AGENT = { description: "The agent.", schema: agentSchema };
export const GOING = {
  description: "Still going; follow `Location` or its `/events`.",
  schema: agentSchema,
  headers: { Location: "The agent." },
};

export function location({ id }: Pick<SessionSnapshot, "id">): string {
  return `/api/v1/agents/${id}`;
}

export function shown(snapshot: SessionSnapshot) {
  return { status: 200, body: toAgent(snapshot) } as const;
}

/** 202 with an agent that is yet to become what was asked for. */
export function answer(
  snapshot: SessionSnapshot,
  isGoing: boolean,
  headers: Record<string, string> = {},
) {
  if (!isGoing) return { ...shown(snapshot), headers } as const;
  const withLocation = { ...headers, Location: location(snapshot) };
  return { status: 202, body: toAgent(snapshot), headers: withLocation } as const;
}
