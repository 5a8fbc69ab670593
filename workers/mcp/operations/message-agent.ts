import { z } from "zod";
import { replySchema, sendMessageSchema } from "../../agents/message-schemas.ts";
import { AGENT_STATES, WAITS } from "../../agents/session-port.ts";
import { idSchema } from "../../http/schemas.ts";
import { defineOperation } from "../operation.ts";
import { MAX_WAIT_SECONDS, waitField } from "../waiting.ts";

const TOOL = "pipelzr_message_agent";

export const messageAgent = defineOperation({
  name: TOOL,
  title: "Send an agent a message",
  description:
    "Sends a message to an agent session and waits for its reply. Where `reply` is null the turn goes on, or waits for what `waiting_for` says; a message is never lost.",
  scope: "agents:execute",
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
  input: z.strictObject({
    agent_id: idSchema.describe("Id of the agent."),
    content: sendMessageSchema.shape.content,
    wait_seconds: waitField(MAX_WAIT_SECONDS),
  }),
  output: z.object({
    message_id: z.string(),
    turn: z.int().nullable(),
    reply: replySchema.nullable(),
    state: z.enum(AGENT_STATES),
    waiting_for: z.enum(WAITS).nullable(),
  }),
  async run({ principal, services: { agents }, once }, sent) {
    const { agent_id, content, wait_seconds } = sent;
    const { attachments, policy } = sendMessageSchema.parse({ content });
    const message = { content, attachments, policy, wait_ms: wait_seconds * 1000 };
    const { message_id, turn, reply, session } = await once([TOOL, sent], (seed) =>
      agents.send(principal, agent_id, seed, message),
    );
    const { state, waiting_for } = session;
    return { output: { message_id, turn, reply, state, waiting_for } };
  },
});
