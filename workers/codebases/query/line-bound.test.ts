import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, it } from "vitest";
import { lineBound } from "./line-bound.ts";
import { compilePattern } from "./regex.ts";
import { regexSample, surroundings } from "./test-support-regex.ts";

/** By RE2 over the whole text, without the lines. */
function places(source: string, text: string, caseSensitive: boolean): number[][] {
  const flags = RE2JS.MULTILINE | (caseSensitive ? 0 : RE2JS.CASE_INSENSITIVE);
  const matcher = RE2JS.compile(source, flags).matcher(text);
  const found: number[][] = [];
  while (matcher.find()) {
    if (matcher.end() > matcher.start()) found.push([matcher.start(), matcher.end()]);
  }
  return found;
}

describe("an expression of lines", () => {
  it.each([
    ["foo.*bar", true],
    ["^[ \\t]*import", true],
    ["[a-z]+;$", true],
    ["[^\\n]{3}", true],
    ["\\d{4}-\\d\\d", true],
    ["(?i)abc|(?P<x>d)", true],
    ["foo[^x]*", false],
    ["a\\s+b", false],
    ["a\\D", false],
    ["a\\nb", false],
    ["(?s)a.b", false],
    ["(?s:a.b)", false],
    ["\\Aabc", false],
    ["abc\\z", false],
    ["\\p{L}+", false],
    ["a*", false],
    ["\\b", false],
    ["^|abc", false],
  ])("%j: %s", (source, expected) => {
    expect(lineBound(source) !== null).toBe(expected);
  });

  it("is looked for where its rarest letters are", () => {
    expect(lineBound("return .*maxQuery")?.anchors).toEqual(["xqu"]);
    expect(lineBound("alpha|omega")?.anchors).toHaveLength(2);
    expect(lineBound("[a-z]+[0-9]")?.anchors).toBeNull();
  });

  it("is found where it is found in the whole text", () => {
    let bound = 0;
    const property = fc.property(
      regexSample,
      fc.array(surroundings, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      ({ source, match }, around, caseSensitive) => {
        const text = around.join(`${match}\n`);
        if (lineBound(source) !== null) bound += 1;
        const { matcher } = compilePattern(
          { kind: "regex", source },
          { mode: caseSensitive ? "yes" : "no" },
        );
        if (matcher === null) return;
        const expected = places(source, text, caseSensitive);
        const found = matcher.find(text, 1_000);
        const filled = found.filter(({ start, end }) => end > start);
        expect(filled.map(({ start, end }) => [start, end])).toEqual(expected);
        if (expected.length > 0) expect(matcher.test(text)).toBe(true);
      },
    );
    fc.assert(property, { numRuns: 3_000 });
    expect(bound).toBeGreaterThan(300);
  });
});
