/** What the providers are sent, and structured output. */
import { describe, expect, it } from "vitest";
import { complete } from "./complete.ts";
import { type ModelMessage, userText } from "./messages.ts";
import type { ModelRequest } from "./port.ts";
import {
  ANTHROPIC,
  failureOf,
  modelsAt,
  never,
  OPENAI,
  requestOf,
  script,
  seen,
} from "./test-support.ts";

const models = modelsAt();

async function sent(change: Partial<ModelRequest>, reply: object = {}) {
  await script(reply);
  const completion = await complete(models, requestOf(change), never);
  const [request] = await seen();
  return { completion, request, body: request?.body };
}

const TOOLS = [
  {
    name: "read_file",
    description: "Reads a file.",
    input_schema: { type: "object", properties: { path: { type: "string" } } },
  },
];
const call = {
  type: "tool_call",
  id: "c1",
  name: "read_file",
  input: { path: "a" },
  signature: null,
} as const;
const thought = { type: "reasoning", text: "Hm.", signature: "c2ln", redacted_data: null } as const;
const CONVERSATION: readonly ModelMessage[] = [
  userText("Read a."),
  {
    role: "assistant",
    content: [
      { ...thought, provider: "anthropic" },
      { type: "text", text: "Reading." },
      { ...call, provider: "anthropic" },
    ],
  },
  {
    role: "tool",
    content: [{ type: "tool_result", id: "c1", output: { lines: 3 }, is_error: true }],
  },
];

describe("Anthropic", () => {
  it("is sent all of a request, with key and version", async () => {
    const { request, body } = await sent({
      instructions: "Be brief.",
      messages: CONVERSATION,
      tools: TOOLS,
      tool_choice: { tool: "read_file" },
      prompt_cache: true,
      provider_options: { anthropic: { effort: "low" } },
    });
    expect(request).toMatchObject({
      path: "/v1/messages",
      headers: { "anthropic-version": "2023-06-01", "x-api-key": expect.any(String) },
    });
    expect(body).toMatchObject({
      model: "claude-sonnet-5-5",
      max_tokens: 1_000,
      stream: true,
      system: [{ type: "text", text: "Be brief." }],
      cache_control: { type: "ephemeral" },
      output_config: { effort: "low" },
      messages: [
        { role: "user", content: [{ type: "text", text: "Read a." }] },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "Hm.", signature: "c2ln" },
            { type: "text", text: "Reading." },
            { type: "tool_use", id: "c1", name: "read_file", input: { path: "a" } },
          ],
        },
        {
          role: "user",
          content: [
            { type: "tool_result", tool_use_id: "c1", content: '{"lines":3}', is_error: true },
          ],
        },
      ],
    });
  });

  it("is asked for a schema as each of its models takes it", async () => {
    const output_schema = {
      type: "object",
      properties: { answer: { type: "integer" } },
      required: ["answer"],
      additionalProperties: false,
    };
    const reply = { content: [{ type: "json", value: { answer: 4 } }] };
    const native = await sent({ output_schema }, reply);
    expect(native.body).toMatchObject({ output_config: { format: { type: "json_schema" } } });
    const byTool = await sent({ output_schema, model: "claude-sonnet-4-20250514" }, reply);
    expect(byTool.body).toMatchObject({ tools: [{ name: "json" }] });
    for (const { completion } of [native, byTool]) {
      expect(completion).toMatchObject({
        output: { answer: 4 },
        finish_reason: "stop",
        tool_calls: [],
      });
    }
  });

  it("warns of what a model does not take", async () => {
    const { completion } = await sent({ temperature: 0.5 });
    expect(completion.warnings).toEqual([expect.stringContaining("temperature")]);
  });
});

