import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { firstDifference } from "./difference.ts";

describe("the first difference", () => {
  it.each([
    [{ a: [1, 2] }, { a: [1, 3] }, "outputs.a[1]: expected 2, not 3."],
    [{ a: 1 }, {}, "outputs.a: expected 1, and nothing is there."],
    [{}, { b: null }, "outputs.b: expected nothing there, not null."],
    [[1], { 0: 1 }, 'outputs: expected [1], not {"0":1}.'],
    ["x", 1, 'outputs: expected "x", not 1.'],
  ])("of %j and %j is told with its place", (expected, actual, told) => {
    expect(firstDifference(expected, actual)).toBe(told);
  });

  it("is in a place for any two values that differ", () => {
    const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)));
    fc.assert(
      fc.property(json, json, (left, right) => {
        const told = firstDifference(left, right);
        const isSame = told === "The outputs are as expected.";
        expect(isSame || told.startsWith("outputs")).toBe(true);
        expect(firstDifference(left, left)).toBe("The outputs are as expected.");
      }),
    );
  });
});
