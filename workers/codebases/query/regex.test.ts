import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, it } from "vitest";
import type { CaseMode, Pattern } from "./query.ts";
import { checkRegex, compilePattern, MAX_PATTERN_CHARS, mindsCase } from "./regex.ts";
import { changeCase, regexNoise } from "./test-support-regex.ts";

const regex = (source: string): Pattern => ({ kind: "regex", source });
const literal = (text: string): Pattern => ({ kind: "literal", text });

function found(pattern: Pattern, text: string, mode: CaseMode = "yes", limit = 100): string[] {
  const { matcher } = compilePattern(pattern, { mode });
  const ranges = matcher?.find(text, limit).ranges ?? [];
  return ranges.map(({ start, end }) => `${start}:${text.slice(start, end)}`);
}

describe("finding", () => {
  it.each<[Pattern, string, CaseMode, string[]]>([
    [literal("a.b"), "axb a.b A.B", "yes", ["4:a.b"]],
    [literal("a.b"), "axb a.b A.B", "no", ["4:a.b", "8:A.B"]],
    [literal("aa"), "aaaaa", "yes", ["0:aa", "2:aa"]],
    [literal("kiss"), "\u212aIſS KISS", "no", ["0:\u212aIſS", "5:KISS"]],
    [literal("İx"), "iX İX", "no", ["3:İX"]],
    [literal("x"), "İİX", "no", ["2:X"]],
    [literal("ΣΑΣ"), "σας", "no", ["0:σας"]],
    [literal("straße"), "STRAẞE", "no", ["0:STRAẞE"]],
    [regex("^b"), "a\nb\nb", "yes", ["2:b", "4:b"]],
    [regex("a.b"), "a\nb a😀b", "yes", ["4:a😀b"]],
    [regex("(?s)a.b"), "a\nb", "yes", ["0:a\nb"]],
    [regex("x*"), "axxa", "yes", ["1:xx"]],
    [regex("z*"), "axxa", "yes", ["0:"]],
    [regex("^$"), "a\n\nb", "yes", ["2:"]],
    [regex("^$"), "\n\na\n\n", "yes", ["0:", "1:", "4:"]],
    [regex("^$"), "a\nb\n", "yes", []],
    [regex("^$"), "", "yes", []],
    [regex("^\\s*$"), "a\n\nb\n", "yes", ["2:"]],
    [regex("^\\s*$"), "a\n", "yes", []],
    [regex("(?s)^\\z"), "a\n", "yes", []],
    [regex("^.{0,1}$"), "a\nbc\n\nd", "yes", ["0:a", "5:", "6:d"]],
    [regex("x*"), "ab\ncx\n", "yes", ["0:", "4:x"]],
    [regex("\\b"), "ab cd\n\nef", "yes", ["0:", "7:"]],
    [regex("b+?"), "BB", "no", ["0:B", "1:B"]],
    [literal(""), "abc", "no", ["0:"]],
  ])("%j in %j (case %s)", (pattern, text, mode, expected) => {
    expect(found(pattern, text, mode)).toEqual(expected);
    const tested = compilePattern(pattern, { mode }).matcher?.test(text);
    expect(tested).toBe(expected.length > 0);
  });

  it("stops at the limit", () => {
    expect(found(literal("a"), "aaaa", "yes", 2)).toHaveLength(2);
    expect(found(regex("a"), "aaaa", "yes", 2)).toHaveLength(2);
    expect(found(regex("b*"), "aaaa", "yes", 0)).toEqual([]);
  });

  it("says when it has left an expression that is empty everywhere", () => {
    const { matcher } = compilePattern(regex("x*"), { mode: "yes" });
    const line = "a".repeat(20_000);
    expect(matcher?.find(`${line}x`, 10)).toMatchObject({ ranges: [{ start: 0 }], isCut: true });
    const lines = `${"a".repeat(100)}\n`.repeat(200);
    expect(matcher?.find(lines, 500)).toMatchObject({ isCut: false });
    expect(matcher?.find(lines, 500).ranges).toHaveLength(200);
    expect(matcher?.find(lines, 50).ranges).toHaveLength(50);
  });

  it("finds a literal in any case where RE2 does", () => {
    const character = fc.constantFrom(..."akszAKSZ İıſ\u212aßẞΣσςÅå\u212bµμθϑᾳᾼ😀");
    const text = fc.array(character, { maxLength: 12 }).map((parts) => parts.join(""));
    const needle = fc
      .array(character, { minLength: 1, maxLength: 3 })
      .map((parts) => parts.join(""));
    const property = fc.property(
      text,
      needle,
      text,
      fc.nat(65_535),
      (before, wanted, after, bits) => {
        const whole = before + changeCase(wanted, bits) + after;
        const reference = RE2JS.compile(RE2JS.quote(wanted), RE2JS.CASE_INSENSITIVE).matcher(whole);
        const expected: string[] = [];
        while (reference.find()) expected.push(`${reference.start()}:${reference.group()}`);
        expect(found(literal(wanted), whole, "no")).toEqual(expected);
      },
    );
    fc.assert(property, { numRuns: 4_000 });
  });

  it("rules out by its bytes no text that a literal is in", () => {
    const character = fc.constantFrom(..."akszAKSZ .éÅ¿â\u0084ªıſ\u212aσ😀\ufeff");
    const piece = fc.array(character, { maxLength: 6 }).map((parts) => parts.join(""));
    const modes = fc.constantFrom<CaseMode>("yes", "no");
    const property = fc.property(piece, piece, piece, modes, (before, wanted, after, mode) => {
      const { matcher } = compilePattern(literal(wanted), { mode });
      for (const text of [before + wanted + after, before + after]) {
        const bytes = Buffer.from(text).toString("latin1");
        const mayMatch = matcher?.testBytes?.(bytes) ?? true;
        expect(mayMatch || !matcher?.test(text)).toBe(true);
        // Nor does it let through what the text itself would not.
        if (matcher?.testBytes != null) expect(mayMatch).toBe(matcher.test(text));
      }
    });
    fc.assert(property, { numRuns: 4_000 });
  });
});

