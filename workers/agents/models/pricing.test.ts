import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseModelName } from "./names.ts";
import { NO_USAGE } from "./port.ts";
import { PRICES } from "./prices.ts";
import { Pricing } from "./pricing.ts";

const pricing = new Pricing({});
const usage = (input_tokens: number, output_tokens: number, more: object = {}) => ({
  ...NO_USAGE,
  input_tokens,
  output_tokens,
  ...more,
});

describe("the cost of a step", () => {
  it("counts what was cached apart", () => {
    const cached = { cached_input_tokens: 600_000, cache_write_tokens: 100_000 };
    const cost = pricing.costOf(usage(1_000_000, 200_000, cached), "anthropic/claude-sonnet-5-5");
    expect(cost).toBeCloseTo(0.3 * 2 + 0.6 * 0.1 + 0.1 * 2.5 + 0.2 * 10, 10);
  });

  it("takes what is not told of the cache as not cached", () => {
    const untold = { cached_input_tokens: null, cache_write_tokens: null };
    expect(pricing.costOf(usage(1_000_000, 0, untold), "openai/gpt-4o")).toBeCloseTo(2.5, 10);
  });

  it("is higher for long prompts, and unknown where their price is", () => {
    const name = "anthropic/claude-haiku-5-5";
    expect(pricing.costOf(usage(100_000, 0), name)).toBeCloseTo(0.01, 10);
    expect(pricing.costOf(usage(100_001, 0), name)).toBeCloseTo(0.0500005, 10);
    expect(pricing.costOf(usage(272_000, 0), "openai/gpt-6.1-sol")).toBeCloseTo(0.544, 10);
    expect(pricing.costOf(usage(272_001, 0), "openai/gpt-6.1-sol")).toBeNull();
  });

  it("is unknown, and not nothing, without a price or a count", () => {
    expect(pricing.costOf(usage(1, 1), "openai/llama3.3")).toBeNull();
    expect(pricing.costOf({ ...NO_USAGE, output_tokens: null }, "openai/gpt-4o")).toBeNull();
    expect(pricing.costOf(usage(1, 1), "openai/constructor")).toBeNull();
  });

  it("is nothing of the operator", () => {
    expect(pricing.costOf(NO_USAGE, "operator")).toBe(0);
  });

  it("is never negative, and grows with what is used", () => {
    const tokens = fc.nat(400_000);
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(PRICES)),
        tokens,
        tokens,
        tokens,
        tokens,
        (name, input, output, cached_input_tokens, cache_write_tokens) => {
          const cached = { cached_input_tokens, cache_write_tokens };
          const cost = pricing.costOf(usage(input, output, cached), name);
          const more = pricing.costOf(usage(input, output + 1, cached), name);
          if (cost === null || more === null) return;
          expect(cost).toBeGreaterThanOrEqual(0);
          expect(more).toBeGreaterThan(cost);
        },
      ),
    );
  });
});

describe("prices", () => {
  it("are found under the name of a snapshot", () => {
    const known = PRICES["anthropic/claude-sonnet-4"];
    expect(pricing.of("anthropic/claude-sonnet-4-20250514")).toEqual(known);
    expect(pricing.of("openai/gpt-5-2025-08-07")).toEqual(PRICES["openai/gpt-5"]);
  });

  it("that are configured come first, by the longest name that fits", () => {
    const own = new Pricing({
      "openai/*": { input: 0, output: 0 },
      "openai/gpt-*": { input: 1, output: 2 },
      "openai/gpt-5": { input: 3, output: 4, cached_input: 1 },
    });
    expect(own.of("openai/llama3.3")).toEqual({ input: 0, output: 0 });
    expect(own.of("openai/gpt-4o")).toEqual({ input: 1, output: 2 });
    expect(own.of("openai/gpt-5-2025-08-07")).toMatchObject({ input: 3 });
    expect(own.of("anthropic/claude-opus-5-5")).toEqual(PRICES["anthropic/claude-opus-5-5"]);
  });

  it("are of models that can be named", () => {
    for (const name of Object.keys(PRICES)) expect(parseModelName(name), name).not.toBeNull();
  });
});
