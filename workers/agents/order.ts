/** What a step of a pipeline makes an agent of: the document that the run hands to its session. */
import { z } from "zod";
import { agentSpecSchema } from "./spec.ts";

/** What the first message of a session may be. */
export const MAX_MESSAGE_CHARS = 512 * 1024;

const orderSchema = z.strictObject({
  spec: agentSpecSchema,
  /** The first message, whose turn the step is. */
  prompt: z.string().min(1).max(MAX_MESSAGE_CHARS),
  /** Scopes of whoever wrote the step: what the agent may do at most. */
  grants: z.array(z.string()).readonly(),
});
export type AgentOrder = z.output<typeof orderSchema>;

export function writeOrder(order: AgentOrder): string {
  return JSON.stringify(order);
}

/** Throws `ZodError` for what is none. */
export function readOrder(document: string): AgentOrder {
  const value: unknown = JSON.parse(document);
  return orderSchema.parse(value);
}
