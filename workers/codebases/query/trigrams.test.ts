import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { trigramsOfText } from "./folded-trigrams.ts";
import { holds } from "./formula.ts";
import type { CaseMode, Pattern } from "./query.ts";
import { compilePattern } from "./regex.ts";
import { changeCase, regexNoise, regexSample, surroundings } from "./test-support-regex.ts";
import { planTrigrams, trigramFormula } from "./trigrams.ts";

const regex = (source: string): Pattern => ({ kind: "regex", source });
const literal = (text: string): Pattern => ({ kind: "literal", text });

function summary(pattern: Pattern): string {
  const plan = planTrigrams(pattern);
  return plan.kind === "match" ? plan.expression : plan.kind;
}

describe("the trigrams of a literal", () => {
  it.each<[string, string]>([
    ["ab", "scan"],
    ["abc", '"abc"'],
    ["abcd", '"abc" AND "bcd"'],
    ["ServeHTTP", '"ser" AND "erv" AND "rve" AND "veh" AND "eht" AND "htt" AND "ttp"'],
    ["func main", '"fun" AND "unc" AND "nc " AND "c m" AND " ma" AND "mai" AND "ain"'],
    ['say "hi"', '"say" AND "ay " AND "y """ AND " ""h" AND """hi" AND "hi"""'],
    ["naïve", "scan"],
    ["naïveté", '"vet"'],
    ["über-cool", '"ber" AND "er-" AND "r-c" AND "-co" AND "coo" AND "ool"'],
    ["日本語abc", '"abc"'],
    ["a\0bcd", '"bcd"'],
    ["", "scan"],
  ])("%s", (text, expected) => {
    expect(summary(literal(text))).toBe(expected);
  });

  it("is bounded", () => {
    const plan = planTrigrams(
      literal(Array.from({ length: 300 }, (_, index) => `w${index}`).join("")),
    );
    expect(plan.kind === "match" && plan.trigrams.length).toBe(16);
  });
});

describe("the trigrams of an expression", () => {
  it.each<[string, string]>([
    [
      "(TODO|FIXME)\\(\\w+\\)",
      '("tod" AND "odo" AND "do(") OR ("fix" AND "ixm" AND "xme" AND "me(")',
    ],
    ["\\d{4}-\\d{2}-\\d{2}", "scan"],
    ["abc.*def", '"abc" AND "def"'],
    ["abc+", '"abc"'],
    ["abc*", "scan"],
    ["(abc)?def", '"def"'],
    ["ab[cd]ef", '("abc" AND "bce" AND "cef") OR ("abd" AND "bde" AND "def")'],
    ["foo|bar", '"foo" OR "bar"'],
    ["foo|ba", "scan"],
    ["(?i)Func", '"fun" AND "unc"'],
    ["^func\\b", '"fun" AND "unc"'],
    ["\\Afunc", '"fun" AND "unc"'],
    ["func\\z", '"fun" AND "unc"'],
    [
      "interface{}",
      '"int" AND "nte" AND "ter" AND "erf" AND "rfa" AND "fac" AND "ace" AND "ce{" AND "e{}"',
    ],
    ["(?P<name>abc)", '"abc"'],
    ["(?i:abc)d", '"abc" AND "bcd"'],
    ["\\Qa.b\\E", '"a.b"'],
    ["(ab){3}", '"aba" AND "bab"'],
    ["(ab){2,}", '"aba" AND "bab"'],
    ["[[:digit:]]abc", "scan"],
    ["[][]abc", '("]ab" AND "abc") OR ("[ab" AND "abc")'],
    ["\\x{61}bc", '"abc"'],
    ["\\pLabc", '"abc"'],
    ["a\\.b", '"a.b"'],
    [".*", "scan"],
    ["a(?i)bc", "scan"],
    ["[\\w-.]+foo", '"foo"'],
    ["a{01}", '"a{0" AND "{01" AND "01}"'],
  ])("%s", (source, expected) => {
    expect(compilePattern(regex(source), { mode: "yes" }).problem).toBeNull();
    expect(summary(regex(source))).toBe(expected);
  });

  it("is bounded, whatever the expression", () => {
    const wide = Array.from({ length: 400 }, (_, index) => `word${index}`).join("|");
    expect(summary(regex(wide))).toBe("scan");
    const deep = Array.from({ length: 30 }).reduce<string>(
      (inner) => `(x${inner}.*y|abc)d+`,
      "efg",
    );
    const plan = planTrigrams(regex(deep));
    expect(plan.kind === "match" ? plan.trigrams.length : 0).toBeLessThan(200);
  });

  it("reads the deepest expression that may be written", () => {
    const nested = `${"(".repeat(490)}needle${")".repeat(490)}`;
    expect(compilePattern(regex(nested), { mode: "yes" }).problem).toBeNull();
    expect(summary(regex(nested))).toBe('"nee" AND "eed" AND "edl" AND "dle"');
    expect(summary(regex(`${"(?:".repeat(240)}x${"+y)?".repeat(60)}${")".repeat(180)}`))).toBe(
      "scan",
    );
  });

  it("says why it is a scan", () => {
    expect(planTrigrams(regex("a(?i)bc"))).toEqual({
      kind: "scan",
      why: "the group (?i) has no equal in the parser of trigrams",
    });
  });
});

