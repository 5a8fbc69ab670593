import { describe, expect, it } from "vitest";
import type { Json } from "../../http/json.ts";
import { complete, StepMessage, structuredOutput } from "./complete.ts";
import { retryAfterMs } from "./failures.ts";
import {
  conversationProblem,
  type ModelMessage,
  modelMessageSchema,
  textOf,
  userText,
} from "./messages.ts";
import { askOutput } from "./output-schema.ts";
import type { ModelRequest } from "./port.ts";
import { isStrictSchema } from "./strict-schema.ts";

const call = (id: string) =>
  ({
    type: "tool_call",
    id,
    name: "run_task",
    input: { command: "ls" },
    signature: null,
    provider: "operator",
  }) as const;
const asks = (...ids: string[]): ModelMessage => ({ role: "assistant", content: ids.map(call) });
const answers = (...ids: string[]): ModelMessage => ({
  role: "tool",
  content: ids.map((id) => ({ type: "tool_result", id, output: [1], is_error: false })),
});
const user = userText("go");

describe("a conversation", () => {
  it.each<[string, ModelMessage[]]>([
    ["words alone", [user]],
    ["calls that are answered, in any order", [user, asks("a", "b"), answers("b", "a")]],
    ["two users' messages", [user, user]],
  ])("of %s is taken", (_, messages) => {
    expect(conversationProblem(messages)).toBeNull();
  });

  it.each<[string, ModelMessage[], string]>([
    ["nothing", [], "begin with a user"],
    ["an assistant first", [asks("a"), answers("a")], "begin with a user"],
    ["calls at its end", [user, asks("a")], "without results: a"],
    ["calls that nobody answers", [user, asks("a"), user], "messages[2]"],
    ["half of the answers", [user, asks("a", "b"), answers("a")], '"a, b", and not "a"'],
    ["an answer twice", [user, asks("a"), answers("a", "a")], "messages[2]"],
    ["answers to nothing", [user, answers("a")], "messages[1]"],
    ["an empty message", [user, { role: "assistant", content: [] }], "empty"],
  ])("of %s is not", (_, messages, words) => {
    expect(conversationProblem(messages)).toContain(words);
  });

  it("is read as it was stored", () => {
    for (const message of [user, asks("a"), answers("a")]) {
      expect(modelMessageSchema.parse(JSON.parse(JSON.stringify(message)))).toEqual(message);
    }
    expect(modelMessageSchema.safeParse({ role: "system", content: [] }).success).toBe(false);
  });
});

it("gathers a message in the order in which it was written", () => {
  const gathered = new StepMessage();
  const thought = {
    type: "reasoning",
    provider: "anthropic",
    text: "Hm.",
    signature: "s",
    redacted_data: null,
  } as const;
  for (const text of ["a", "b"]) gathered.add({ type: "text_delta", text });
  gathered.add({ type: "reasoning_delta", text: "Hm." });
  gathered.add({ type: "reasoning", part: thought });
  gathered.add({ type: "text_delta", text: "c" });
  gathered.add({ type: "tool_call", call: call("1") });
  const { message } = gathered;
  expect(message.content).toEqual([
    { type: "text", text: "ab" },
    thought,
    { type: "text", text: "c" },
    call("1"),
  ]);
  expect(textOf(message)).toBe("abc");
});

it("is cut short when its events end without a reason", async () => {
  const request: ModelRequest = {
    model: "operator",
    instructions: null,
    messages: [user],
    tools: [],
    tool_choice: "auto",
    output_schema: null,
    temperature: null,
    max_output_tokens: null,
  };
  const port = { step: async function* () {} };
  await expect(complete(port, request, new AbortController().signal)).rejects.toMatchObject({
    code: "model_stream_cut",
  });
});

it.each([
  ['{"a": 1}', { a: 1 }],
  ['\n```json\n{"a": 1}\n```\n', { a: 1 }],
  ["```\n[1]\n```", [1]],
  ["null", null],
])("reads %j as the JSON that it is", (text, value) => {
  expect(structuredOutput(true, text)).toEqual(value);
});

it.each<[string, Record<string, string>, number | null]>([
  ["nothing", {}, null],
  ["seconds", { "retry-after": "1.5" }, 1_500],
  ["a date", { "retry-after": "Thu, 01 Jan 1970 00:00:09 GMT" }, 8_000],
  ["a date that is past", { "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" }, 0],
  ["milliseconds before seconds", { "retry-after": "9", "retry-after-ms": "20" }, 20],
  ["what cannot be read", { "retry-after": "soon" }, null],
])("is told to wait by %s", (_, headers, ms) => {
  expect(retryAfterMs(headers, 1_000)).toBe(ms);
});

describe("an output that is asked for", () => {
  it.each<[string, Json]>([
    ["an object", { type: "object", properties: {} }],
    ["one that refers to its root", { anyOf: [{ type: "null" }, { items: { $ref: "#" } }] }],
  ])("of %s is sent as it is", (_, schema) => {
    const asked = askOutput(schema);
    expect(asked.schema).toBe(schema);
    expect(asked.take({ value: 1 })).toEqual({ value: 1 });
  });

  it.each<[Json, Json]>([
    [true, {}],
    [{ type: "integer" }, { type: "integer" }],
    [{ anyOf: [{ type: "null" }] }, { anyOf: [{ type: "null" }] }],
  ])("of %o is put into an object", (schema, value) => {
    const asked = askOutput(schema);
    expect(asked.schema).toMatchObject({
      type: "object",
      properties: { value },
      required: ["value"],
    });
    expect(asked.take({ value: 4 })).toBe(4);
    expect(asked.take([4])).toEqual([4]);
  });
});

describe("a schema", () => {
  const closed = (properties: Record<string, Json>, required = Object.keys(properties)) => ({
    type: "object",
    properties,
    required,
    additionalProperties: false,
  });
  const text = { type: "string" };

  it.each([
    ["closed", closed({ a: text }), true],
    ["closed all the way down", closed({ a: { type: "array", items: closed({ b: text }) } }), true],
    [
      "closed in its definitions",
      { ...closed({ a: { $ref: "#/$defs/b" } }), $defs: { b: closed({}) } },
      true,
    ],
    ["open", { type: "object", properties: { a: text }, required: ["a"] }, false],
    ["with a choice of members", closed({ a: text, b: text }, ["a"]), false],
    ["open below", closed({ a: { type: "object" } }), false],
    ["open in a choice", closed({ a: { anyOf: [text, { type: "object" }] } }), false],
    ["of a list", { type: "array", items: text }, false],
    ["with parts that strict output has not", { ...closed({}), allOf: [closed({})] }, false],
    ["of anything", true, false],
    ["of nothing asked", null, false],
  ])("that is %s is strict: %o, %s", (_, schema, isStrict) => {
    expect(isStrictSchema(schema)).toBe(isStrict);
  });
});
