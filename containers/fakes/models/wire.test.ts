/** The fake against the wire formats: what is frozen in `transcripts/`, and what the APIs document. */
import { readdir } from "node:fs/promises";
import { expect, it } from "vitest";
import { dataOf, fakeFor, postAnthropic, postOpenAi } from "./fixture.ts";
import { readTranscript } from "./server.ts";
import { TRANSCRIPTS } from "./transcripts.ts";

const CONTENT = [
  { type: "thinking" as const, text: "Hm." },
  { type: "text" as const, text: ["Hello", "!"] },
  { type: "tool_call" as const, id: "call_1", name: "read_file", input: { path: "a" } },
];

it.each(Object.entries(TRANSCRIPTS))("streams %s as it is frozen", async (name, transcript) => {
  const fake = await fakeFor();
  const { protocol, model, reply } = transcript;
  const post = protocol === "anthropic" ? postAnthropic : postOpenAi;
  const options = protocol === "openai" ? { stream_options: { include_usage: true } } : {};
  fake.enqueue(reply, { transcript: name });
  for (let time = 0; time < 2; time += 1) {
    const response = await post(fake, { model, stream: true, ...options });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(await response.text()).toBe(await readTranscript(name));
  }
});

it("has transcripts of other servers that are streams too", async () => {
  const files = await readdir(new URL("./transcripts/", import.meta.url));
  expect(files.length).toBeGreaterThan(Object.keys(TRANSCRIPTS).length);
  for (const file of files) {
    const text = await readTranscript(file.replace(/\.sse$/, ""));
    expect(text.endsWith("\n\n"), file).toBe(true);
    expect(dataOf(text).length, file).toBeGreaterThan(0);
  }
});

it("names each of Anthropic's events by its type, in the documented order", async () => {
  const fake = await fakeFor();
  fake.enqueue({ content: CONTENT });
  const text = await (await postAnthropic(fake, { stream: true })).text();
  const names = [...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name);
  expect(dataOf(text)).toEqual(names.map((type) => expect.objectContaining({ type })));
  const withoutPings = names.filter((name) => name !== "ping");
  expect(withoutPings[0]).toBe("message_start");
  expect(withoutPings.slice(-2)).toEqual(["message_delta", "message_stop"]);
  expect(withoutPings.slice(1, -2).join(" ")).toMatch(
    /^(content_block_start( content_block_delta)* content_block_stop ?){3}$/,
  );
});

it("gives Anthropic's whole message", async () => {
  const fake = await fakeFor();
  const usage = { input_tokens: 20, cached_input_tokens: 8, cache_write_tokens: 2 };
  fake.enqueue({ content: CONTENT, usage });
  const message = await (await postAnthropic(fake, {})).json();
  expect(message).toMatchObject({
    type: "message",
    role: "assistant",
    model: "claude-sonnet-5-5",
    content: [
      { type: "thinking", thinking: "Hm.", signature: expect.any(String) },
      { type: "text", text: "Hello!" },
      { type: "tool_use", id: "call_1", name: "read_file", input: { path: "a" } },
    ],
    stop_reason: "tool_use",
    usage: { input_tokens: 10, cache_read_input_tokens: 8, cache_creation_input_tokens: 2 },
  });
});

it("gives OpenAI's whole completion", async () => {
  const fake = await fakeFor();
  fake.enqueue({ content: CONTENT, usage: { input_tokens: 20, output_tokens: 3 } });
  const completion = await (await postOpenAi(fake, {})).json();
  expect(completion).toMatchObject({
    object: "chat.completion",
    choices: [
      {
        message: {
          content: "Hello!",
          reasoning_content: "Hm.",
          tool_calls: [
            {
              id: "call_1",
              type: "function",
              function: { name: "read_file", arguments: '{"path":"a"}' },
            },
          ],
        },
        finish_reason: "tool_calls",
      },
    ],
    usage: { prompt_tokens: 20, completion_tokens: 3, total_tokens: 23 },
  });
});

it("tells the usage in OpenAI's stream only to who asks for it", async () => {
  const fake = await fakeFor();
  fake.enqueue({}, {});
  const plain = await (await postOpenAi(fake, { stream: true })).text();
  expect(plain).not.toContain("usage");
  const options = { stream: true, stream_options: { include_usage: true } };
  const told = dataOf(await (await postOpenAi(fake, options)).text());
  expect(told.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 17 } });
});

it("answers a schema as it is asked to", async () => {
  const fake = await fakeFor();
  const json = { content: [{ type: "json" as const, value: { a: 1 } }] };
  fake.enqueue(json, json, json);
  const format = { type: "json_schema", schema: { type: "object" } };
  const native = await postAnthropic(fake, { output_config: { format } });
  expect(await native.json()).toMatchObject({ content: [{ type: "text", text: '{"a":1}' }] });
  const tools = [{ name: "json", input_schema: { type: "object" } }];
  const byTool = await postAnthropic(fake, { tools, tool_choice: { type: "any" } });
  expect(await byTool.json()).toMatchObject({
    content: [{ type: "tool_use", name: "json", input: { a: 1 } }],
    stop_reason: "tool_use",
  });
  const completion = await postOpenAi(fake, { response_format: { type: "json_object" } });
  expect(await completion.json()).toMatchObject({ choices: [{ message: { content: '{"a":1}' } }] });
});
