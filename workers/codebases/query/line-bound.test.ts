import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, it } from "vitest";
import { lineBound } from "./line-bound.ts";
import { compilePattern } from "./regex.ts";
import { regexSample, surroundings } from "./test-support-regex.ts";

/** By RE2 over the whole text; of empty matches the first on each line that has no other. */
function places(source: string, text: string, caseSensitive: boolean): number[][] {
  const flags = RE2JS.MULTILINE | (caseSensitive ? 0 : RE2JS.CASE_INSENSITIVE);
  const matcher = RE2JS.compile(source, flags).matcher(text);
  const filled: [number, number][] = [];
  const empty: number[] = [];
  while (matcher.find()) {
    if (matcher.end() > matcher.start()) filled.push([matcher.start(), matcher.end()]);
    else empty.push(matcher.start());
  }
  const lineOf = (at: number) => text.slice(0, at).split("\n").length;
  const taken = new Set(
    filled.flatMap(([start, end]) => {
      const first = lineOf(start);
      return Array.from({ length: lineOf(end - 1) - first + 1 }, (_, index) => first + index);
    }),
  );
  const lines = text.split("\n").length - (text === "" || text.endsWith("\n") ? 1 : 0);
  const alone = empty.filter((at) => {
    const line = lineOf(at);
    const isNew = line <= lines && !taken.has(line);
    taken.add(line);
    return isNew;
  });
  return [...filled, ...alone.map((at) => [at, at])].sort(([a = 0], [b = 0]) => a - b);
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
    ["a*", true],
    ["^$", true],
    ["^.{0,3}$", true],
    ["\\b", true],
    ["^|abc", true],
    ["^\\s*$", false],
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
    let withEmpty = 0;
    const property = fc.property(
      regexSample,
      fc.array(surroundings, { minLength: 1, maxLength: 4 }),
      fc.constantFrom("", "\n", "\n\n", " \n"),
      fc.boolean(),
      ({ source, match }, around, ends, caseSensitive) => {
        const text = around.join(`${match}\n`) + ends;
        if (lineBound(source) !== null) bound += 1;
        const { matcher } = compilePattern(
          { kind: "regex", source },
          { mode: caseSensitive ? "yes" : "no" },
        );
        if (matcher === null) return;
        const expected = places(source, text, caseSensitive);
        const { ranges, isCut } = matcher.find(text, 1_000);
        expect(ranges.map(({ start, end }) => [start, end])).toEqual(expected);
        expect(isCut).toBe(false);
        expect(matcher.test(text)).toBe(expected.length > 0);
        if (ranges.some(({ start, end }) => start === end)) withEmpty += 1;
      },
    );
    fc.assert(property, { numRuns: 3_000 });
    expect(bound).toBeGreaterThan(300);
    expect(withEmpty).toBeGreaterThan(100);
  });
});
