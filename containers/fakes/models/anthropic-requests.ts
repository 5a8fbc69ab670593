/** What Anthropic refuses, in its words as far as they are known. */
import type { IncomingHttpHeaders } from "node:http";
import { z } from "zod";
import type { Refusal } from "./protocol.ts";

const textBlock = z.looseObject({ type: z.literal("text"), text: z.string().min(1) });
const blockSchema = z.discriminatedUnion("type", [
  textBlock,
  z.looseObject({
    type: z.literal("thinking"),
    thinking: z.string(),
    signature: z.string().min(1),
  }),
  z.looseObject({ type: z.literal("redacted_thinking"), data: z.string() }),
  z.looseObject({
    type: z.literal("tool_use"),
    id: z.string().regex(/^[A-Za-z0-9_-]+$/),
    name: z.string(),
    input: z.record(z.string(), z.unknown()),
  }),
  z.looseObject({
    type: z.literal("tool_result"),
    tool_use_id: z.string(),
    content: z.union([z.string(), z.array(textBlock)]).optional(),
    is_error: z.boolean().optional(),
  }),
]);

export const anthropicRequestSchema = z.looseObject({
  model: z.string().min(1),
  max_tokens: z.int().min(1),
  stream: z.boolean().optional(),
  system: z.union([z.string(), z.array(textBlock)]).optional(),
  messages: z
    .array(
      z.strictObject({
        role: z.enum(["user", "assistant"]),
        content: z.union([z.string().min(1), z.array(blockSchema).min(1)]),
      }),
    )
    .min(1),
  temperature: z.number().min(0).max(1).optional(),
  tools: z
    .array(
      z.looseObject({
        name: z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/),
        input_schema: z.looseObject({ type: z.literal("object") }),
      }),
    )
    .optional(),
  tool_choice: z
    .discriminatedUnion("type", [
      z.looseObject({ type: z.enum(["auto", "any", "none"]) }),
      z.looseObject({ type: z.literal("tool"), name: z.string() }),
    ])
    .optional(),
});
type Message = z.output<typeof anthropicRequestSchema>["messages"][number];

const invalid = (message: string): Refusal => ({
  status: 400,
  type: "invalid_request_error",
  message,
});

export function anthropicRefusal(
  headers: IncomingHttpHeaders,
  body: unknown,
  apiKey: string,
): Refusal | null {
  if (headers["x-api-key"] !== apiKey) {
    return { status: 401, type: "authentication_error", message: "invalid x-api-key" };
  }
  if (headers["anthropic-version"] === undefined) {
    return invalid("anthropic-version: header is required");
  }
  const parsed = anthropicRequestSchema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return invalid(`${issue?.path.join(".")}: ${issue?.message}`);
  }
  const { messages } = parsed.data;
  if (messages[0]?.role !== "user")
    return invalid('messages: first message must use the "user" role');
  for (const [index, message] of messages.entries()) {
    const problem = pairProblem(messages[index - 1], message, index);
    if (problem !== null) return invalid(problem);
  }
  const open = idsIn(messages.at(-1), "tool_use");
  return open.length === 0 ? null : invalid(unanswered(messages.length - 1, open));
}

function pairProblem(before: Message | undefined, message: Message, index: number): string | null {
  const asked = idsIn(before, "tool_use");
  const answered = idsIn(message, "tool_result");
  const open = asked.filter((id) => !answered.includes(id));
  if (open.length > 0) return unanswered(index - 1, open);
  const [stray] = answered.filter((id) => !asked.includes(id));
  if (stray === undefined) return null;
  return `messages.${index}.content: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${stray}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`;
}

const unanswered = (index: number, ids: readonly string[]) =>
  `messages.${index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${ids.join(", ")}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`;

function idsIn(message: Message | undefined, type: "tool_use" | "tool_result"): readonly string[] {
  const content = message?.content ?? [];
  if (typeof content === "string") return [];
  return content.flatMap((block) => {
    if (block.type === "tool_use" && type === "tool_use") return [block.id];
    return block.type === "tool_result" && type === "tool_result" ? [block.tool_use_id] : [];
  });
}
