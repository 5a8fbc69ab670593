/** `/api/v1/models`, and the registry as a port. */
import { expect, it } from "vitest";
import { isolate } from "../../test/app.ts";
import { complete } from "./complete.ts";
import { eventsOf, failureOf, modelsAt, never, OPENAI, requestOf, script } from "./test-support.ts";

const models = modelsAt({ MODEL_PRICES: '{"openai/*": {"input": 1, "output": 2}}' });

it("costs what its usage comes to", async () => {
  await script({
    content: [{ type: "text", text: "hi" }],
    usage: { input_tokens: 1_000, output_tokens: 500 },
  });
  const { usage } = await complete(models, requestOf({ model: OPENAI }), never);
  expect(usage && models.costOf(usage, OPENAI)).toBeCloseTo(0.002, 10);
});

it("takes short names, and the operator beside the models", async () => {
  await script({ content: [{ type: "text", text: "hi" }] });
  expect(await complete(models, requestOf({ model: "gpt-5" }), never)).toMatchObject({
    text: "hi",
  });
  const operator = await complete(models, requestOf({ model: "operator" }), never);
  expect(operator.text).toContain("no language model");
});

it("fails by names that it does not know", async () => {
  expect(await failureOf(eventsOf(models, { model: "llama" }))).toMatchObject({
    code: "model_unknown",
  });
  expect(await failureOf(eventsOf(models, { model: "gemini-3.8-flash" }))).toMatchObject({
    code: "model_not_configured",
    message: expect.stringContaining("GEMINI_API_KEY"),
  });
});

it("lists models over HTTP, with what each costs and what is missing", async () => {
  const { call } = isolate([], {
    ANTHROPIC_API_KEY: "sk-secret",
    DEFAULT_MODEL: "claude-haiku-5-5",
    MODEL_PRICES: '{"openai/gpt-5": {"input": 3, "output": 4}}',
  });
  const { status, body, text } = await call("/api/v1/models");
  expect(status, text).toBe(200);
  expect(text).not.toContain("sk-secret");
  expect(body).toMatchObject({
    default_model: "anthropic/claude-haiku-5-5",
    next_cursor: null,
    items: expect.arrayContaining([
      {
        name: "anthropic/claude-haiku-5-5",
        provider: "anthropic",
        state: "available",
        reason: null,
        is_default: true,
        price: {
          input: 0.1,
          output: 0.5,
          cached_input: 0.01,
          cache_write: 0.125,
          long: {
            above_input_tokens: 100_000,
            rates: { input: 0.5, output: 2.5, cached_input: 0.05, cache_write: 0.625 },
          },
        },
      },
      expect.objectContaining({
        name: "openai/gpt-5",
        state: "not_configured",
        reason: expect.stringContaining("OPENAI_API_KEY"),
        is_default: false,
        price: { input: 3, output: 4, cached_input: null, cache_write: null, long: null },
      }),
      expect.objectContaining({ name: "operator", state: "available" }),
    ]),
    providers: [
      { name: "anthropic", state: "available", reason: null, names: "anthropic/<model>" },
      { name: "openai", state: "not_configured" },
      { name: "google", state: "not_configured", reason: "Set GEMINI_API_KEY." },
      { name: "workers-ai", state: "not_configured" },
      { name: "operator", state: "available", names: "operator" },
    ],
  });
});
