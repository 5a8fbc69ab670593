/** What the providers make of the streams that are frozen in `containers/fakes/models/transcripts`. */
import { describe, expect, it } from "vitest";
import { complete } from "./complete.ts";
import { toolCallsOf } from "./messages.ts";
import {
  ANTHROPIC,
  eventsOf,
  failureOf,
  modelsAt,
  never,
  OPENAI,
  requestOf,
  script,
  seen,
} from "./test-support.ts";

const models = modelsAt();
const play = async (transcript: string, model: string) => {
  await script({ transcript });
  return eventsOf(models, { model });
};

const usage = (input_tokens: number, output_tokens: number, more: object = {}) => ({
  type: "usage",
  usage: {
    input_tokens,
    output_tokens,
    cached_input_tokens: 0,
    cache_write_tokens: 0,
    reasoning_tokens: null,
    ...more,
  },
});
const finish = (reason: string, raw: string, response_id: string, response_model: string) => ({
  type: "finish",
  reason,
  raw,
  response_id,
  response_model,
});
const text = (...pieces: string[]) => pieces.map((piece) => ({ type: "text_delta", text: piece }));
const call = (
  provider: string,
  id: string,
  name: string,
  input: object,
  signature: string | null = null,
) => ({
  type: "tool_call",
  call: { type: "tool_call", id, name, input, signature, provider },
});

describe("Anthropic", () => {
  it("streams text", async () => {
    expect(await play("anthropic-text", ANTHROPIC)).toEqual([
      ...text("Hello", "! I", "'m here – ✓ and ready."),
      usage(12, 30),
      finish("stop", "end_turn", "msg_01Text", "claude-sonnet-5-5"),
    ]);
  });

  it("gives parallel calls once the step has ended, and counts the cache", async () => {
    expect(await play("anthropic-parallel-tools", ANTHROPIC)).toEqual([
      ...text("I'll look at both."),
      call("anthropic", "call_01", "read_file", { path: "src/a.ts" }),
      call("anthropic", "call_02", "list_skills", {}),
      usage(565, 48, { cached_input_tokens: 512, cache_write_tokens: 40 }),
      finish("tool_calls", "tool_use", "msg_01Tools", "claude-sonnet-5-5"),
    ]);
  });

  it("gives thoughts with their signatures, hidden ones too", async () => {
    const own = { type: "reasoning", provider: "anthropic" };
    expect(await play("anthropic-thinking", ANTHROPIC)).toEqual([
      { type: "reasoning_delta", text: "The sum of 2" },
      { type: "reasoning_delta", text: " and 2 is asked." },
      {
        type: "reasoning",
        part: {
          ...own,
          text: "The sum of 2 and 2 is asked.",
          signature: "EsECCokBCBAYAg==",
          redacted_data: null,
        },
      },
      {
        type: "reasoning",
        part: { ...own, text: "", signature: null, redacted_data: "EmwKAhgBEgy3va==" },
      },
      ...text("4"),
      usage(47, 73, { reasoning_tokens: 62 }),
      finish("stop", "end_turn", "msg_01Thinking", "claude-sonnet-5-5"),
    ]);
  });

  it("says that the model refused", async () => {
    expect((await play("anthropic-refusal", ANTHROPIC)).at(-1)).toMatchObject({
      reason: "refusal",
      raw: "refusal",
    });
  });

  it("reads events that are padded, and past those that it does not know", async () => {
    expect(await play("anthropic-newer", ANTHROPIC)).toEqual([
      { type: "warning", message: expect.stringContaining("mood_changed") },
      ...text("Hello"),
      usage(9, 4, { reasoning_tokens: 0 }),
      finish("stop", "end_turn", "msg_01Padded", "claude-sonnet-5-5"),
    ]);
  });
});

