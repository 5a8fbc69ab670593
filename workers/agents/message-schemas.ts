/** The wire shapes of what is said in a session: messages sent, the reply, the history. */
import { z } from "@hono/zod-openapi";
import { listOf, orNull, timestampSchema } from "../http/schemas.ts";
import { ATTACHMENT } from "./attachments.ts";
import { STOP_REASONS } from "./machine/types.ts";
import { agentSchema } from "./schemas.ts";

export const MESSAGE_POLICIES = ["enqueue", "reject", "interrupt", "rollback"] as const;

export const sendMessageSchema = z
  .strictObject({
    content: z
      .string()
      .min(1)
      .max(512 * 1024),
    attachments: z
      .array(z.string().max(600).regex(ATTACHMENT, "Name a file that a task kept as TASK_ID/PATH."))
      .max(20)
      .default([])
      .openapi({
        description:
          "Files that tasks kept, each as `TASK_ID/PATH`: the model is told what is in them, of text up to 64 KiB each.",
      }),
    policy: z.enum(MESSAGE_POLICIES).default("enqueue").openapi({
      description:
        "When a turn is under way: wait for its end, refuse (409), stop it and keep what it said, or stop it and take it back.",
    }),
  })
  .openapi("SendAgentMessage");

export const replySchema = z
  .object({
    text: z.string(),
    stop_reason: z.enum(STOP_REASONS),
    result: z.unknown().openapi({
      description: "Any JSON: what the agent has handed in by `submit_result`; null for nothing.",
    }),
  })
  .openapi("AgentReply");

export const sentMessageSchema = z
  .object({
    message_id: z.string(),
    turn: z.int().nullable().openapi({ description: "Null while it waits for one." }),
    reply: orNull(replySchema).openapi({
      description: "What the turn has come to; null while it has not ended.",
    }),
    agent: agentSchema,
  })
  .openapi("SentAgentMessage");

export const messageSchema = z
  .object({
    seq: z.int(),
    id: z.string(),
    at: timestampSchema,
    turn: z.int().nullable(),
    role: z.enum(["user", "assistant", "tool", "summary"]),
    state: z.enum(["queued", "taken", "cut", "rolled_back", "compacted"]).openapi({
      description:
        "`cut` ends where it was stopped; `rolled_back` and `compacted` ones are not told to the model any more.",
    }),
    content: z.unknown().openapi({ description: "Parts, as models have them." }),
    attachments: z.array(z.string()),
  })
  .openapi("AgentMessage");
export const messageListSchema = listOf(messageSchema).openapi("AgentMessageList");
