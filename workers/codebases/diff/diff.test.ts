import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CodeSymbol } from "../languages/parsed-file.ts";
import { unifiedHunks } from "./hunks.ts";
import { diffLines, type LineChange, linesOf } from "./lines.ts";
import { findRenames, type RenameSide } from "./renames.ts";
import { diffSymbols, joinMoved, type SymbolChange } from "./symbols.ts";

/** Few different lines, so that many are alike. */
const line = fc.constantFrom("a\n", "b\n", "c\n", "\n", "a longer one\n", "}\n");
const text = fc
  .tuple(fc.array(line, { maxLength: 40 }), fc.constantFrom("", "end", "a"))
  .map(([lines, last]) => lines.join("") + last);

/** The second text, made of the first and the changes. */
function applied(before: readonly string[], after: readonly string[], changes: LineChange[]) {
  const made: string[] = [];
  let at = 0;
  for (const change of changes) {
    made.push(...before.slice(at, change.before));
    expect(made.length).toBe(change.after);
    made.push(...after.slice(change.after, change.after + change.added));
    at = change.before + change.removed;
  }
  return [...made, ...before.slice(at)].join("");
}

/** How many lines must be removed and added at least, by the table of all beginnings. */
function leastEdits(before: readonly string[], after: readonly string[]): number {
  let row = Array.from({ length: after.length + 1 }, (_, j) => j);
  for (const [i, left] of before.entries()) {
    const next = [i + 1];
    for (const [j, right] of after.entries()) {
      next.push(left === right ? (row[j] ?? 0) : 1 + Math.min(row[j + 1] ?? 0, next[j] ?? 0));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

describe("lines", () => {
  it("are the text again", () => {
    fc.assert(fc.property(fc.string(), (each) => linesOf(each).join("") === each));
    expect(linesOf("a\r\n\nb")).toEqual(["a\r\n", "\n", "b"]);
    expect(linesOf("")).toEqual([]);
  });

  it("differ by changes that make one text of the other, as few as can be", () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const [left, right] = [linesOf(before), linesOf(after)];
        const changes = diffLines(left, right);
        expect(applied(left, right, changes)).toBe(after);
        const edits = changes.reduce((sum, { removed, added }) => sum + removed + added, 0);
        expect(edits).toBe(leastEdits(left, right));
      }),
      { numRuns: 500 },
    );
  });

  it("of texts that have little in common are compared in good time", () => {
    let seed = 3;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % below;
    };
    const before = Array.from({ length: 20_000 }, (_, at) => `${at} ${random(50)}\n`);
    const after = before.flatMap((each, at) =>
      random(3) === 0 ? [`new ${at}\n`, `${random(9)}\n`] : [each],
    );
    const began = performance.now();
    const changes = diffLines(before, after);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(applied(before, after, changes)).toBe(after.join(""));
    const kept = before.length - changes.reduce((sum, { removed }) => sum + removed, 0);
    expect(kept).toBeGreaterThan(0.6 * before.length);
  });
});