describe("case by itself", () => {
  it.each<[Pattern, boolean]>([
    [literal("abc"), false],
    [literal("aBc"), true],
    [literal("É"), true],
    [regex("\\W\\S\\Babc"), false],
    [regex("\\pL\\p{Lu}[\\D\\p{Greek}]"), false],
    [regex("[A-Z]"), true],
    [regex("\\QaB\\E"), true],
    [regex("(?P<Name>a)(?U:b)"), false],
    [regex("\\x{E9}"), false],
  ])("%j", (pattern, expected) => {
    expect(mindsCase(pattern, "auto")).toBe(expected);
    expect(mindsCase(pattern, "yes")).toBe(true);
    expect(mindsCase(pattern, "no")).toBe(false);
  });
});

describe("what is not RE2", () => {
  it.each<[string, number, number, RegExp]>([
    ["ab(?=c)", 2, 5, /Lookahead \(\?=…\)/],
    ["ab(?!c)", 2, 5, /Lookahead/],
    ["(?<=a)b", 0, 4, /Lookbehind/],
    ["(?<!a)b", 0, 4, /Lookbehind/],
    ["(a)\\1", 3, 5, /backreference \\1/],
    ["(?P<n>a)(?P=n)", 8, 13, /backreference/],
    ["(?<n>a)\\k<n>", 7, 12, /backreference/],
    ["(?>a)b", 0, 3, /atomic/],
    ["xa++", 3, 4, /possessive/],
    ["a\\Z", 1, 3, /\\Z is not RE2/],
    ["(?x) a b", 0, 4, /free spacing/],
    ["a(b", 1, 2, /missing closing \)/],
    ["a)b", 1, 2, /unexpected \)/],
    ["ab[c", 2, 4, /missing closing \]/],
    ["*a", 0, 1, /missing argument/],
    ["a**", 1, 3, /nested repetition/],
    ["a{2,1}", 1, 6, /repeat count/],
    ["a\\", 1, 2, /trailing backslash/],
    ["ab\\y", 2, 4, /escape/],
    ["[z-a]", 1, 4, /range/],
    ["x[[:foo:]]", 2, 9, /range/],
    ["\\p{Nope}", 0, 8, /range/],
    ["((a{100}){100}){100}", 15, 20, /repeat count/],
    ["(?P<é>a)", 0, 6, /named capture/],
  ])("%s", (source, start, end, message) => {
    const problem = checkRegex(source);
    expect(problem?.message).toMatch(message);
    expect(problem?.hint.length).toBeGreaterThan(10);
    expect([problem?.start, problem?.end]).toEqual([start, end]);
  });

  it("is found out without throwing, inside the pattern", () => {
    const property = fc.property(regexNoise, (source) => {
      const problem = checkRegex(source);
      if (problem === null) return;
      expect(problem.start).toBeGreaterThanOrEqual(0);
      expect(problem.end).toBeGreaterThan(problem.start);
      expect(problem.end).toBeLessThanOrEqual(source.length);
    });
    fc.assert(property, { numRuns: 4_000 });
  });

  it("has limits of size", () => {
    expect(checkRegex("a".repeat(MAX_PATTERN_CHARS + 1))?.message).toMatch(/at most 1000/);
    expect(checkRegex("(\\pL{100}\\pN{100}){5}")).toBeNull();
    const large = "(?:[a-z]{0,999}|[0-9]{0,999}|x{0,999})".repeat(10);
    expect(checkRegex(large)?.message).toMatch(/instructions/);
    expect(compilePattern(regex("ab+"), { mode: "yes" }).matcher?.instructions).toBeLessThan(10);
  });
});

describe("time", () => {
  /** How often RE2 reads a byte of the text. */
  function reads(source: string, text: string): number {
    let count = 0;
    const bytes: number[] = Array.from(new TextEncoder().encode(text));
    const counted = new Proxy(bytes, {
      get(target, key, receiver) {
        if (typeof key === "string" && /^\d+$/.test(key)) count += 1;
        return Reflect.get(target, key, receiver);
      },
    });
    expect(RE2JS.compile(source).test(counted)).toBe(false);
    return count;
  }

  it("of (a+)+$ is linear in the text", () => {
    const size = 100_000;
    for (const source of ["(a+)+$", "(a|aa)+$", "(a*)*b", "(.*)*x$"]) {
      const small = reads(source, `${"a".repeat(size / 10)}!`);
      const large = reads(source, `${"a".repeat(size)}!`);
      expect(large).toBeLessThan(8 * size);
      expect(large).toBeLessThan(11 * Math.max(small, 1_000));
    }
    const { matcher } = compilePattern(regex("(a+)+$"), { mode: "yes" });
    expect(matcher?.test(`${"a".repeat(size)}!`)).toBe(false);
  });
});
