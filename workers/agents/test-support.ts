/** Agents as tests have them: made and followed over HTTP. */
import { expect } from "vitest";
import type { z } from "zod";
import type { Call, CallInit } from "../test/app.ts";
import { sentMessageSchema } from "./message-schemas.ts";
import { agentSchema } from "./schemas.ts";

export const AGENTS = "/api/v1/agents";

export const OPERATOR = { name: "worker", model: "operator" };

export type Agent = z.output<typeof agentSchema>;

export async function createAgent(
  call: Call,
  body: Record<string, unknown> = {},
  init: CallInit = {},
): Promise<Agent> {
  const reply = await call(AGENTS, { body: { ...OPERATOR, initialize: true, ...body }, ...init });
  expect(reply.status, reply.text).toBe(201);
  return agentSchema.parse(reply.body);
}

export async function readAgent(call: Call, id: string): Promise<Agent> {
  const reply = await call(`${AGENTS}/${id}`);
  expect(reply.status, reply.text).toBe(200);
  return agentSchema.parse(reply.body);
}

export async function say(
  call: Call,
  id: string,
  content: string,
  headers: Record<string, string> = {},
) {
  const reply = await call(`${AGENTS}/${id}/message`, { body: { content }, headers });
  expect(reply.status, reply.text).toBeOneOf([200, 202]);
  return sentMessageSchema.parse(reply.body);
}