describe("hunks", () => {
  it("are applied by git, and give the other text", () => {
    const folder = mkdtempSync(join(tmpdir(), "hunks-"));
    try {
      const pairs = fc.sample(fc.tuple(text, text), { numRuns: 25, seed: 5 });
      const fixed: [string, string][] = [
        ["a\nb\nc\n", "a\nB\nc"],
        ["", "one\ntwo\n"],
        ["one\ntwo", ""],
        ["x\n".repeat(30), `${"x\n".repeat(15)}y\n${"x\n".repeat(15)}`],
      ];
      const cases = [...pairs, ...fixed].filter(([before, after]) => before !== after);
      const patches = cases.map(([before, after], index) => {
        const [left, right] = [linesOf(before), linesOf(after)];
        writeFileSync(join(folder, `${index}.txt`), before);
        const name = `${index}.txt`;
        return `--- a/${name}\n+++ b/${name}\n${unifiedHunks(left, right, diffLines(left, right), 3)}`;
      });
      execFileSync("git", ["apply", "--whitespace=nowarn", "-"], {
        cwd: folder,
        input: patches.join(""),
        env: { ...process.env, GIT_CEILING_DIRECTORIES: dirname(folder) },
      });
      for (const [index, [, after]] of cases.entries()) {
        expect(readFileSync(join(folder, `${index}.txt`), "utf8")).toBe(after);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("join changes that stand near", () => {
    const before = Array.from({ length: 30 }, (_, at) => `${at}\n`);
    const after = before.with(3, "x\n").with(8, "y\n").with(25, "z\n");
    const hunks = unifiedHunks(before, after, diffLines(before, after), 3);
    expect(hunks.match(/^@@.*@@$/gm)).toEqual(["@@ -1,12 +1,12 @@", "@@ -23,7 +23,7 @@"]);
  });
});

describe("renames", () => {
  const side = (path: string, content: string): RenameSide & { content: string } => ({
    ...{ path, content, oid: content, size: content.length },
  });
  const find = (removed: ReturnType<typeof side>[], added: ReturnType<typeof side>[]) =>
    findRenames(removed, added, ({ oid }) => oid);
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, at) => `line ${from + at}\n`).join("");

  it("are files of the same content, those of one name first", () => {
    const same = lines(0, 5);
    expect(
      find(
        [side("a/x.ts", same), side("a/y.ts", same)],
        [side("b/y.ts", same), side("b/z.ts", same)],
      ),
    ).toEqual([
      { before: "a/y.ts", after: "b/y.ts", similarity: 1 },
      { before: "a/x.ts", after: "b/z.ts", similarity: 1 },
    ]);
  });

  it("are files with most of their lines, the most similar first, each once", () => {
    const removed = [side("a.ts", lines(0, 20)), side("b.ts", lines(2, 22))];
    const added = [side("c.ts", lines(2, 23)), side("d.py", lines(0, 19)), side("e.ts", "other\n")];
    const [found, ...others] = find(removed, added);
    expect(found).toMatchObject({ before: "b.ts", after: "c.ts" });
    expect(found?.similarity).toBeCloseTo(20 / 21, 1);
    expect(others).toEqual([]);
  });

  it("are not files that have nothing in common, or nothing at all", () => {
    expect(find([side("a.ts", "")], [side("b.ts", "x\n")])).toEqual([]);
    expect(find([side("a.ts", lines(0, 9))], [side("b.ts", lines(50, 59))])).toEqual([]);
  });
});

describe("symbols", () => {
  const symbol = (
    name: string,
    line: number,
    [start, end]: [number, number],
    more: Partial<CodeSymbol> = {},
  ): CodeSymbol => ({
    ...{ name, kind: "function", start, end, line, column: 1, end_line: line, container: null },
    ...{ signature: `function ${name}()`, exported: true, doc: null },
    ...more,
  });
  const told = (changes: readonly SymbolChange[]) =>
    changes.map(({ change, name, containers, before, after }) =>
      [change, [...containers, name].join("."), before?.line ?? "-", after?.line ?? "-"].join(" "),
    );
  const file = (text: string, symbols: CodeSymbol[], path = "a.ts") => ({ path, text, symbols });

  it("are added, removed, declared anew, or have another body", () => {
    const before = file("same();gone();sign();body(1);", [
      symbol("same", 1, [0, 7]),
      symbol("gone", 2, [7, 14]),
      symbol("sign", 3, [14, 21]),
      symbol("body", 4, [21, 29]),
    ]);
    const after = file("body(2);same();new();sign();", [
      symbol("body", 1, [0, 8]),
      symbol("same", 2, [8, 15]),
      symbol("new", 3, [15, 21]),
      symbol("sign", 4, [21, 28], { signature: "function sign(x)" }),
    ]);
    expect(told(diffSymbols(before, after))).toEqual([
      "body body 4 1",
      "added new - 3",
      "signature sign 3 4",
      "removed gone 2 -",
    ]);
    expect(diffSymbols(before, before)).toEqual([]);
    expect(told(diffSymbols(null, before))).toHaveLength(4);
    expect(told(diffSymbols(before, null)).every((each) => each.startsWith("removed"))).toBe(true);
  });

  it("are changed themselves, not by what is defined in them", () => {
    const inner = (text: string) => [
      symbol("Box", 1, [0, text.length], { kind: "class" }),
      symbol("open", 1, [5, text.length - 1], { kind: "method", container: 0 }),
    ];
    const [before, after] = ["Box {open(1)}", "Box {open(22)}"];
    expect(told(diffSymbols(file(before, inner(before)), file(after, inner(after))))).toEqual([
      "body Box.open 1 1",
    ]);
  });

  it("of one name are paired by what they declare", () => {
    const of = (...signatures: string[]) =>
      file(
        "",
        signatures.map((signature, at) => symbol("f", at + 1, [0, 0], { signature })),
      );
    expect(told(diffSymbols(of("f(a)", "f(b)"), of("f(c)", "f(b)", "f(a)")))).toEqual([
      "added f - 1",
    ]);
    expect(told(diffSymbols(of("f(a)", "f(b)"), of("f(b)", "f(c)")))).toEqual(["signature f 1 2"]);
  });

  it("that moved are shown at both ends, when nothing else could be meant", () => {
    const one = diffSymbols(
      file("", [symbol("f", 1, [0, 0]), symbol("g", 2, [0, 0])]),
      file("", []),
    );
    const other = diffSymbols(
      file("", [], "b.ts"),
      file("", [symbol("f", 7, [0, 0]), symbol("g", 8, [0, 0])], "b.ts"),
    );
    const third = diffSymbols(null, file("", [symbol("g", 9, [0, 0])], "c.ts"));
    const [a, b, c] = joinMoved([one, other, third]);
    expect(told(a ?? [])).toEqual(["moved f 1 7", "removed g 2 -"]);
    expect(told(b ?? [])).toEqual(["moved f 1 7", "added g - 8"]);
    expect(told(c ?? [])).toEqual(["added g - 9"]);
    expect(a?.[0]).toMatchObject({ before: { path: "a.ts" }, after: { path: "b.ts" } });
  });
});