describe("OpenAI's protocol", () => {
  const openAiUsage = (input: number, output: number, more: object = {}) =>
    usage(input, output, { cache_write_tokens: null, reasoning_tokens: 0, ...more });

  it("streams text", async () => {
    expect(await play("openai-text", OPENAI)).toEqual([
      ...text("Hello", "! I", "'m here – ✓ and ready."),
      openAiUsage(12, 30, { cached_input_tokens: 8 }),
      finish("stop", "stop", "chatcmpl-Text", "gpt-6.1-sol"),
    ]);
  });

  it("gives parallel calls once the step has ended", async () => {
    expect(await play("openai-parallel-tools", OPENAI)).toEqual([
      ...text("I'll look at both."),
      call("openai", "call_01", "read_file", { path: "src/a.ts" }),
      call("openai", "call_02", "list_skills", {}),
      openAiUsage(565, 48),
      finish("tool_calls", "tool_calls", "chatcmpl-Tools", "gpt-6.1-sol"),
    ]);
  });

  it("gives thoughts of servers that tell them", async () => {
    const part = {
      type: "reasoning",
      provider: "openai",
      text: "The sum of 2 and 2 is asked.",
      signature: null,
      redacted_data: null,
    };
    expect(await play("openai-reasoning", OPENAI)).toEqual([
      { type: "reasoning_delta", text: "The sum of 2" },
      { type: "reasoning_delta", text: " and 2 is asked." },
      { type: "reasoning", part },
      ...text("4"),
      openAiUsage(47, 73, { reasoning_tokens: 62 }),
      finish("stop", "stop", "chatcmpl-Reasoning", "qwen3:8b"),
    ]);
  });

  it("says that the model refused, with its words", async () => {
    const events = await play("openai-refusal", OPENAI);
    expect(events.slice(0, 2)).toEqual(text("I'm sorry", ", I cannot help with that."));
    expect(events.at(-1)).toMatchObject({ reason: "refusal", raw: "stop" });
  });

  it("sees calls beside a stop, as Ollama sends them", async () => {
    expect(await play("openai-ollama-tools", OPENAI)).toEqual([
      call("openai", "call_ab12", "read_file", { path: "src/a.ts" }),
      openAiUsage(165, 25),
      finish("tool_calls", "stop", "chatcmpl-841", "qwen3:8b"),
    ]);
  });

  it("keeps a call's signature, as Gemini sends it, and sends it back", async () => {
    await script({ transcript: "openai-gemini-tools" }, {});
    const { message } = await complete(models, requestOf({ model: OPENAI }), never);
    expect(toolCallsOf(message)).toMatchObject([
      { id: "function-call-7", signature: "EjQKMgEMOdbH" },
    ]);
    const result = {
      type: "tool_result",
      id: "function-call-7",
      output: "x",
      is_error: false,
    } as const;
    const messages = [
      ...requestOf().messages,
      message,
      { role: "tool", content: [result] } as const,
    ];
    await complete(models, requestOf({ model: OPENAI, messages }), never);
    expect(JSON.stringify((await seen()).at(-1)?.body)).toContain(
      '"thought_signature":"EjQKMgEMOdbH"',
    );
  });

  it("reads past comments and empty chunks, and knows no usage that is not told", async () => {
    expect(await play("openai-kept-alive", OPENAI)).toEqual([
      ...text("Hello", "!"),
      {
        type: "usage",
        usage: {
          input_tokens: null,
          cached_input_tokens: null,
          cache_write_tokens: null,
          output_tokens: null,
          reasoning_tokens: null,
        },
      },
      finish("stop", "stop", "gen-1", "meta/llama"),
    ]);
  });
});

it.each([
  ["anthropic-error", ANTHROPIC],
  ["openai-error", OPENAI],
])("fails by the error in %s, after what came before", async (transcript, model) => {
  await script({ transcript });
  const before: string[] = [];
  const outcome = (async () => {
    for await (const event of models.step(requestOf({ model }), never)) before.push(event.type);
  })();
  expect(await failureOf(outcome)).toMatchObject({ code: "model_overloaded", retryable: true });
  expect(before).toContain("text_delta");
  expect(before).not.toContain("finish");
});
