/** What the fake refuses, as the APIs do. */
import { describe, expect, it } from "vitest";
import { fakeFor, postAnthropic, postOpenAi, WORDS } from "./fixture.ts";

const SCHEMA = { type: "object", properties: { a: { type: "string" } } };

describe("Anthropic", () => {
  const use = {
    role: "assistant",
    content: [{ type: "tool_use", id: "t1", name: "x", input: {} }],
  };
  const result = (id: string) => ({
    role: "user",
    content: [{ type: "tool_result", tool_use_id: id, content: "done" }],
  });

  it.each<[string, object, string]>([
    ["no limit of tokens", { max_tokens: undefined }, "max_tokens"],
    ["no messages", { messages: [] }, "messages"],
    ["a system message among them", { messages: [{ role: "system", content: "x" }] }, "role"],
    ["an assistant first", { messages: [{ role: "assistant", content: "x" }] }, 'the "user" role'],
    [
      "an empty text",
      { messages: [{ role: "user", content: [{ type: "text", text: "" }] }] },
      "text",
    ],
    ["a call without result", { messages: [...WORDS, use] }, "without `tool_result` blocks"],
    ["another result", { messages: [...WORDS, use, result("t2")] }, "without `tool_result` blocks"],
    ["a result without call", { messages: [...WORDS, result("t1")] }, "unexpected `tool_use_id`"],
    ["a tool without object", { tools: [{ name: "x", input_schema: {} }] }, "input_schema"],
    ["too much temperature", { temperature: 1.5 }, "temperature"],
  ])("refuses %s", async (_, body, words) => {
    const fake = await fakeFor();
    const response = await postAnthropic(fake, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      type: "error",
      error: { type: "invalid_request_error", message: expect.stringContaining(words) },
      request_id: response.headers.get("request-id"),
    });
  });

  it("asks for the key, the version and a model that exists", async () => {
    const fake = await fakeFor({ models: ["claude-opus-5-5"] });
    const wrongKey = await postAnthropic(fake, {}, { headers: { "x-api-key": "sk-other" } });
    expect(wrongKey.status).toBe(401);
    expect(await wrongKey.json()).toMatchObject({ error: { type: "authentication_error" } });
    const other = await postAnthropic(fake, {});
    expect(other.status).toBe(404);
    expect(await other.json()).toMatchObject({ error: { type: "not_found_error" } });
    const headers = { "x-api-key": fake.apiKey, "content-type": "application/json" };
    const noVersion = await fetch(`${fake.url}/v1/messages`, {
      method: "POST",
      headers,
      body: "{}",
    });
    expect(await noVersion.json()).toMatchObject({
      error: { message: expect.stringContaining("anthropic-version") },
    });
  });
});

describe("OpenAI", () => {
  const call = { id: "c1", type: "function", function: { name: "x", arguments: "{}" } };
  const asks = { role: "assistant", content: null, tool_calls: [call] };
  const format = (schema: object, strict: boolean) => ({
    response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict } },
  });

  it.each<[string, object, string]>([
    ["no messages", { messages: [] }, "messages"],
    [
      "stream options without a stream",
      { stream_options: { include_usage: true } },
      "stream_options",
    ],
    ["a tool choice without tools", { tool_choice: "auto" }, "tool_choice"],
    ["a call without result", { messages: [...WORDS, asks, ...WORDS] }, "must be followed by tool"],
    [
      "a result without call",
      { messages: [{ role: "tool", tool_call_id: "c1", content: "" }] },
      "preceding",
    ],
    ["a schema of a list", format({ type: "array" }, false), 'type: "object"'],
    ["a strict schema that is open", format(SCHEMA, true), "additionalProperties"],
  ])("refuses %s", async (_, body, words) => {
    const fake = await fakeFor();
    const response = await postOpenAi(fake, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: {
        message: expect.stringContaining(words),
        type: "invalid_request_error",
        param: null,
        code: null,
      },
    });
  });

  it("takes a schema that is open and not strict, and one that is strict and closed", async () => {
    const fake = await fakeFor();
    fake.enqueue({}, {});
    expect((await postOpenAi(fake, format(SCHEMA, false))).status).toBe(200);
    const closed = { ...SCHEMA, required: ["a"], additionalProperties: false };
    expect((await postOpenAi(fake, format(closed, true))).status).toBe(200);
  });

  it("asks for the key", async () => {
    const fake = await fakeFor();
    const response = await postOpenAi(fake, {}, { headers: { authorization: "Bearer sk-other" } });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { code: "invalid_api_key" } });
  });
});
