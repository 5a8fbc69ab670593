/** OpenAI's chat completions, and what servers like it add, as their reference describes them. */
import { openAiRefusal } from "./openai-requests.ts";
import type { Accepted, Protocol } from "./protocol.ts";
import {
  inputPieces,
  type Reply,
  type ReplyPart,
  type ReplyUsage,
  type Stop,
  stopOf,
} from "./reply.ts";

const FINISH_REASONS: Readonly<Record<Stop, string>> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool_calls",
  content_filter: "content_filter",
  refusal: "stop",
};
/** Seconds since 1970; always the same, so that a reply is too. */
const CREATED = 1_760_000_000;

const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`;

type ToolCall = Extract<ReplyPart, { type: "tool_call" }>;

const idOf = ({ id }: ToolCall, index: number, number: number) =>
  id ?? `call_fake_${number}_${index}`;

const extraOf = ({ thought_signature }: ToolCall) =>
  thought_signature === undefined ? {} : { extra_content: { google: { thought_signature } } };

/** The deltas of a part; `index` counts the calls of a reply alone. */
function deltasOf(part: ReplyPart, index: number, number: number): readonly object[] {
  switch (part.type) {
    case "text":
      return part.text.map((content) => ({ content }));
    case "json":
      return [{ content: JSON.stringify(part.value) }];
    case "thinking":
      return part.text.map((reasoning_content) => ({ reasoning_content }));
    case "redacted_thinking":
      return [];
    case "refusal":
      return part.text.map((refusal) => ({ refusal }));
    case "tool_call": {
      const id = idOf(part, index, number);
      const head = { index, id, type: "function", function: { name: part.name, arguments: "" } };
      return [
        { tool_calls: [{ ...head, ...extraOf(part) }] },
        ...inputPieces(part).map((piece) => ({
          tool_calls: [{ index, function: { arguments: piece } }],
        })),
      ];
    }
  }
}

/** Each part with its place among the calls. */
function numbered({ content }: Reply): readonly (readonly [part: ReplyPart, index: number])[] {
  let calls = 0;
  return content.map((part) => {
    const index = calls;
    if (part.type === "tool_call") calls += 1;
    return [part, index];
  });
}

const usageOf = (usage: ReplyUsage) => ({
  prompt_tokens: usage.input_tokens,
  completion_tokens: usage.output_tokens,
  total_tokens: usage.input_tokens + usage.output_tokens,
  prompt_tokens_details: { cached_tokens: usage.cached_input_tokens, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: usage.reasoning_tokens,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
});

const wantsUsage = ({ body }: Accepted) =>
  JSON.stringify(body.stream_options ?? null) === '{"include_usage":true}';

/** A text of a whole message, null when no part of the reply has one. */
function joined(reply: Reply, text: (part: ReplyPart) => readonly string[]): string | null {
  const pieces = reply.content.flatMap(text);
  return pieces.length === 0 ? null : pieces.join("");
}

function messageOf(reply: Reply, number: number): object {
  const calls = numbered(reply).flatMap(([part, index]) =>
    part.type === "tool_call"
      ? [
          {
            id: idOf(part, index, number),
            type: "function",
            function: { name: part.name, arguments: inputPieces(part).join("") },
            ...extraOf(part),
          },
        ]
      : [],
  );
  const reasoning_content = joined(reply, (part) => (part.type === "thinking" ? part.text : []));
  return {
    role: "assistant",
    content: joined(reply, (part) => {
      if (part.type === "json") return [JSON.stringify(part.value)];
      return part.type === "text" ? part.text : [];
    }),
    refusal: joined(reply, (part) => (part.type === "refusal" ? part.text : [])),
    ...(reasoning_content !== null && { reasoning_content }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

export const openai: Protocol = {
  name: "openai",
  path: "/v1/chat/completions",
  refuse: openAiRefusal,

  events(reply, request, number) {
    const withUsage = wantsUsage(request) && reply.usage !== null;
    const chunk = (choices: readonly object[], usage: object | null = null) =>
      event({
        id: reply.id ?? `chatcmpl-fake-${number}`,
        object: "chat.completion.chunk",
        created: CREATED,
        model: request.model,
        system_fingerprint: "fp_fake",
        choices,
        ...(withUsage && { usage }),
      });
    const choice = (delta: object, finish_reason: string | null = null) =>
      chunk([{ index: 0, delta, logprobs: null, finish_reason }]);
    return [
      choice({ role: "assistant", content: "", refusal: null }),
      ...numbered(reply).flatMap(([part, index]) =>
        deltasOf(part, index, number).map((delta) => choice(delta)),
      ),
      choice({}, FINISH_REASONS[stopOf(reply)]),
      ...(withUsage && reply.usage !== null ? [chunk([], usageOf(reply.usage))] : []),
      "data: [DONE]\n\n",
    ];
  },

  whole: (reply, request, number) => ({
    id: reply.id ?? `chatcmpl-fake-${number}`,
    object: "chat.completion",
    created: CREATED,
    model: request.model,
    choices: [
      {
        index: 0,
        message: messageOf(reply, number),
        logprobs: null,
        finish_reason: FINISH_REASONS[stopOf(reply)],
      },
    ],
    ...(reply.usage !== null && { usage: usageOf(reply.usage) }),
    system_fingerprint: "fp_fake",
  }),

  errorBody: ({ type, message, code }) => ({
    error: { message, type, param: null, code: code ?? null },
  }),

  errorEvent: (type, message) => event({ error: { message, type, param: null, code: null } }),
};
