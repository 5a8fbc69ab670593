/** Anthropic's Messages API, version 2023-06-01, as its reference describes it. */
import { z } from "zod";
import { anthropicRefusal } from "./anthropic-requests.ts";
import type { Accepted, Protocol } from "./protocol.ts";
import {
  inputPieces,
  type Reply,
  type ReplyPart,
  type ReplyUsage,
  type Stop,
  stopOf,
} from "./reply.ts";

const STOP_REASONS: Readonly<Record<Stop, string>> = {
  stop: "end_turn",
  length: "max_tokens",
  tool_calls: "tool_use",
  content_filter: "refusal",
  refusal: "refusal",
};

type Block =
  | { readonly type: "text"; readonly pieces: readonly string[] }
  | { readonly type: "thinking"; readonly pieces: readonly string[]; readonly signature: string }
  | { readonly type: "redacted_thinking"; readonly data: string }
  | {
      readonly type: "tool_use";
      readonly id: string;
      readonly name: string;
      readonly pieces: readonly string[];
    };

const toolsSchema = z.array(z.looseObject({ name: z.string() }));

const event = (type: string, data: object = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;

/** A request with a tool `json`, and no output format, has its answer there, as older models do. */
function forcesJsonTool({ body: { tools, output_config } }: Accepted): boolean {
  const { data = [] } = toolsSchema.safeParse(tools);
  return output_config === undefined && data.some(({ name }) => name === "json");
}

function blockOf(part: ReplyPart, index: number, request: Accepted, number: number): Block {
  const id = `toolu_fake_${number}_${index}`;
  switch (part.type) {
    case "text":
    case "refusal":
      return { type: "text", pieces: part.text };
    case "thinking":
      return { type: "thinking", pieces: part.text, signature: part.signature };
    case "redacted_thinking":
      return part;
    case "tool_call": {
      const pieces = inputPieces(part);
      // Nothing is streamed of an empty input.
      const isEmpty = pieces.join("") === "{}";
      return {
        type: "tool_use",
        id: part.id ?? id,
        name: part.name,
        pieces: isEmpty ? [] : pieces,
      };
    }
    case "json": {
      const pieces = [JSON.stringify(part.value)];
      return forcesJsonTool(request)
        ? { type: "tool_use", id, name: "json", pieces }
        : { type: "text", pieces };
    }
  }
}

function usageAtStart(usage: ReplyUsage) {
  const cached = usage.cached_input_tokens + usage.cache_write_tokens;
  return {
    input_tokens: usage.input_tokens - cached,
    cache_creation_input_tokens: usage.cache_write_tokens,
    cache_read_input_tokens: usage.cached_input_tokens,
  };
}

function usageAtEnd(usage: ReplyUsage) {
  return {
    ...usageAtStart(usage),
    output_tokens: usage.output_tokens,
    ...(usage.reasoning_tokens > 0 && {
      output_tokens_details: { thinking_tokens: usage.reasoning_tokens },
    }),
  };
}

const NO_USAGE: ReplyUsage = {
  input_tokens: 0,
  output_tokens: 0,
  cached_input_tokens: 0,
  cache_write_tokens: 0,
  reasoning_tokens: 0,
};

const emptyBlock = (block: Block): object => {
  switch (block.type) {
    case "text":
      return { type: "text", text: "" };
    case "thinking":
      return { type: "thinking", thinking: "", signature: "" };
    case "redacted_thinking":
      return { type: "redacted_thinking", data: block.data };
    case "tool_use":
      return { type: "tool_use", id: block.id, name: block.name, input: {} };
  }
};

function deltasOf(block: Block): readonly object[] {
  switch (block.type) {
    case "text":
      return block.pieces.map((text) => ({ type: "text_delta", text }));
    case "thinking":
      return [
        ...block.pieces.map((thinking) => ({ type: "thinking_delta", thinking })),
        { type: "signature_delta", signature: block.signature },
      ];
    case "redacted_thinking":
      return [];
    case "tool_use":
      return ["", ...block.pieces].map((partial_json) => ({
        type: "input_json_delta",
        partial_json,
      }));
  }
}

function wholeBlock(block: Block): object {
  if (block.type === "redacted_thinking") return block;
  const text = block.pieces.join("");
  if (block.type === "text") return { type: "text", text };
  if (block.type === "thinking")
    return { type: "thinking", thinking: text, signature: block.signature };
  return {
    type: "tool_use",
    id: block.id,
    name: block.name,
    input: JSON.parse(text === "" ? "{}" : text),
  };
}

const blocksOf = (reply: Reply, request: Accepted, number: number): readonly Block[] =>
  reply.content.map((part, index) => blockOf(part, index, request, number));

function stopReason(reply: Reply, request: Accepted): string {
  const answersByTool =
    reply.content.some(({ type }) => type === "json") && forcesJsonTool(request);
  return answersByTool ? "tool_use" : STOP_REASONS[stopOf(reply)];
}

export const anthropic: Protocol = {
  name: "anthropic",
  path: "/v1/messages",
  refuse: anthropicRefusal,

  events(reply, request, number) {
    const usage = reply.usage ?? NO_USAGE;
    const message = {
      id: reply.id ?? `msg_fake_${number}`,
      type: "message",
      role: "assistant",
      model: request.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...usageAtStart(usage), output_tokens: 1, service_tier: "standard" },
    };
    const blocks = blocksOf(reply, request, number).flatMap((block, index) => [
      event("content_block_start", { index, content_block: emptyBlock(block) }),
      ...(index === 0 ? [event("ping")] : []),
      ...deltasOf(block).map((delta) => event("content_block_delta", { index, delta })),
      event("content_block_stop", { index }),
    ]);
    const delta = { stop_reason: stopReason(reply, request), stop_sequence: null };
    return [
      event("message_start", { message }),
      ...blocks,
      event("message_delta", { delta, usage: usageAtEnd(usage) }),
      event("message_stop"),
    ];
  },

  whole: (reply, request, number) => ({
    id: reply.id ?? `msg_fake_${number}`,
    type: "message",
    role: "assistant",
    model: request.model,
    content: blocksOf(reply, request, number).map(wholeBlock),
    stop_reason: stopReason(reply, request),
    stop_sequence: null,
    usage: { ...usageAtEnd(reply.usage ?? NO_USAGE), service_tier: "standard" },
  }),

  errorBody: ({ type, message }, number) => ({
    type: "error",
    error: { type, message },
    request_id: `req_fake_${number}`,
  }),

  errorEvent: (type, message) => event("error", { error: { type, message } }),
};