const modes: readonly CaseMode[] = ["yes", "no"];

/** The formula of a pattern must hold for every text that the pattern matches. */
function missedMatch(pattern: Pattern, text: string): { found: number; missed: string[] } {
  let found = 0;
  const missed: string[] = [];
  for (const mode of modes) {
    const { matcher } = compilePattern(pattern, { mode });
    if (matcher?.test(text) !== true) continue;
    found += 1;
    const { formula } = trigramFormula(pattern);
    if (!holds(formula, trigramsOfText(text))) missed.push(`${JSON.stringify(pattern)} in ${text}`);
  }
  return { found, missed };
}

describe("no file that matches is left out", () => {
  it("for random expressions and texts that contain a match", { timeout: 60_000 }, () => {
    let found = 0;
    let narrowed = 0;
    const property = fc.property(
      regexSample,
      fc.nat(65_535),
      surroundings,
      surroundings,
      ({ source, match }, bits, before, after) => {
        const text = before + changeCase(match, bits) + after;
        const outcome = missedMatch(regex(source), text);
        found += outcome.found;
        if (outcome.found > 0 && trigramFormula(regex(source)).formula.kind !== "any")
          narrowed += 1;
        return outcome.missed.length === 0;
      },
    );
    fc.assert(property, { numRuns: 22_000 });
    expect(found).toBeGreaterThan(20_000);

    expect(narrowed).toBeGreaterThan(2_000);
  });

  it("for random characters that mean something in some dialect", () => {
    const property = fc.property(regexNoise, surroundings, (source, text) => {
      const stripped = source.replaceAll(/[\\()*+?|]/g, "");
      const outcome = missedMatch(regex(source), text + stripped + source);
      return outcome.missed.length === 0;
    });
    fc.assert(property, { numRuns: 8_000 });
  });

  it("for literals", () => {
    const property = fc.property(
      surroundings,
      surroundings,
      surroundings,
      fc.nat(65_535),
      (text, before, after, bits) => {
        const { found, missed } = missedMatch(
          literal(text),
          before + changeCase(text, bits) + after,
        );
        return missed.length === 0 && (found > 0 || bits > 0);
      },
    );
    fc.assert(property, { numRuns: 3_000 });
  });
});

describe("the index itself", () => {
  const database = new DatabaseSync(":memory:");
  database.exec(
    "CREATE VIRTUAL TABLE tri USING fts5(content, content='', contentless_delete=1, detail=none, tokenize='trigram')",
  );
  const insert = database.prepare("INSERT INTO tri(rowid, content) VALUES (?, ?)");
  const search = database.prepare("SELECT rowid FROM tri WHERE tri MATCH ?");

  it("answers the formulas as the planner reads them", () => {
    let row = 0;
    const property = fc.property(
      regexSample,
      fc.nat(65_535),
      surroundings,
      ({ source, match }, bits, before) => {
        const plan = planTrigrams(regex(source));
        if (plan.kind !== "match") return;
        row += 1;
        const text = before + changeCase(match, bits);
        insert.run(row, text);
        const rows = search.all(plan.expression).map(({ rowid }) => Number(rowid));
        expect(rows.includes(row)).toBe(
          holds(trigramFormula(regex(source)).formula, trigramsOfText(text)),
        );
      },
    );
    fc.assert(property, { numRuns: 1_500 });
    expect(row).toBeGreaterThan(200);
  });

  it("folds two characters into ASCII and no others, which is what re2js folds", () => {
    const fold = new DatabaseSync(":memory:");
    fold.exec("CREATE VIRTUAL TABLE tri USING fts5(content, tokenize='trigram')");
    fold.exec("CREATE VIRTUAL TABLE terms USING fts5vocab('tri', 'row')");
    const beyondAscii = Array.from({ length: 0x1f000 }, (_, index) => index + 0x80)
      .filter((codePoint) => codePoint < 0xd800 || codePoint > 0xdfff)
      .map((codePoint) => `<${String.fromCodePoint(codePoint)}>`)
      .join("");
    fold.prepare("INSERT INTO tri VALUES (?)").run(beyondAscii);
    const terms = fold
      .prepare("SELECT term FROM terms")
      .all()
      .map(({ term }) => String(term));
    expect(terms.filter((term) => /^<[\0-\x7f]>$/.test(term))).toEqual(["<k>", "<s>"]);
    for (const letter of "abcdefghijklmnopqrstuvwxyz") {
      const { matcher } = compilePattern(regex(letter), { mode: "no" });
      const found = matcher?.find(beyondAscii, 9).ranges ?? [];
      const expected = letter === "k" ? ["\u212a"] : letter === "s" ? ["ſ"] : [];
      expect(found.map(({ start, end }) => beyondAscii.slice(start, end))).toEqual(expected);
    }
  });
});
