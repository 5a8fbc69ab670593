import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutToBudget, estimateTokens, type RenderedResult } from "./budget.ts";

describe("the estimate of tokens", () => {
  it.each<[string, number]>([
    ["", 0],
    ["abcd", 1],
    ["abcde", 2],
    ["a b c", 3],
    ["f(x);", 5],
    ["a\n\nb", 4],
    ["        x", 2],
    ["日本語", 3],
    ["😀", 1],
  ])("of %j is %i", (text, expected) => {
    expect(estimateTokens(text)).toBe(expected);
  });

  it("never falls when text is added", () => {
    const property = fc.property(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "grapheme" }),
      (text, more) => {
        expect(estimateTokens(text + more)).toBeGreaterThanOrEqual(estimateTokens(text));
      },
    );
    fc.assert(property, { numRuns: 2_000 });
  });
});

const result = (name: string, lines: number): RenderedResult => ({
  provenance: `${name}:1-${lines}`,
  text: Array.from({ length: lines }, (_, index) => `line ${index + 1}`).join("\n"),
});

describe("an answer within a budget", () => {
  it("has everything when it fits", () => {
    const answer = cutToBudget([result("a.ts", 2), result("b.ts", 1)], 1_000);
    expect(answer).toMatchObject({ included: 2, omitted: 0, cut: false });
    expect(answer.text).toBe("# a.ts:1-2\nline 1\nline 2\n\n# b.ts:1-1\nline 1");
  });

  it("cuts the first result that does not fit, and counts the rest", () => {
    const answer = cutToBudget([result("a.ts", 2), result("b.ts", 40), result("c.ts", 1)], 100);
    expect(answer).toMatchObject({ included: 2, omitted: 1, cut: true });
    expect(answer.text).toMatch(
      /^# a\.ts:1-2\n[\s\S]*# b\.ts:1-40\nline 1\n[\s\S]*\n# \d+ more lines\n\n# 1 more left out: /,
    );
  });

  it("leaves out what too few lines of would fit", () => {
    const answer = cutToBudget([result("a.ts", 2), result("b.ts", 40)], 36);
    expect(answer).toMatchObject({ included: 1, omitted: 1, cut: false });
    expect(answer.text.endsWith("narrow the query")).toBe(true);
  });

  it("may be empty", () => {
    expect(cutToBudget([result("a.ts", 2)], 3)).toEqual({
      text: "",
      tokens: 0,
      included: 0,
      cut: false,
      omitted: 1,
    });
    expect(cutToBudget([], 3)).toEqual({
      text: "",
      tokens: 0,
      included: 0,
      cut: false,
      omitted: 0,
    });
  });

  it("never exceeds the budget, and more budget never includes less", () => {
    const text = fc.string({
      unit: fc.constantFrom("a", " ", "\n", "é", "(", "word", "😀"),
      maxLength: 60,
    });
    const results = fc.array(
      fc.record({ provenance: fc.constantFrom("a.ts:1", "src/b.ts:2-9 @ 4f2c"), text }),
      { maxLength: 6 },
    );
    const property = fc.property(results, fc.nat(200), fc.nat(50), (each, budget, more) => {
      const answer = cutToBudget(each, budget);
      expect(answer.tokens).toBe(estimateTokens(answer.text));
      expect(answer.tokens).toBeLessThanOrEqual(budget);
      expect(answer.included + answer.omitted).toBe(each.length);
      expect(cutToBudget(each, budget + more).included).toBeGreaterThanOrEqual(answer.included);
    });
    fc.assert(property, { numRuns: 2_000 });
  });
});