describe("OpenAI's protocol", () => {
  it("is sent all of a request, without another provider's thoughts", async () => {
    const { request, body } = await sent({
      model: OPENAI,
      instructions: "Be brief.",
      messages: CONVERSATION,
      tools: TOOLS,
      tool_choice: "required",
      temperature: 0.5,
      provider_options: { openai: { reasoningEffort: "low" } },
    });
    expect(request).toMatchObject({
      path: "/v1/chat/completions",
      headers: { authorization: expect.stringMatching(/^Bearer /) },
    });
    expect(body).toMatchObject({
      model: "qwen3:8b",
      max_tokens: 1_000,
      temperature: 0.5,
      stream: true,
      stream_options: { include_usage: true },
      reasoning_effort: "low",
      tool_choice: "required",
      tools: [{ type: "function", function: { name: "read_file", description: "Reads a file." } }],
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Read a." },
        {
          role: "assistant",
          content: "Reading.",
          tool_calls: [
            {
              id: "c1",
              type: "function",
              function: { name: "read_file", arguments: '{"path":"a"}' },
            },
          ],
        },
        { role: "tool", tool_call_id: "c1", content: '{"lines":3}' },
      ],
    });
    expect(JSON.stringify(body)).not.toContain("Hm.");
  });

  it("is held to a schema that is closed, and asked for another", async () => {
    const open = { type: "object", properties: { answer: { type: "integer" } } };
    const closed = { ...open, required: ["answer"], additionalProperties: false };
    const reply = { content: [{ type: "json", value: { answer: 4 } }] };
    for (const [output_schema, strict] of [
      [open, false],
      [closed, true],
    ] as const) {
      const { completion, body } = await sent({ model: OPENAI, output_schema }, reply);
      expect(completion.output).toEqual({ answer: 4 });
      expect(body).toMatchObject({
        response_format: { type: "json_schema", json_schema: { strict, schema: output_schema } },
      });
    }
  });
});

describe.each([ANTHROPIC, OPENAI])("structured output of %s", (model) => {
  const output_schema = {
    type: "object",
    properties: { answers: { type: "array", items: { type: "integer" } } },
    required: ["answers"],
    additionalProperties: false,
  };
  const failing = async (reply: object) => {
    await script(reply);
    return failureOf(complete(models, requestOf({ model, output_schema }), never));
  };

  it("is checked, and what is wrong is told by path", async () => {
    const error = await failing({ content: [{ type: "json", value: { answers: [1, "two"] } }] });
    expect(error).toMatchObject({
      code: "model_output_invalid",
      retryable: true,
      issues: [{ path: "output.answers[1]", message: expect.any(String) }],
    });
  });

  it("may be anything, though providers write objects alone", async () => {
    const list = {
      type: "array",
      items: { $ref: "#/$defs/name" },
      $defs: { name: { type: "string", minLength: 1 } },
    };
    const answering = async (value: object) => {
      await script({ content: [{ type: "json", value }] });
      return complete(models, requestOf({ model, output_schema: list }), never);
    };
    expect((await answering({ value: ["a", "b"] })).output).toEqual(["a", "b"]);
    expect(await failureOf(answering({ value: ["a", ""] }))).toMatchObject({
      code: "model_output_invalid",
      issues: [{ path: "output[1]" }],
    });
  });

  it("must be JSON, whole, and not a refusal", async () => {
    const prose = await failing({ content: [{ type: "text", text: "Sure!" }] });
    expect(prose.code).toBe("model_output_invalid");
    const cut = await failing({
      content: [{ type: "text", text: '{"answers": [1' }],
      stop: "length",
    });
    expect(cut).toMatchObject({
      code: "model_output_invalid",
      message: expect.stringContaining("max_output_tokens"),
    });
    const refused = await failing({ content: [{ type: "refusal", text: "No." }], stop: "refusal" });
    expect(refused).toMatchObject({ code: "model_refused", retryable: false });
  });
});

it("sends nothing of a conversation that no provider takes", async () => {
  await script({});
  const messages = CONVERSATION.slice(0, 2);
  const error = await failureOf(complete(models, requestOf({ messages }), never));
  expect(error).toMatchObject({
    code: "model_invalid_request",
    message: expect.stringContaining("c1"),
  });
  expect(await seen()).toEqual([]);
});
