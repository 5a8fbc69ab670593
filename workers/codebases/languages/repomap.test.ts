import { describe, expect, it } from "vitest";
import { pageRank } from "./pagerank.ts";
import type { CodeSymbol } from "./parsed-file.ts";
import { type MapFile, type MapReference, repoMap } from "./repomap.ts";

const symbol = (name: string, more: Partial<CodeSymbol> = {}): CodeSymbol => ({
  name,
  kind: "function",
  start: 0,
  end: 1,
  line: 1,
  column: 1,
  end_line: 1,
  container: null,
  signature: `function ${name}()`,
  exported: true,
  doc: null,
  ...more,
});

const refer = (
  from: string,
  path: string,
  name: string,
  { count = 1, symbol: index = 0, confidence = "exact" as const } = {},
): MapReference => ({ from, name, count, target: { path, symbol: index, confidence } });

describe("PageRank", () => {
  it("gives rank to what is referred to, and sums to 1", () => {
    const { ranks, iterations } = pageRank(4, [
      { from: 0, to: 2, weight: 1 },
      { from: 1, to: 2, weight: 1 },
      { from: 2, to: 3, weight: 1 },
    ]);
    const [a = 0, b = 0, c = 0, d = 0] = ranks;
    expect(a + b + c + d).toBeCloseTo(1, 9);
    expect(a).toBeCloseTo(b, 12);
    expect(c).toBeGreaterThan(a);
    expect(d).toBeGreaterThan(c);
    expect(iterations).toBeLessThan(60);
  });

  it("agrees with the closed form of a pair that refer to each other", () => {
    const edges = [
      { from: 0, to: 1, weight: 3 },
      { from: 1, to: 0, weight: 1 },
    ];
    const { ranks } = pageRank(2, edges, {
      personalization: [1, 0],
      tolerance: 1e-12,
      maxIterations: 1_000,
    });
    // r0 = 0.15 + 0.85 r1, r1 = 0.85 r0
    expect(ranks[0]).toBeCloseTo(0.15 / (1 - 0.85 ** 2), 9);
    expect(ranks[1]).toBeCloseTo((0.85 * 0.15) / (1 - 0.85 ** 2), 9);
  });

  it("shares by weight", () => {
    const edges = [
      { from: 0, to: 1, weight: 9 },
      { from: 0, to: 2, weight: 1 },
    ];
    const { ranks } = pageRank(3, edges, { personalization: [1, 0, 0] });
    expect((ranks[1] ?? 0) / (ranks[2] ?? 1)).toBeCloseTo(9, 9);
  });

  it("takes graphs without nodes, edges or interest", () => {
    expect(pageRank(0, []).ranks.length).toBe(0);
    expect([...pageRank(2, []).ranks]).toEqual([0.5, 0.5]);
    expect([...pageRank(2, [], { personalization: [0, 0] }).ranks]).toEqual([0.5, 0.5]);
  });
});

const FILES: MapFile[] = [
  { path: "src/app.ts", symbols: [symbol("main")] },
  {
    path: "src/store.ts",
    symbols: [
      symbol("Store", { kind: "class", signature: "class Store" }),
      symbol("open", { kind: "method", container: 0, signature: "open(path: string): Store" }),
      symbol("path", { kind: "field", container: 0 }),
    ],
  },
  { path: "src/util.ts", symbols: [symbol("_hidden"), symbol("clamp")] },
  { path: "test/store.test.ts", symbols: [symbol("fixture")] },
];
const REFERENCES: MapReference[] = [
  refer("src/app.ts", "src/store.ts", "open", { symbol: 1, count: 4 }),
  refer("test/store.test.ts", "src/store.ts", "open", { symbol: 1 }),
  refer("src/store.ts", "src/util.ts", "clamp", { symbol: 1 }),
  { from: "src/app.ts", name: "fixture", count: 1, target: null },
];
const input = { files: FILES, references: REFERENCES };

describe("a repo map", () => {
  it("shows what is referred to under what contains it", () => {
    const { text, shown, of } = repoMap(input, { tokens: 1_000 });
    expect(text).toBe(
      [
        "src/util.ts:",
        "  function _hidden()",
        "  function clamp()",
        "",
        "src/store.ts:",
        "  class Store",
        "    open(path: string): Store",
        "",
        "test/store.test.ts:",
        "  function fixture()",
        "",
        "src/app.ts:",
        "  function main()",
        "",
      ].join("\n"),
    );
    expect([shown, of]).toEqual([6, 6]);
  });

  it("keeps the most referred to when there is little room", () => {
    const { text, tokens } = repoMap(input, { tokens: 45 });
    expect(tokens).toBeLessThanOrEqual(45);
    expect(text).toContain("clamp");
    expect(text).toContain("open(path: string)");
    expect(text).not.toMatch(/main|_hidden|fixture/);
  });

  it("turns to what is in focus", () => {
    const focused = repoMap(input, { tokens: 12, focusFiles: ["test/store.test.ts"] });
    expect(focused.files[0]?.path).not.toBe("src/app.ts");
    const named = repoMap(input, { tokens: 16, focusIdentifiers: ["main"] });
    expect(named.files[0]?.path).toBe("src/app.ts");
    expect(named.text).toContain("main");
  });

  it("is the same whatever order its input comes in", () => {
    const reversed = { files: [...FILES].reverse(), references: [...REFERENCES].reverse() };
    expect(repoMap(reversed, { tokens: 30 })).toEqual(repoMap(input, { tokens: 30 }));
  });

  it("passes over names that many define and references to nowhere", () => {
    const files = Array.from({ length: 7 }, (_, i) => ({
      path: `f${i}.ts`,
      symbols: [symbol("get")],
    }));
    const references: MapReference[] = [
      { from: "f0.ts", name: "get", count: 50, target: null },
      refer("f1.ts", "gone.ts", "x"),
      refer("gone.ts", "f2.ts", "get"),
      refer("f1.ts", "f2.ts", "get", { symbol: 9 }),
    ];
    const { files: ranked } = repoMap({ files, references }, { tokens: 100 });
    expect(new Set(ranked.map(({ rank }) => rank.toFixed(9))).size).toBe(1);
  });

  it("may have no room or nothing to show", () => {
    expect(repoMap(input, { tokens: 0 })).toMatchObject({ text: "", tokens: 0, shown: 0 });
    expect(repoMap({ files: [], references: [] }, { tokens: 100 })).toMatchObject({
      text: "",
      of: 0,
    });
  });

  it("comes within 5 % of its budget, in good time, for a large codebase", () => {
    const count = 2_000;
    const files = Array.from({ length: count }, (_, i) => ({
      path: `src/part${i % 40}/file${i}.ts`,
      symbols: Array.from({ length: 8 }, (_, j) => symbol(`do${"abcdefgh"[j]}Thing${i}`)),
    }));
    let seed = 7;
    const random = (max: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % max;
    };
    const references = Array.from({ length: 40_000 }, () =>
      refer(files[random(count)]?.path ?? "", files[random(count)]?.path ?? "", "x", {
        symbol: random(8),
        count: 1 + random(9),
      }),
    );
    const began = performance.now();
    for (const tokens of [512, 1_024, 4_096, 16_384]) {
      const map = repoMap({ files, references }, { tokens, focusFiles: ["src/part3/file3.ts"] });
      expect(map.tokens).toBeLessThanOrEqual(tokens);
      expect(map.tokens).toBeGreaterThanOrEqual(0.95 * tokens);
    }
    expect((performance.now() - began) / 4).toBeLessThan(2_000);
  });
});
