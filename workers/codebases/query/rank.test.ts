import { describe, expect, it } from "vitest";
import { parseQuery } from "./parse.ts";
import { planQuery } from "./plan.ts";
import type { FileTrait } from "./query.ts";
import { compareRanked, type RankInput, rankFile, SCORE } from "./rank.ts";
import { type FileSymbol, verifyFile } from "./verify.ts";

interface Given extends Partial<Omit<RankInput, "symbols">> {
  readonly symbols?: readonly (readonly [name: string, kind: string, exported?: boolean])[];
}

function rank(query: string, given: Given) {
  const { text = "", path = "src/other.ts", traits = new Set<FileTrait>() } = given;
  const symbols: FileSymbol[] = (given.symbols ?? []).map(([name, kind, exported = false]) => {
    const start = text.indexOf(name);
    return { name, kind, exported, start, end: start + name.length };
  });
  const parsed = parseQuery(query).query;
  const plan = parsed && planQuery(parsed, { syntax: "github" }).plan;
  if (!plan) throw new Error(query);
  const file = { path, text, symbols, traits, language: null };
  const { matches } = verifyFile(plan, file, { holds: () => false });
  return rankFile({
    atoms: { total: 1, matched: 1 },
    ...given,
    path,
    text,
    symbols,
    traits,
    matches,
  });
}

const points = (query: string, given: Given) =>
  Object.fromEntries(rank(query, given).signals.map(({ signal, points: each }) => [signal, each]));

describe("what a match is worth", () => {
  it.each<[string, string, Record<string, number>]>([
    ["needle", "a needle b", { word: 500 }],
    ["needle", "a needles b", { partial_word: 50 }],
    ["needle", "aneedles", {}],
    ["naïve", "ünaïve", { partial_word: 50 }],
    ['"+"', "a+b", { word: 500 }],
  ])("%s in %s", (query, text, expected) => {
    expect(points(`content:${query}`, { text })).toEqual({ ...expected, atoms: 400 });
  });

  it("counts definitions by how much of the name it is, and their kind", () => {
    const text = "class ParserFactory {}";
    const symbols = [["ParserFactory", "class"]] as const;
    expect(points("content:parserfactory", { text, symbols })).toMatchObject({
      symbol: 7_000,
      symbol_kind: 100,
      word: 500,
    });
    expect(points("content:parser", { text, symbols })).toMatchObject({
      symbol: 5_500,
      partial_word: 50,
    });
    expect(points("content:arser", { text, symbols })).toMatchObject({ symbol: 4_000 });
    expect(points("symbol:arser", { text, symbols })).toMatchObject({ symbol: 7_000 });
    expect(points("content:parser", { text, symbols: [["ParserFactory", "odd"]] })).toMatchObject({
      symbol_kind: 50,
    });
    // A kind that objects have a member of as well.
    expect(points("content:a", { text: "a", symbols: [["a", "constructor"]] })).toMatchObject({
      symbol_kind: 50,
    });
  });

  it("prefers what others can use, and what is spelled as the query is", () => {
    const text = "class Upkeep {}";
    const terms = new Set(["Upkeep"]);
    expect(points("content:Upkeep", { text, symbols: [["Upkeep", "class", true]] })).toMatchObject({
      exported: 150,
    });
    expect(points("content:Upkeep", { text, terms })).toMatchObject({ spelling: 250 });
    expect(points("content:Upkeep", { text: "upkeep()", terms })).not.toHaveProperty("spelling");
  });

  it("takes the mean of several terms, each by its best match", () => {
    const terms = new Set(["rate", "limit"]);
    const both = rank("rate limit", { path: "src/rate-limit.ts", text: "// of requests", terms });
    const one = rank("rate limit", {
      path: "src/context.ts",
      text: "const limit = rate();",
      symbols: [["limit", "constant"]],
      terms,
    });
    expect(both.score).toBeGreaterThan(one.score);
  });

  it("counts the base name, with or without its extension", () => {
    expect(points("path:parse", { path: "src/parse.ts" })).toMatchObject({
      base_name: 7_000,
      word: 500,
    });
    expect(points("path:parse.ts", { path: "src/parse.ts" })).toMatchObject({ base_name: 7_000 });
    expect(points("path:par", { path: "src/parse.ts" })).toMatchObject({ base_name: 5_500 });
    expect(points("path:ars", { path: "src/parse.ts" })).toMatchObject({ base_name: 4_000 });
    expect(points("path:src", { path: "src/parse.ts" })).toEqual({ word: 500, atoms: 400 });
  });

  it("takes the best match, not the sum", () => {
    expect(points("content:needle", { text: "needles needle needles" })).toMatchObject({
      word: 500,
    });
  });

  it("halves matches in comments and strings", () => {
    expect(points("content:needle", { text: "// needle", isProse: () => true })).toMatchObject({
      word: 250,
    });
  });

  it("adds priors, each up to its constant", () => {
    const given: Given = {
      text: "x",
      bm25: 5,
      pagerank: 0.099,
      fileCount: 1_000,
      repositoryRank: 2,
      ageDays: 90,
    };
    const found = points("content:x", given);
    expect(found).toMatchObject({ bm25: SCORE.bm25 / 2, repository: 100, recency: 25 });
    expect(found.pagerank).toBeCloseTo(SCORE.pagerank, 0);
    expect(points("content:x", { text: "x", bm25: -3, pagerank: 0, fileCount: 5 })).toEqual({
      word: 500,
      atoms: 400,
    });
  });

  it("prefers terms that stand near to each other", () => {
    const near = points("content:aaa content:bbb", { text: "aaa bbb" });
    const far = points("content:aaa content:bbb", { text: `aaa${"\n".repeat(10)}bbb` });
    expect([near.proximity, far.proximity]).toEqual([100, 50]);
    expect(
      points("content:aaa content:bbb", { text: `aaa${"\n".repeat(40)}bbb` }).proximity,
    ).toBeUndefined();
  });
});

describe("the score", () => {
  it("is the sum of its signals times its penalties", () => {
    const traits = new Set<FileTrait>(["vendored", "test", "public"]);
    const { score, signals, factor, penalties } = rank("content:needle", {
      text: "needle",
      traits,
    });
    const sum = signals.reduce((total, signal) => total + signal.points, 0);
    expect(penalties).toEqual(["test", "vendored"]);
    expect(factor).toBeCloseTo(0.28);
    expect(score).toBeCloseTo(sum * factor, 2);
  });

  it("puts a definition before its uses, and the code before its test", () => {
    const definition = rank("parse", {
      text: "function parse() {}",
      symbols: [["parse", "function"]],
    });
    const use = rank("parse", { text: "parse(parse(parse()))", bm25: 100 });
    const test = rank("parse", {
      text: "function parse() {}",
      symbols: [["parse", "function"]],
      traits: new Set<FileTrait>(["test"]),
    });
    expect(definition.score).toBeGreaterThan(test.score);
    expect(test.score).toBeGreaterThan(use.score);
  });

  it("orders equal ones by path", () => {
    const files = [
      ["b", 1],
      ["a", 1],
      ["c", 2],
      ["B", 1],
    ].map(([path, score]) => ({ path: String(path), score: Number(score) }));
    expect(files.toSorted(compareRanked).map(({ path }) => path)).toEqual(["c", "B", "a", "b"]);
    expect(
      files
        .toReversed()
        .toSorted(compareRanked)
        .map(({ path }) => path),
    ).toEqual(["c", "B", "a", "b"]);
  });
});
