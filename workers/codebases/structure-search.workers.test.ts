/** Searches by structure over HTTP: what they find, what they skip, and what they say of it. */
import { describe, expect, it } from "vitest";
import { isolate } from "../test/app.ts";
import { TestCodebase } from "./test-support.ts";

const { call } = isolate();

const FILES = {
  "src/log.ts":
    'export function report(item: Item) {\n  console.log(item);\n  console.log("two", item);\n}\n',
  "src/view.tsx": "export const View = () => <p onClick={() => console.log(1)}>a</p>;\n",
  "src/old.js": "console\n  .log(old)\n",
  "src/text.ts": 'const text = "console.log(1)"; // console.log(2)\n',
  "src/other.ts": "export const other = 1;\n",
  "app.py": "def run(x):\n    print(x)\n    console.log(x)\n",
  "main.go": 'package main\n\nfunc main() {\n\tconsole.log(1)\n\tfmt.Println("a")\n}\n',
  "notes.md": "Use console.log(1) to see it.\n",
};

async function codebaseOf(files: Readonly<Record<string, string>> = FILES) {
  const codebase = await TestCodebase.create(call);
  await codebase.settled((await codebase.push(files)).number);
  return codebase;
}

const found = async (codebase: TestCodebase, q: string) => {
  const { items } = await codebase.searchAll(q);
  return Object.fromEntries(
    items.map(({ path, matches }) => [
      path,
      matches.map(({ kind, line, end_line, column }) => `${kind} ${line}-${end_line}:${column}`),
    ]),
  );
};

describe("a search by structure", () => {
  it("finds code and no text, in each language that has it, with its lines", async () => {
    const codebase = await codebaseOf();
    expect(await found(codebase, 'ast:"console.log($A)"')).toEqual({
      "src/log.ts": ["content 2-2:3"],
      "src/view.tsx": ["content 1-1:45"],
      "src/old.js": ["content 1-2:1"],
      "app.py": ["content 3-3:5"],
      "main.go": ["content 4-4:2"],
    });
    expect(await found(codebase, 'ast:"console.log($$$)" lang:typescript')).toEqual({
      "src/log.ts": ["content 2-2:3", "content 3-3:3"],
    });
    expect(await found(codebase, 'ast:"fmt.Println($A)"')).toEqual({
      "main.go": ["content 5-5:2"],
    });
    expect(await found(codebase, 'ast:"print($A)" OR sym:other')).toEqual({
      "app.py": ["content 2-2:5"],
      "src/other.ts": ["symbol 1-1:14"],
    });
    const rest = await codebase.searchAll('lang:typescript -ast:"console.log($A)"');
    expect(rest.items.map(({ path }) => path).sort()).toEqual(["src/other.ts", "src/text.ts"]);
  });

  it("says what it read, what it left out, and why", async () => {
    const codebase = await codebaseOf();
    const all = await codebase.search('ast:"console.log($A)"', { explain: "true" });
    expect(all.receipt).toMatchObject({ files: 8, exhaustive: false, skipped: { no_grammar: 1 } });
    expect(all.receipt.reason).toMatch(/1 files have no grammar/);
    const first = await codebase.search('ast:"console.log($A)"', { limit: "1" });
    expect(first.receipt.reason).toMatch(/^There are more files.* 1 files have no grammar/);
    const some = await codebase.search('ast:"console.log($A)" lang:typescript');
    expect(some.receipt).toMatchObject({ candidates: 2, searched: 2, exhaustive: true });
    const explained = await codebase.search("ast:$A lang:go", { explain: "true" });
    expect(explained.plan).toMatchObject({
      leaves: [{ scan: expect.stringMatching(/no word/) }, { narrows_by: "languages" }],
    });
  });

  it("is the same page by page", async () => {
    const files = Object.fromEntries(
      // So large that an isolate reads them in several goes.
      Array.from({ length: 30 }, (_, at) => [
        `f${at}.ts`,
        `call(${at});\n// call(x)\n${"other(1);\n".repeat(2_000)}`,
      ]),
    );
    const codebase = await codebaseOf({ ...files, "none.ts": "// call(1)\n" });
    const whole = await codebase.search('ast:"call($A)"', { limit: "100" });
    const paged = await codebase.searchAll('ast:"call($A)"', { limit: "7" });
    expect(whole.items).toHaveLength(30);
    expect(paged.items).toEqual(whole.items);
    const { digest: _, ...receipt } = whole.receipt;
    expect(paged.receipt).toMatchObject(receipt);
  });

  it.each([
    ['ast:"console.log("', 5, 17, /no code of/],
    ['lang:go ast:"func ("', 13, 19, /no code of go/],
    ['lang:python ast:"for ("', 17, 22, /no code of python/],
    ['lang:typescript ast:"a; b"', 21, 25, /several pieces/],
  ])("refuses %s, and says where", async (q, start, end, message) => {
    const codebase = await codebaseOf();
    const reply = await codebase.get(`/search?${new URLSearchParams({ q })}`);
    expect(reply.status, reply.text).toBe(422);
    expect(reply.body.problems, reply.text).toEqual([
      {
        start,
        end,
        message: expect.stringMatching(message),
        hint: expect.stringContaining("lang:"),
      },
    ]);
  });

  it("tells of a language that the pattern is no code of, when it is of another", async () => {
    const codebase = await codebaseOf({ ...FILES, "b.py": "def f(): pass\nfunction = 1\n" });
    const { notes, items } = await codebase.search('ast:"function $F($$$) { $$$ }"');
    expect(items.map(({ path }) => path)).toEqual(["src/log.ts"]);
    expect(notes.map(({ message }) => message)).toEqual([
      expect.stringMatching(/no code of python/),
    ]);
  });

  it("skips what is too large to be read so, and counts it", async () => {
    const large = `call(1);\n${"// filler of a line\n".repeat(30_000)}`;
    const codebase = await codebaseOf({ "large.ts": large, "small.ts": "call(2);\n" });
    const { items, receipt } = await codebase.search('ast:"call($A)"');
    expect(items.map(({ path }) => path)).toEqual(["small.ts"]);
    expect(receipt).toMatchObject({ exhaustive: false, skipped: { too_costly: 1 } });
    const without = await codebase.search('-ast:"call($A)"');
    expect(without.items).toEqual([]);
    expect(without.receipt.skipped.too_costly).toBe(1);
  });
});
