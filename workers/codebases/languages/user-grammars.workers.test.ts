import { env } from "cloudflare:workers";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type Grammar, grammarOf } from "./grammars.ts";
import { parseWith } from "./parser.ts";
import { languageTraits } from "./traits.ts";

/** A grammar as a user brings it: plain bytes, and a query of the usual words. */
function userGrammar(query: string, wasm?: Uint8Array): Grammar {
  const known = grammarOf("toml").wasm;
  return {
    wasm: wasm ?? new Uint8Array(gunzipSync(new Uint8Array(known))),
    query,
    traits: languageTraits.parse({ id: "settings", lineComments: ["#"] }),
    embedded: null,
  };
}

const TAGS = `(table . (_) @name) @definition.section
(pair . (bare_key) @name (string)) @definition.setting
(pair (string) @reference.text (#match? @reference.text "^.o"))`;

const source = {
  oid: "b2",
  path: "app.settings",
  text: '# Ports.\n[net]\nport = 1\nhost = "no"\n',
};

describe("a grammar that a user brings", () => {
  it("is used like one of our own", async () => {
    const [parsed] = await parseWith(env.LOADER, userGrammar(TAGS), [source]);
    expect(parsed?.problem).toBeNull();
    expect(parsed?.symbols).toMatchObject([
      { kind: "section", name: "net", container: null, doc: "Ports." },
      { kind: "setting", name: "host", container: 0, signature: 'host = "no"' },
    ]);
    expect(parsed?.references).toMatchObject([]);
  });

  it("has regular expressions that take linear time", async () => {
    const query = '(pair (string) @reference.text (#match? @reference.text "^.(a+)+$"))';
    const text = `key = "${"a".repeat(60)}"\n`;
    const [parsed] = await parseWith(env.LOADER, userGrammar(query), [{ ...source, text }]);
    expect(parsed).toMatchObject({ problem: null, references: [] });
  });

  it.each([
    ["a query that does not fit", "(no_such_node) @definition.x", undefined, /no_such_node/],
    ["a query that is not one", "(table", undefined, /cannot be used/],
    [
      "a pattern that RE2 refuses",
      '((pair) @reference.x (#match? @reference.x "(?=a)"))',
      undefined,
      /cannot be used/,
    ],
    ["a kind that is no word", "(pair) @definition.<b>", undefined, /./],
    ["bytes that are no wasm", TAGS, new Uint8Array([1, 2, 3]), /./],
    ["wasm that is no grammar", TAGS, new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]), /./],
  ])("is refused with %s", async (_, query, wasm, message) => {
    const [parsed] = await parseWith(env.LOADER, userGrammar(query, wasm), [source]);
    expect(parsed?.problem?.code).toBe("parse_failed");
    expect(parsed?.problem?.message).toMatch(message);
    expect(parsed?.symbols).toEqual([]);
  });
});

describe("a parser that goes down", () => {
  const code = (body: string): WorkerLoaderWorkerCode => ({
    compatibilityDate: "2026-11-01",
    mainModule: "main.js",
    modules: { "main.js": `export default { async fetch(request) { ${body} } };` },
    env: {},
    globalOutbound: null,
  });
  const loaderOf = (body: string): WorkerLoader => ({
    get: () => env.LOADER.load(code(body)),
    load: () => env.LOADER.load(code(body)),
  });
  const files = ["one", "bad", "two", "three"].map((text) => ({ oid: text, path: text, text }));
  const PARSE = `
    const { files } = await request.json();
    const line = (index) => JSON.stringify({ index, problem: null, symbols: [], references: [], imports: [],
      chunks: [], parse: { errors: 0, ms: 0, truncated: false, line_scan: false } }) + "\\n";
    const lines = []; let broken = false;
    for (const { index, text } of files) { if (text === "bad") { broken = true; break; } lines.push(line(index)); }
    const encoder = new TextEncoder();`;

  it("fails the file it was at, and no other", async () => {
    const loader = loaderOf(`${PARSE}
      return new Response(new ReadableStream({ pull(controller) {
        const next = lines.shift();
        if (next !== undefined) return controller.enqueue(encoder.encode(next));
        if (broken) throw new Error("isolate gone");
        controller.enqueue(encoder.encode('{"done":true}\\n'));
        controller.close();
      } }));`);
    const parsed = await parseWith(loader, userGrammar(TAGS), files);
    expect(parsed.map(({ problem }) => problem?.code ?? null)).toEqual([
      null,
      "parse_failed",
      null,
      null,
    ]);
    expect(parsed[1]?.problem?.message).toContain("searched as text alone");
  });

  it("fails every file when it never answers, with the reason", async () => {
    const parsed = await parseWith(
      loaderOf('throw new Error("no memory")'),
      userGrammar(TAGS),
      files,
    );
    expect(parsed.every(({ problem }) => problem?.code === "parse_failed")).toBe(true);
    expect(parsed[3]?.problem?.message).toMatch(/no memory/);
  });

  it("is not believed when it answers for files that were not asked", async () => {
    const loader = loaderOf(`${PARSE} return new Response(line(99) + '{"done":true}\\n');`);
    const [parsed] = await parseWith(loader, userGrammar(TAGS), files.slice(0, 1));
    expect(parsed?.problem?.message).toContain("unasked");
  });

  it("is not believed when its answer is of another shape", async () => {
    const loader = loaderOf(`return new Response('{"index":0,"symbols":"all"}\\n');`);
    const [parsed] = await parseWith(loader, userGrammar(TAGS), files.slice(0, 1));
    expect(parsed?.problem?.code).toBe("parse_failed");
  });
});
