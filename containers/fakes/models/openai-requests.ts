/** What OpenAI refuses, in its words as far as they are known. */
import type { IncomingHttpHeaders } from "node:http";
import { z } from "zod";
import type { Refusal } from "./protocol.ts";

const callSchema = z.looseObject({
  id: z.string(),
  type: z.literal("function"),
  function: z.strictObject({ name: z.string(), arguments: z.string() }),
});

const messageSchema = z.discriminatedUnion("role", [
  z.looseObject({ role: z.enum(["system", "developer"]), content: z.string() }),
  z.looseObject({
    role: z.literal("user"),
    content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]),
  }),
  z.looseObject({
    role: z.literal("assistant"),
    content: z.string().nullish(),
    tool_calls: z.array(callSchema).min(1).optional(),
  }),
  z.looseObject({ role: z.literal("tool"), tool_call_id: z.string(), content: z.string() }),
]);

export const openAiRequestSchema = z.looseObject({
  model: z.string().min(1),
  messages: z.array(messageSchema).min(1),
  stream: z.boolean().optional(),
  stream_options: z.strictObject({ include_usage: z.boolean() }).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  tools: z
    .array(
      z.strictObject({
        type: z.literal("function"),
        function: z.looseObject({
          name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
          parameters: z.looseObject({}).optional(),
        }),
      }),
    )
    .min(1)
    .optional(),
  tool_choice: z
    .union([
      z.enum(["none", "auto", "required"]),
      z.strictObject({
        type: z.literal("function"),
        function: z.strictObject({ name: z.string() }),
      }),
    ])
    .optional(),
  response_format: z
    .discriminatedUnion("type", [
      z.strictObject({ type: z.enum(["text", "json_object"]) }),
      z.strictObject({
        type: z.literal("json_schema"),
        json_schema: z.looseObject({
          name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
          schema: z.looseObject({}),
          strict: z.boolean().nullish(),
        }),
      }),
    ])
    .optional(),
});
type Request = z.output<typeof openAiRequestSchema>;

const invalid = (message: string): Refusal => ({
  status: 400,
  type: "invalid_request_error",
  message,
});

export function openAiRefusal(
  headers: IncomingHttpHeaders,
  body: unknown,
  apiKey: string,
): Refusal | null {
  if (headers.authorization !== `Bearer ${apiKey}`) {
    return {
      ...invalid(
        "Incorrect API key provided. You can find your API key in your account's settings.",
      ),
      status: 401,
      code: "invalid_api_key",
    };
  }
  const parsed = openAiRequestSchema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return invalid(`Invalid value for '${issue?.path.join(".")}': ${issue?.message}`);
  }
  const problem = optionsProblem(parsed.data) ?? pairProblem(parsed.data.messages);
  return problem === null ? null : invalid(problem);
}

function optionsProblem(request: Request): string | null {
  const { stream, stream_options, tools, tool_choice, response_format: format } = request;
  if (stream_options && stream !== true) {
    return "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
  }
  if (tool_choice !== undefined && tools === undefined) {
    return "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.";
  }
  if (format?.type !== "json_schema") return null;
  const { type } = format.json_schema.schema;
  if (type !== "object") {
    return `Invalid schema for response_format '${format.json_schema.name}': schema must be a JSON Schema of 'type: "object"', got 'type: "${type ?? "None"}"'.`;
  }
  if (format.json_schema.strict !== true) return null;
  const open = firstOpenObject(format.json_schema.schema);
  if (open === null) return null;
  return `Invalid schema for response_format '${format.json_schema.name}': In context=(${open}), 'additionalProperties' is required to be supplied and to be false, and 'required' to include every key in properties.`;
}

const objectSchema = z.looseObject({
  type: z.literal("object"),
  properties: z.record(z.string(), z.unknown()).default({}),
  required: z.array(z.string()).default([]),
  additionalProperties: z.unknown().optional(),
});

/** The place of an object that strict output would not take; null when there is none. */
function firstOpenObject(schema: unknown, place = ""): string | null {
  if (typeof schema !== "object" || schema === null) return null;
  const object = objectSchema.safeParse(schema);
  if (object.success) {
    const { properties, required, additionalProperties } = object.data;
    const isClosed =
      additionalProperties === false &&
      Object.keys(properties).every((key) => required.includes(key));
    if (!isClosed) return place;
  }
  for (const [key, below] of Object.entries(schema)) {
    const found = firstOpenObject(below, `${place}'${key}', `);
    if (found !== null) return found;
  }
  return null;
}

function pairProblem(messages: Request["messages"]): string | null {
  let open: readonly string[] = [];
  for (const [index, message] of messages.entries()) {
    if (message.role === "tool") {
      const { tool_call_id: id } = message;
      if (!open.includes(id)) {
        return `Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls' (messages.[${index}]).`;
      }
      open = open.filter((other) => other !== id);
      continue;
    }
    if (open.length > 0) return unanswered(open);
    if (message.role === "assistant") open = (message.tool_calls ?? []).map(({ id }) => id);
  }
  return open.length > 0 ? unanswered(open) : null;
}

const unanswered = (ids: readonly string[]) =>
  `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${ids.join(", ")}`;
