import { describe, expect, it } from "vitest";
import { estimateInput, largestUsages } from "./estimate.ts";

const MODEL = "openai/gpt-5";

describe("the size of a step", () => {
  it("is at most a token a byte while nothing is known", () => {
    const { likely, most } = estimateInput(MODEL, 4_000, null);
    expect(likely).toBe(1_000);
    expect(most).toBeGreaterThanOrEqual(4_000);
  });

  it("follows from the step before, and what has come since", () => {
    const before = { model: MODEL, input_tokens: 900, bytes: 4_000 };
    const { likely, most } = estimateInput(MODEL, 4_400, before);
    expect(likely).toBe(1_000);
    expect(most).toBeGreaterThanOrEqual(1_300);
    expect(most).toBeLessThan(2_000);
  });

  it("is not known by a step of another model, or one that was longer", () => {
    const before = { model: MODEL, input_tokens: 900, bytes: 4_000 };
    expect(estimateInput("openai/gpt-4o", 4_400, before).likely).toBe(1_100);
    expect(estimateInput(MODEL, 2_000, before).likely).toBe(500);
  });

  it("costs the most with its input written to a cache, or without", () => {
    expect(largestUsages(10, 5)).toMatchObject([
      { input_tokens: 10, cache_write_tokens: 0, output_tokens: 5 },
      { input_tokens: 10, cache_write_tokens: 10, output_tokens: 5 },
    ]);
  });
});
