import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { ParsedFile, SourceFile } from "./parsed-file.ts";
import { parseBatch } from "./parser.ts";

const file = (text: string, path = "a.ts"): SourceFile => ({ oid: "0".repeat(40), path, text });

async function parseOne(
  text: string,
  language: "typescript" | "c" | "json" | "python" = "typescript",
) {
  const [parsed] = await parseBatch(env.LOADER, language, [file(text)]);
  if (parsed === undefined) throw new Error("The batch came back empty.");
  return parsed;
}

const names = ({ symbols }: ParsedFile) => symbols.map(({ name }) => name);

describe("a batch", () => {
  it("comes back in order, equal files included", async () => {
    const texts = ["let a = 1;", "let b = 2;", "let a = 1;"];
    const parsed = await parseBatch(
      env.LOADER,
      "typescript",
      texts.map((text, index) => file(text, `src/part-${index}/theFile.ts`)),
    );
    expect(parsed.map(names)).toEqual([["a"], ["b"], ["a"]]);
    expect(parsed.map(({ path }) => path)).toEqual(
      [0, 1, 2].map((i) => `src/part-${i}/theFile.ts`),
    );
    expect(parsed[1]?.chunks).toEqual([
      { symbol: 0, name: "b", signature: "let b 2", body: "", path: "src part 1 the file" },
    ]);
  });

  it("may be empty", async () => {
    expect(await parseBatch(env.LOADER, "go", [])).toEqual([]);
  });

  it("rejects when its signal aborts", async () => {
    const signal = AbortSignal.abort(new Error("no longer wanted"));
    await expect(parseBatch(env.LOADER, "go", [file("package a")], { signal })).rejects.toThrow(
      "no longer wanted",
    );
  });

  it("parses in lanes of their own", async () => {
    const lanes = [0, 1, 2].map((lane) =>
      parseBatch(env.LOADER, "typescript", [file(`let lane${lane} = 1;`)], { lane }),
    );
    expect((await Promise.all(lanes)).flat().flatMap(names)).toEqual(["lane0", "lane1", "lane2"]);
  });
});

describe("a file that nobody wrote", () => {
  it("may be empty, blank, or a comment", async () => {
    for (const text of ["", "\n\n", "// nothing", "\ufeff"]) {
      expect(await parseOne(text)).toMatchObject({ problem: null, symbols: [], references: [] });
    }
  });

  it("is not parsed above a MiB, and says so", async () => {
    const { problem, symbols } = await parseOne(`const a = "${"x".repeat(1 << 20)}";`);
    expect(problem?.code).toBe("too_large_to_parse");
    expect(problem?.message).toContain("Split it");
    expect(symbols).toEqual([]);
  });

  it("may be one line of a MiB", async () => {
    const text = `const first = [${"1,".repeat((1 << 19) - 30)}0]; function last() {}`;
    const { problem, symbols, parse } = await parseOne(text);
    // A slow machine may run out of time in the array; the answer then says that it is not all.
    expect([undefined, "parse_timeout"]).toContain(problem?.code);
    expect(problem === null || parse.line_scan).toBe(true);
    expect(symbols[0]?.name).toBe("first");
    expect(symbols[1]?.name === "last" || parse.truncated || problem !== null).toBe(true);
    expect(symbols.every(({ signature }) => signature.length <= 300)).toBe(true);
  });

  it("may nest deeper than any stack", { timeout: 60_000 }, async () => {
    for (const [open, close] of [
      ["(", ")"],
      ["[", "]"],
      ["{a:", "}"],
      ["if(x){", "}"],
      ["f(()=>", ")"],
    ]) {
      const text = `${open?.repeat(50_000)}1${close?.repeat(50_000)};\nfunction after() {}`;
      const parsed = await parseOne(text);
      expect([null, "parse_timeout"]).toContain(parsed.problem?.code ?? null);
    }
    expect(names(await parseOne("function next() {}"))).toEqual(["next"]);
  });

  it("may never close what it opens", async () => {
    for (const text of ["(".repeat(200_000), "`${".repeat(50_000), "<a>".repeat(50_000), "/*"]) {
      const { problem } = await parseOne(text);
      expect([null, "parse_timeout"]).toContain(problem?.code ?? null);
    }
  });

  it("may hold halves of characters", async () => {
    const text =
      'const a = "\ud800"; // \udc00\nfunction \u{1d4d0}() { return "🚀"; }\nlet \ud800b = 1;';
    const parsed = await parseOne(text);
    expect(names(parsed).slice(0, 2)).toEqual(["a", "\u{1d4d0}"]);
    const [, second] = parsed.symbols;
    expect(text.slice(second?.start, second?.end)).toMatch(/^function .*\}$/u);
  });

  it("may be binary", async () => {
    const bytes = String.fromCharCode(
      ...Array.from({ length: 5_000 }, (_, i) => (i * 7_919) % 256),
    );
    expect((await parseOne(bytes)).problem).toBeNull();
  });

  it("has bounded symbols and references", async () => {
    const parsed = await parseOne("function f() { g(); }\n".repeat(25_000));
    expect(parsed.symbols.length).toBe(5_000);
    expect(parsed.references.length).toBe(20_000);
    expect(parsed.parse.truncated).toBe(true);
  });
});

describe("offsets", () => {
  it("count UTF-16 units, lines from 1", async () => {
    const text = 'const s = "🚀é";\nexport function after(a: number) {\r\n  return s;\r\n}\r\n';
    const { symbols, references } = await parseOne(text);
    const after = symbols.find(({ name }) => name === "after");
    expect(after).toMatchObject({ line: 2, column: 17, end_line: 4, exported: true });
    expect(text.slice(after?.start, after?.end)).toMatch(/^function after\(.*\}$/s);
    expect(references).toMatchObject([
      { name: "s", kind: "use", line: 3, column: 10, container: 1 },
    ]);
  });
});

describe("a tree with errors", () => {
  it("keeps what it can", async () => {
    const parsed = await parseOne("function good() {}\nfunction ( {\nclass Other {}\n");
    expect(parsed.parse.errors).toBeGreaterThan(0);
    expect(names(parsed)).toContain("good");
  });

  it("is completed by a scan of lines in C", async () => {
    const text =
      "BEGIN_DECLS(x\n#define LIMIT 4\nMODULE_EXPORT int\nPREFIX(open_ring)(struct ring *r) {\n" +
      "  if (x) { return 1; }\n}\nstruct API ring {\n  int a;\n};\nint plain(void)\n{\n  return 0;\n}\n";
    const parsed = await parseOne(text, "c");
    expect(parsed.parse.errors).toBeGreaterThan(0);
    expect(names(parsed)).toEqual(expect.arrayContaining(["LIMIT", "ring", "plain"]));
    expect(names(parsed)).not.toContain("if");
  });
});
