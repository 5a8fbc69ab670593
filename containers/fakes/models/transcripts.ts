/**
 * The streams in `transcripts/` that the fake itself would send, by what it sends them for. The other
 * files there are of servers that do it differently.
 */
import type { Fault, ReplyInput } from "./reply.ts";

export interface Transcript {
  readonly protocol: "anthropic" | "openai";
  readonly model: string;
  readonly reply: ReplyInput;
}

const CALLS: NonNullable<ReplyInput["content"]> = [
  { type: "text", text: "I'll look at both." },
  { type: "tool_call", id: "call_01", name: "read_file", input: { path: "src/a.ts" } },
  { type: "tool_call", id: "call_02", name: "list_skills" },
];

const ERROR: Fault = {
  kind: "error_event",
  after_events: 4,
  type: "overloaded_error",
  message: "Overloaded",
};

export const TRANSCRIPTS: Readonly<Record<string, Transcript>> = {
  "anthropic-text": {
    protocol: "anthropic",
    model: "claude-sonnet-5-5",
    reply: {
      id: "msg_01Text",
      content: [{ type: "text", text: ["Hello", "! I", "'m here – ✓ and ready."] }],
      usage: { input_tokens: 12, output_tokens: 30 },
    },
  },
  "anthropic-parallel-tools": {
    protocol: "anthropic",
    model: "claude-sonnet-5-5",
    reply: {
      id: "msg_01Tools",
      content: CALLS,
      usage: {
        input_tokens: 565,
        output_tokens: 48,
        cached_input_tokens: 512,
        cache_write_tokens: 40,
      },
    },
  },
  "anthropic-thinking": {
    protocol: "anthropic",
    model: "claude-sonnet-5-5",
    reply: {
      id: "msg_01Thinking",
      content: [
        {
          type: "thinking",
          text: ["The sum of 2", " and 2 is asked."],
          signature: "EsECCokBCBAYAg==",
        },
        { type: "redacted_thinking", data: "EmwKAhgBEgy3va==" },
        { type: "text", text: "4" },
      ],
      usage: { input_tokens: 47, output_tokens: 73, reasoning_tokens: 62 },
    },
  },
  "anthropic-refusal": {
    protocol: "anthropic",
    model: "claude-sonnet-5-5",
    reply: { id: "msg_01Refusal", stop: "refusal", usage: { input_tokens: 18, output_tokens: 5 } },
  },
  "anthropic-error": {
    protocol: "anthropic",
    model: "claude-sonnet-5-5",
    reply: {
      id: "msg_01Error",
      content: [{ type: "text", text: ["Hello", " there"] }],
      fault: ERROR,
    },
  },
  "openai-text": {
    protocol: "openai",
    model: "gpt-6.1-sol",
    reply: {
      id: "chatcmpl-Text",
      content: [{ type: "text", text: ["Hello", "! I", "'m here – ✓ and ready."] }],
      usage: { input_tokens: 12, output_tokens: 30, cached_input_tokens: 8 },
    },
  },
  "openai-parallel-tools": {
    protocol: "openai",
    model: "gpt-6.1-sol",
    reply: {
      id: "chatcmpl-Tools",
      content: CALLS,
      usage: { input_tokens: 565, output_tokens: 48 },
    },
  },
  "openai-reasoning": {
    protocol: "openai",
    model: "qwen3:8b",
    reply: {
      id: "chatcmpl-Reasoning",
      content: [
        { type: "thinking", text: ["The sum of 2", " and 2 is asked."] },
        { type: "text", text: "4" },
      ],
      usage: { input_tokens: 47, output_tokens: 73, reasoning_tokens: 62 },
    },
  },
  "openai-refusal": {
    protocol: "openai",
    model: "gpt-6.1-sol",
    reply: {
      id: "chatcmpl-Refusal",
      content: [{ type: "refusal", text: ["I'm sorry", ", I cannot help with that."] }],
      stop: "refusal",
    },
  },
  "openai-error": {
    protocol: "openai",
    model: "gpt-6.1-sol",
    reply: {
      id: "chatcmpl-Error",
      content: [{ type: "text", text: ["Hello", " there", "."] }],
      fault: ERROR,
    },
  },
};
