/** The registry as a port: names, and what a step costs. */
import { expect, it } from "vitest";
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
