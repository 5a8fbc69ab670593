/** Comparisons of snapshots, over HTTP. */
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { isolate } from "../test/app.ts";
import { type Files, TestCodebase } from "./test-support.ts";
import { diffSchema } from "./understanding-schemas.ts";

const { call } = isolate();

const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => `line ${from + at}\n`).join("");

const BEFORE: Files = {
  "src/shapes.ts": `export function area(w: number, h: number) {
  return w * h;
}

export function girth(w: number) {
  return w;
}

export class Box {
  open() {
    return 1;
  }
}
`,
  "src/old.ts": "export const gone = 1;\n",
  "docs/long.md": lines(0, 40),
  "docs/same.md": "the same\n",
  "logo.bin": Buffer.from([0, 1, 2, 3]),
  "keep.txt": "kept\n",
};

const AFTER: Files = {
  "src/shapes.ts": `export function area(w: number, h: number, unit: string) {
  return w * h;
}

export class Box {
  open() {
    return 2;
  }
}
`,
  "src/girth.ts": `export function girth(w: number) {
  return w;
}
`,
  "docs/moved/long.md": `${lines(0, 39)}new end`,
  "docs/moved/same.md": "the same\n",
  "logo.bin": Buffer.from([0, 1, 2, 4]),
  "keep.txt": "kept\n",
};

async function compared(): Promise<TestCodebase> {
  const codebase = await TestCodebase.create(call);
  await codebase.push(BEFORE, { ref: "then" });
  const { number } = await codebase.push(AFTER, { ref: "now" });
  await codebase.settled(1);
  await codebase.settled(number);
  return codebase;
}

type Diff = z.output<typeof diffSchema>;

async function diff(codebase: TestCodebase, query: Record<string, string> = {}): Promise<Diff> {
  const reply = await codebase.get(`/diff?${new URLSearchParams(query)}`);
  expect(reply.status, reply.text).toBe(200);
  return diffSchema.parse(reply.body);
}

const told = ({ items }: Pick<Diff, "items">) =>
  items.map(({ change, path, old_path, lines_added, lines_removed, symbols }) => {
    const from = old_path === null ? "" : `${old_path} > `;
    const changes = symbols.map(({ change: how, name, containers, before, after }) => {
      const place = (side: typeof before) => (side === null ? "" : `${side.path}:${side.line}`);
      return `${how} ${[...containers, name].join(".")} ${place(before)} > ${place(after)}`;
    });
    return [`${change} ${from}${path} +${lines_added} -${lines_removed}`, ...changes];
  });

const EXPECTED = [
  ["renamed docs/long.md > docs/moved/long.md +1 -1"],
  ["renamed docs/same.md > docs/moved/same.md +0 -0"],
  ["changed logo.bin +null -null"],
  ["added src/girth.ts +3 -0", "moved girth src/shapes.ts:5 > src/girth.ts:1"],
  ["removed src/old.ts +0 -1", "removed gone src/old.ts:1 > "],
  [
    "changed src/shapes.ts +2 -6",
    "signature area src/shapes.ts:1 > src/shapes.ts:1",
    "body Box.open src/shapes.ts:10 > src/shapes.ts:6",
    "moved girth src/shapes.ts:5 > src/girth.ts:1",
  ],
];

describe("a comparison", () => {
  it("is of files, lines and symbols, between any two snapshots", async () => {
    const codebase = await compared();
    const found = await diff(codebase);
    expect(told(found)).toEqual(EXPECTED);
    expect(found.counts).toEqual({ added: 1, removed: 1, changed: 2, renamed: 2 });
    expect(found.receipt).toMatchObject({ base: 1, snapshot: 2, complete: true, reason: null });
    expect(found.items[0]?.similarity).toBeGreaterThan(0.9);
    expect(found.items.every(({ patch }) => patch === null)).toBe(true);
    expect(told(await diff(codebase, { base: "then", head: "now" }))).toEqual(EXPECTED);

    const back = await diff(codebase, { base: "now", head: "then" });
    expect(back.counts).toEqual({ added: 1, removed: 1, changed: 2, renamed: 2 });
    expect((await diff(codebase, { base: "now", head: "now" })).items).toEqual([]);
    const first = await diff(codebase, { head: "then" });
    expect(first.receipt).toMatchObject({ base: null, base_root: null, snapshot: 1 });
    expect(first.counts).toMatchObject({ added: Object.keys(BEFORE).length, removed: 0 });
  });

  it("gives unified hunks when asked", async () => {
    const codebase = await compared();
    const { items } = await diff(codebase, { patch: "true" });
    const patches = new Map(items.map(({ path, patch }) => [path, patch]));
    expect(patches.get("docs/moved/long.md")).toBe(
      [
        "@@ -37,4 +37,4 @@\n line 36\n line 37\n line 38\n-line 39\n+new end",
        "\\ No newline at end of file\n",
      ].join("\n"),
    );
    expect(patches.get("src/old.ts")).toBe("@@ -1 +0,0 @@\n-export const gone = 1;\n");
    expect(patches.get("docs/moved/same.md")).toBe("");
    expect(items.find(({ path }) => path === "logo.bin")).toMatchObject({
      patch: null,
      patch_omitted: "binary",
    });
  });

  it("pages to the end, and keeps to a folder and a budget", async () => {
    const codebase = await compared();
    const pages: string[][] = [];
    let cursor: string | null = null;
    do {
      const page: Diff = await diff(codebase, { limit: "2", ...(cursor && { cursor }) });
      expect(page.receipt.complete).toBe(page.next_cursor === null);
      pages.push(...told(page));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(pages).toEqual(EXPECTED);

    const docs = await diff(codebase, { path: "docs/" });
    expect(docs.counts).toEqual({ added: 0, removed: 0, changed: 0, renamed: 2 });
    const { text, tokens } = await diff(codebase, { path: "src", max_tokens: "300" });
    expect(text).toMatch(/^# src\/girth\.ts @ [0-9a-f]{8}\nadded \+3 −0\nmoved function girth\n/);
    expect(tokens).toBeLessThanOrEqual(300);
  });
});
