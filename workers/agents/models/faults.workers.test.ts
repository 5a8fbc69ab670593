/** Each way in which a provider can fail, as the error that the port gives for it. */
import { describe, expect, it } from "vitest";
import { complete } from "./complete.ts";
import type { ModelErrorCode } from "./port.ts";
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
const words = { content: [{ type: "text", text: ["one", "two", "three"] }] };

const both = [
  ["Anthropic", ANTHROPIC],
  ["OpenAI's protocol", OPENAI],
] as const;

describe.each(both)("%s", (_, model) => {
  const failing = async (fault: object, reply: object = words) => {
    await script({ ...reply, fault });
    return failureOf(eventsOf(models, { model }));
  };

  it.each<[status: number, more: object, code: ModelErrorCode]>([
    [400, { message: "temperature is not good" }, "model_invalid_request"],
    [400, { message: "prompt is too long: 210000 tokens > 200000 maximum" }, "context_too_long"],
    [
      400,
      {
        message: "This model's maximum context length is 8192 tokens",
        code: "context_length_exceeded",
      },
      "context_too_long",
    ],
    [400, { message: "Your credit balance is too low to access the API" }, "model_quota_exhausted"],
    [401, {}, "model_auth"],
    [402, {}, "model_quota_exhausted"],
    [403, {}, "model_auth"],
    [404, {}, "model_not_found"],
    [413, {}, "context_too_long"],
    [429, {}, "model_rate_limited"],
    [429, { type: "insufficient_quota", code: "insufficient_quota" }, "model_quota_exhausted"],
    [500, {}, "model_unavailable"],
    [502, {}, "model_unavailable"],
    [503, {}, "model_overloaded"],
    [529, {}, "model_overloaded"],
  ])("fails by status %i with %o as %s", async (status, more, code) => {
    const error = await failing({ kind: "status", status, ...more });
    expect(error).toMatchObject({ code, retry_after_ms: null });
    expect(await seen(), "asks once, whatever comes").toHaveLength(1);
  });

  it.each([
    [{ "retry-after": "7" }, 7_000],
    [{ "retry-after": "7", "retry-after-ms": "1500" }, 1_500],
  ])("says how long %o asks to wait", async (headers, wait) => {
    const error = await failing({ kind: "status", status: 429, headers });
    expect(error).toMatchObject({ code: "model_rate_limited", retry_after_ms: wait });
  });

  it.each([[false], [true]])(
    "knows a stream that ends too early; by breaking: %s",
    async (breaks) => {
      for (const after_events of [1, 4]) {
        const error = await failing({ kind: "cut", after_events, breaks });
        expect(error).toMatchObject({ code: "model_stream_cut", retryable: true });
      }
    },
  );

  it("gives no call of a stream that is cut, though its input may be whole", async () => {
    const content = [{ type: "tool_call", name: "run_task", input: {} }];
    // All of the call has come, and nothing of the end.
    const after_events = model === ANTHROPIC ? 5 : 3;
    await script({ content, fault: { kind: "cut", after_events } });
    const types: string[] = [];
    const outcome = (async () => {
      for await (const { type } of models.step(requestOf({ model }), never)) types.push(type);
    })();
    expect(await failureOf(outcome)).toMatchObject({ code: "model_stream_cut" });
    expect(types).toEqual([]);
  });

  it("fails by a part that cannot be read", async () => {
    const error = await failing({ kind: "malformed", after_events: 2 });
    expect(error).toMatchObject({ code: "model_bad_response", retryable: true });
  });

  it("fails by an answer that is no stream", async () => {
    const error = await failing({ kind: "content_type" });
    expect(error.code).toBe("model_bad_response");
    expect(error.message).toMatch(/text\/html.*_BASE_URL/);
  });

  it("does not follow to where a server sends it", async () => {
    const error = await failing({ kind: "redirect", location: "/v1/elsewhere" });
    expect(error.code).toBe("model_unavailable");
    expect(await seen()).toHaveLength(1);
  });

  it.each<[type: string, code: ModelErrorCode]>([
    ["overloaded_error", "model_overloaded"],
    ["rate_limit_error", "model_rate_limited"],
    ["invalid_request_error", "model_invalid_request"],
    ["api_error", "model_unavailable"],
  ])("fails by a stream that tells of %s first, and later", async (type, code) => {
    for (const after_events of [0, 3]) {
      expect(await failing({ kind: "error_event", type, after_events })).toMatchObject({ code });
    }
  });

  it("fails by a call whose input is no JSON, unless the step came to its limit", async () => {
    const content = [
      { type: "text", text: "Now" },
      { type: "tool_call", name: "run_task", input_pieces: ['{"comm', 'and": "ls'] },
    ];
    await script({ content });
    const error = await failureOf(eventsOf(models, { model }));
    expect(error).toMatchObject({ code: "model_output_invalid", retryable: true });
    expect(error.message).toContain("run_task");
    await script({ content, stop: "length" });
    const completion = await complete(models, requestOf({ model }), never);
    expect(completion).toMatchObject({ text: "Now", tool_calls: [], finish_reason: "length" });
  });

  it("gives up a stream that is silent, and ends the call", async () => {
    const impatient = modelsAt({}, { MODEL_STALL_SECONDS: 0.05 });
    for (const after_events of [null, 2]) {
      await script({ ...words, fault: { kind: "hold", after_events } });
      expect(await failureOf(eventsOf(impatient, { model }))).toMatchObject({
        code: "model_stalled",
        retryable: true,
      });
      await expect.poll(seen).toMatchObject([{ state: "aborted" }]);
    }
  });

  it("ends the call when the signal aborts, before and in the stream", async () => {
    for (const after_events of [null, 4]) {
      await script({ ...words, fault: { kind: "hold", after_events } });
      const stopping = new AbortController();
      const outcome = failureOf(eventsOf(models, { model }, stopping.signal));
      await expect.poll(seen).toMatchObject([{ state: "open" }]);
      stopping.abort();
      expect(await outcome).toMatchObject({ code: "model_aborted", retryable: false });
      await expect.poll(seen).toMatchObject([{ state: "aborted" }]);
    }
    expect(await failureOf(eventsOf(models, { model }, AbortSignal.abort()))).toMatchObject({
      code: "model_aborted",
    });
  });

  it("ends the call when the reader leaves", async () => {
    await script({ ...words, fault: { kind: "hold", after_events: 4 } });
    for await (const event of models.step(requestOf({ model }), never)) {
      if (event.type === "text_delta") break;
    }
    await expect.poll(seen).toMatchObject([{ state: "aborted" }]);
  });
});

it("says which variable to correct", async () => {
  const wrongKey = modelsAt({ ANTHROPIC_API_KEY: "sk-other", OPENAI_API_KEY: "sk-other" });
  const nowhere = modelsAt({
    ANTHROPIC_BASE_URL: "http://127.0.0.1:9",
    OPENAI_BASE_URL: "http://127.0.0.1:9/v1",
  });
  for (const [model, prefix] of [
    [ANTHROPIC, "ANTHROPIC"],
    [OPENAI, "OPENAI"],
  ] as const) {
    const refused = await failureOf(eventsOf(wrongKey, { model }));
    expect(refused).toMatchObject({
      code: "model_auth",
      message: expect.stringContaining(`${prefix}_API_KEY`),
    });
    expect(refused.message).not.toContain("sk-");
    expect(await failureOf(eventsOf(nowhere, { model }))).toMatchObject({
      code: "model_unavailable",
      retryable: true,
      message: expect.stringContaining(`${prefix}_BASE_URL`),
    });
  }
});
