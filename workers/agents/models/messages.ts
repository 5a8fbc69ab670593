/** Conversations as they are stored and sent: plain JSON, the same for every provider. */
import { z } from "zod";
import type { Json } from "../../http/json.ts";

/** What was read as JSON is not walked again. */
const jsonSchema = z.custom<Json>((value) => value !== undefined);

const textPartSchema = z.object({ type: z.literal("text"), text: z.string() });

/**
 * What a model thought. A provider takes its own back only unchanged, with the `signature` that it
 * gave; `redacted_data` is thought that it shows to nobody. Other providers are not sent it.
 */
const reasoningPartSchema = z.object({
  type: z.literal("reasoning"),
  /** The provider that thought it, as the registry names it. */
  provider: z.string(),
  text: z.string(),
  signature: z.string().nullable(),
  redacted_data: z.string().nullable(),
});

const toolCallPartSchema = z.object({
  type: z.literal("tool_call"),
  /** Unique within the conversation. */
  id: z.string().min(1),
  name: z.string().min(1),
  input: jsonSchema,
  /** What the provider named in `provider` wants to see again beside the call; null for nothing. */
  signature: z.string().nullable(),
  provider: z.string(),
});

const toolResultPartSchema = z.object({
  type: z.literal("tool_result"),
  /** The id of the call that it answers. */
  id: z.string().min(1),
  output: jsonSchema,
  is_error: z.boolean(),
});

const userMessageSchema = z.object({
  role: z.literal("user"),
  content: z.array(textPartSchema).min(1),
});

const assistantMessageSchema = z.object({
  role: z.literal("assistant"),
  content: z.array(
    z.discriminatedUnion("type", [textPartSchema, reasoningPartSchema, toolCallPartSchema]),
  ),
});

const toolMessageSchema = z.object({
  role: z.literal("tool"),
  content: z.array(toolResultPartSchema).min(1),
});

/** Reads a stored message. */
export const modelMessageSchema = z.discriminatedUnion("role", [
  userMessageSchema,
  assistantMessageSchema,
  toolMessageSchema,
]);

export type TextPart = Readonly<z.output<typeof textPartSchema>>;
export type ReasoningPart = Readonly<z.output<typeof reasoningPartSchema>>;
export type ToolCallPart = Readonly<z.output<typeof toolCallPartSchema>>;
export type ToolResultPart = Readonly<z.output<typeof toolResultPartSchema>>;
export type AssistantPart = TextPart | ReasoningPart | ToolCallPart;

export interface UserMessage {
  readonly role: "user";
  readonly content: readonly TextPart[];
}
export interface AssistantMessage {
  readonly role: "assistant";
  readonly content: readonly AssistantPart[];
}
export interface ToolMessage {
  readonly role: "tool";
  readonly content: readonly ToolResultPart[];
}
export type ModelMessage = UserMessage | AssistantMessage | ToolMessage;

export function userText(text: string): UserMessage {
  return { role: "user", content: [{ type: "text", text }] };
}

/** The text of a message, its parts one after the other. */
export function textOf({ content }: ModelMessage): string {
  return content.map((part) => (part.type === "text" ? part.text : "")).join("");
}

export function toolCallsOf(message: ModelMessage | undefined): readonly ToolCallPart[] {
  if (message?.role !== "assistant") return [];
  return message.content.filter((part) => part.type === "tool_call");
}

/**
 * Why no provider would take a conversation: it begins with a user's message, and the calls of each
 * step are answered, each once, by the message that follows. Null when nothing is wrong.
 */
export function conversationProblem(messages: readonly ModelMessage[]): string | null {
  if (messages[0]?.role !== "user") return "The conversation must begin with a user's message.";
  for (const [index, message] of messages.entries()) {
    const problem = answerProblem(messages[index - 1], message);
    if (problem !== null) return `messages[${index}]: ${problem}`;
  }
  const open = toolCallsOf(messages.at(-1));
  return open.length === 0 ? null : `The last message has calls without results: ${idsOf(open)}.`;
}

function answerProblem(before: ModelMessage | undefined, message: ModelMessage): string | null {
  if (message.content.length === 0) return "the message is empty.";
  const calls = idsOf(toolCallsOf(before));
  const results = message.role === "tool" ? idsOf(message.content) : "";
  if (calls === results) return null;
  return `the results must be those of the calls before, "${calls}", and not "${results}".`;
}

const idsOf = (parts: readonly { readonly id: string }[]) =>
  parts
    .map(({ id }) => id)
    .sort()
    .join(", ");
