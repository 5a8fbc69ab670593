/** What is known of a codebase beyond its text, over HTTP. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isolate } from "../test/app.ts";
import type { CodeReference } from "./languages/parsed-file.ts";
import { isParsed, parseBatch } from "./languages/parser.ts";
import { ReferenceResolver, type ResolvableFile, WholeSnapshot } from "./languages/references.ts";
import { importResolver } from "./languages/resolve.ts";
import { estimateTokens } from "./query/budget.ts";
import { type Files, TestCodebase } from "./test-support.ts";
import { SHOP } from "./test-support-shop.ts";
import {
  importListSchema,
  mapSchema,
  type OutlineNode,
  outlineSchema,
  referenceListSchema,
  symbolListSchema,
} from "./understanding-schemas.ts";

const { call } = isolate();
const samples = import.meta.glob("./languages/testdata/*", {
  query: "?raw",
  import: "default",
  eager: true,
});

async function pushed(files: Files): Promise<TestCodebase> {
  const codebase = await TestCodebase.create(call);
  const { number } = await codebase.push(files);
  await codebase.settled(number);
  return codebase;
}

let shared: Promise<TestCodebase> | undefined;
/** Pushed once: the tests only read it. */
const shop = () => {
  shared ??= pushed(SHOP);
  return shared;
};

type Query = Readonly<Record<string, string>>;

async function ask<Schema extends z.ZodType>(
  codebase: TestCodebase,
  path: string,
  query: Query,
  schema: Schema,
): Promise<z.output<Schema>> {
  const reply = await codebase.get(`/${path}?${new URLSearchParams(query)}`);
  expect(reply.status, reply.text).toBe(200);
  return schema.parse(reply.body);
}

/** All items, from pages of two. */
async function all<Item>(
  codebase: TestCodebase,
  path: string,
  query: Query,
  schema: z.ZodType<{ items: Item[]; next_cursor: string | null; receipt: { complete: boolean } }>,
): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | null = null;
  for (;;) {
    const page: { items: Item[]; next_cursor: string | null; receipt: { complete: boolean } } =
      await ask(codebase, path, { ...query, limit: "2", ...(cursor && { cursor }) }, schema);
    items.push(...page.items);
    cursor = page.next_cursor;
    expect(page.receipt.complete).toBe(cursor === null);
    if (cursor === null) return items;
  }
}

describe("symbols", () => {
  const find = async (query: Query) =>
    (await all(await shop(), "symbols", query, symbolListSchema)).map(
      ({ path, containers, name, line }) => `${path}:${line} ${[...containers, name].join(".")}`,
    );

  it("are found by their whole name, with all that is known of them", async () => {
    const { items, receipt } = await ask(
      await shop(),
      "symbols",
      { name: "addMoney" },
      symbolListSchema,
    );
    expect(items).toEqual([
      {
        ...{ path: "web/src/money.ts", name: "addMoney", kind: "function", language: "typescript" },
        ...{ line: 7, column: 17, end_line: 9, containers: [], exported: true, score: null },
        signature: "function addMoney(a: Money, b: Money): Money",
        doc: "Adds two amounts.",
      },
    ]);
    expect(receipt).toMatchObject({
      snapshot: 1,
      symbols_pending: 0,
      complete: true,
      reason: null,
    });
    expect(receipt.files).toBe(Object.keys(SHOP).length);
    expect(await find({ name: "addmoney" })).toEqual([]);
    expect(await find({ name: "price" })).toEqual([
      "web/src/cart.ts:5 Priced.price",
      "web/src/cart.ts:11 Cart.price",
    ]);
  });

  it("are found by a part of it, in any case, of any length", async () => {
    expect(await find({ prefix: "CA" })).toEqual(["web/src/cart.ts:8 Cart"]);
    expect(await find({ contains: "mone" })).toEqual([
      "web/src/money.ts:2 Money",
      "web/src/money.ts:7 addMoney",
    ]);
    expect(await find({ prefix: "mone" })).toEqual(["web/src/money.ts:2 Money"]);
  });

  it("are found by words, the best first", async () => {
    const items = await all(
      await shop(),
      "symbols",
      { q: "how are two amounts added?" },
      symbolListSchema,
    );
    expect(items.map(({ name }) => name)).toEqual(["addMoney", "Money"]);
    const scores = items.map(({ score }) => score ?? 0);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    expect(scores.every((score) => score > 0)).toBe(true);
  });

  it("are narrowed by kind, language, path and visibility", async () => {
    expect(await find({ kind: "class" })).toEqual([
      "jobs/report.py:5 Report",
      "jobs/store.py:1 Store",
      "web/src/cart.ts:8 Cart",
    ]);
    expect(await find({ language: "go", kind: "function", exported: "false" })).toEqual([
      "cmd/main.go:5 main",
      "ledger/total.go:3 total",
    ]);
    expect(await find({ path: "jobs/*.py", contains: "lo" })).toEqual(["jobs/store.py:6 load"]);
  });

  it("are of one snapshot, whatever else is indexed", async () => {
    const codebase = await pushed({ "a.ts": "export function onlyThen() {}\n" });
    const { number } = await codebase.push({ "b.ts": "export function onlyNow() {}\n" });
    await codebase.settled(number);
    const names = async (query: Query) =>
      (await ask(codebase, "symbols", query, symbolListSchema)).items.map(({ name }) => name);
    expect(await names({ prefix: "only" })).toEqual(["onlyNow"]);
    expect(await names({ prefix: "only", snapshot: "1" })).toEqual(["onlyThen"]);
    expect(await names({ q: "only", snapshot: "1" })).toEqual(["onlyThen"]);
    expect(await names({})).toEqual(["onlyNow"]);
  });

  it("cover what looks like a credential", async () => {
    const secret = `ghp_${"a1B2c3D4e5".repeat(4).slice(0, 36)}`;
    const codebase = await pushed({ "a.ts": `export const token = "${secret}";\nuse(token);\n` });
    for (const path of [
      "symbols?name=token&max_tokens=200",
      "outline?path=a.ts&max_tokens=200",
      "references?symbol=token&max_tokens=200",
      "map",
      "diff?patch=true&max_tokens=200",
    ]) {
      const { text, status } = await codebase.get(`/${path}`);
      expect(status, text).toBe(200);
      expect(text).not.toContain(secret);
    }
  });
});

describe("an outline", () => {
  it("is the tree of a file's symbols", async () => {
    const query = { path: "web/src/cart.ts", max_tokens: "400" };
    const outline = await ask(await shop(), "outline", query, outlineSchema);
    const told = (nodes: readonly OutlineNode[]): unknown[] =>
      nodes.map(({ kind, name, children }) => [`${kind} ${name}`, ...told(children)]);
    expect(told(outline.symbols)).toEqual([
      ["interface Priced", ["method price"]],
      ["class Cart", ["field #items"], ["method price"], ["method load"]],
    ]);
    expect(outline.text).toContain("class Cart implements Priced  [8-18]\n");
    expect(outline.tokens).toBe(estimateTokens(outline.text ?? ""));
    expect(outline).toMatchObject({ language: "typescript", receipt: { complete: true } });
  });
});

describe("references", () => {
  const find = async (query: Query) =>
    (await all(await shop(), "references", query, referenceListSchema)).map((each) => {
      const { path, line, column, kind, within, definition, confidence, reason } = each;
      const around = within === null ? "" : ` in ${[...within.containers, within.name].join(".")}`;
      const meant = definition && `${definition.path}:${definition.line} ${confidence}`;
      return `${kind} ${path}:${line}:${column}${around} → ${meant ?? reason}`;
    });

  it("are followed by imports, what passes them on, and what renames them", async () => {
    expect(await find({ symbol: "addMoney" })).toEqual([
      "import web/src/cart.test.ts:2:10 → web/src/money.ts:7 exact",
      "call web/src/cart.test.ts:5:1 → web/src/money.ts:7 exact",
      "import web/src/cart.ts:2:10 → web/src/money.ts:7 exact",
      "call web/src/cart.ts:12:46 in Cart.price → web/src/money.ts:7 exact",
    ]);
    expect(await find({ symbol: "Cart" })).toEqual([
      "import web/src/cart.test.ts:1:10 → web/src/cart.ts:8 exact",
      "call web/src/cart.test.ts:4:5 → web/src/cart.ts:8 exact",
      "import web/src/index.ts:2:10 → web/src/cart.ts:8 exact",
    ]);
    expect(await find({ symbol: "Store" })).toEqual([
      "import jobs/report.py:1:26 → jobs/store.py:1 exact",
      "implements jobs/report.py:5:14 in Report → jobs/store.py:1 exact",
    ]);
  });

  it("are of a package where folders are packages", async () => {
    expect(await find({ symbol: "total" })).toEqual([
      "call ledger/ledger.go:7:9 in Sum → ledger/total.go:3 exact",
    ]);
    expect(await find({ symbol: "Sum" })).toEqual([
      "call cmd/main.go:6:17 in main → ledger/ledger.go:6 exact",
    ]);
  });

  it("say so when only the name is known, or it comes from outside", async () => {
    expect(await find({ symbol: "price" })).toEqual([
      "call web/src/cart.test.ts:4:14 → name_only",
      "call web/src/cart.ts:12:61 in Cart.price → web/src/cart.ts:5 ambiguous",
    ]);
    expect(await find({ symbol: "price", confidence: "ambiguous" })).toHaveLength(1);
    expect(await find({ symbol: "price", confidence: "likely" })).toEqual([]);
    expect(await find({ symbol: "readFile", kind: "call" })).toEqual([
      "call web/src/cart.ts:16:12 in Cart.load → outside",
    ]);
  });

  it("are of one definition, and of one kind", async () => {
    const definition = { symbol: "price", path: "web/src/cart.ts" };
    expect(await find({ ...definition, line: "5", confidence: "ambiguous" })).toHaveLength(1);
    expect(await find({ ...definition, line: "12", confidence: "ambiguous" })).toEqual([]);
    expect(await find({ symbol: "Priced", kind: "implements" })).toEqual([
      "implements web/src/cart.ts:8:30 in Cart → web/src/cart.ts:4 exact",
    ]);
    const wrong = await (await shop()).get("/references?symbol=price&path=web/src/cart.ts&line=1");
    expect(wrong).toMatchObject({ status: 404, body: { code: "not_found" } });
    expect(wrong.body.detail).toContain("at 5, 11");
  });

  it("are those that a resolver of the whole snapshot finds", async () => {
    const texts = Object.entries(samples).flatMap(([path, text]) =>
      !/\.(c|rs|java|rb|php|py|go|tsx?)$/.test(path)
        ? []
        : [[path.replace("./languages/testdata/", "samples/"), text]],
    );
    const files: Record<string, string> = {
      ...Object.fromEntries(
        Object.entries(SHOP).map(([path, text]) => [path, text.toString()] as const),
      ),
      ...Object.fromEntries(texts),
    };
    const codebase = await pushed(files);
    const { items } = await ask(codebase, "files", { limit: "1000" }, listedSchema);
    const imports = importResolver(
      items.map(({ path }) => path),
      [
        { path: "go.mod", text: files["go.mod"] ?? "" },
        { path: "web/package.json", text: files["web/package.json"] ?? "" },
      ],
    );
    const resolvable: (ResolvableFile & { references: readonly CodeReference[] })[] = [];
    for (const { path, language } of items) {
      if (language === null || !isParsed(language)) continue;
      const text = files[path] ?? "";
      const [parsed] = await parseBatch(env.LOADER, language, [{ oid: "", path, text }]);
      if (parsed === undefined) continue;
      resolvable.push({
        ...{ path, language, symbols: parsed.symbols, references: parsed.references },
        imports: parsed.imports.map((each) => ({
          ...each,
          resolutions: (each.names.length === 0 ? [[]] : each.names.map((name) => [name])).map(
            (names) => imports.resolve(language, path, { module: each.module, names }),
          ),
        })),
      });
    }
    const resolver = new ReferenceResolver(new WholeSnapshot(resolvable));
    const expected = new Map<string, string[]>();
    for (const { path, references } of resolvable) {
      for (const reference of references) {
        const meaning = resolver.meaning(path, reference);
        const isKnown = meaning !== null && meaning !== "outside";
        const meant = isKnown
          ? `${meaning.definition.path} ${resolver.symbol(meaning.definition)?.name} ${meaning.confidence}`
          : (meaning ?? "name_only");
        const { name, line, column } = reference;
        const told = `${path}:${line}:${column} ${meant}`;
        expected.set(name, [...(expected.get(name) ?? []), told]);
      }
    }
    expect(expected.size).toBeGreaterThan(100);
    for (const [symbol, places] of [...expected].filter((_, at) => at % 3 === 0)) {
      const query = { symbol, limit: "1000" };
      const found = await ask(codebase, "references", query, referenceListSchema);
      const told = found.items
        .filter(({ name }) => name === symbol)
        .map(({ path, line, column, definition, confidence, reason }) => {
          const meant = definition && `${definition.path} ${definition.name} ${confidence}`;
          return `${path}:${line}:${column} ${meant ?? reason}`;
        });
      expect(told, symbol).toEqual(places);
    }
  }, 60_000);
});

const listedSchema = z.looseObject({
  items: z.array(z.looseObject({ path: z.string(), language: z.string().nullable() })),
});

describe("imports", () => {
  const find = async (query: Query) =>
    (await all(await shop(), "imports", query, importListSchema)).map(
      ({ from, line, names, to, target }) =>
        `${from}:${line} ${names.map(({ name, alias }) => alias ?? name).join(",")} → ${to ?? target}`,
    );

  it("say what a file takes from where, and who takes from it", async () => {
    expect(await find({ path: "web/src/cart.ts", direction: "both" })).toEqual([
      "web/src/cart.ts:1 readFile → outside",
      "web/src/cart.ts:2 plus,Money → web/src/index.ts",
      "web/src/index.ts:2 Basket → web/src/cart.ts",
    ]);
    expect(await find({ path: "ledger/total.go", direction: "in" })).toEqual([
      "cmd/main.go:3  → ledger",
    ]);
    expect(await find({ path: "README.md", direction: "both" })).toEqual([]);
  });

  it("are the whole graph without a path", async () => {
    expect(await find({ inside: "true" })).toEqual([
      "cmd/main.go:3  → ledger",
      "jobs/report.py:1 load,Shelf → jobs/store.py",
      "web/src/cart.test.ts:1 Basket → web/src/index.ts",
      "web/src/cart.test.ts:2 addMoney → web/src/money.ts",
      "web/src/cart.ts:2 plus,Money → web/src/index.ts",
      "web/src/index.ts:1 * → web/src/money.ts",
      "web/src/index.ts:2 Basket → web/src/cart.ts",
    ]);
    expect((await find({})).filter((each) => each.endsWith("→ outside"))).toEqual([
      "jobs/report.py:2  → outside",
      "web/src/cart.ts:1 readFile → outside",
    ]);
  });
});

describe("a map", () => {
  const map = async (query: Query) => ask(await shop(), "map", query, mapSchema);

  it("shows what is referred to most, within its budget", async () => {
    const whole = await map({ max_tokens: "1000" });
    expect(whole.shown).toBe(whole.of);
    expect(whole.text.startsWith("web/src/money.ts:\n  interface Money\n")).toBe(true);
    const ranks = whole.files.map(({ rank }) => rank);
    expect(ranks).toEqual(ranks.toSorted((a, b) => b - a));
    for (const budget of [60, 100, 150, 200]) {
      const { text, tokens, shown } = await map({ max_tokens: String(budget) });
      expect(tokens).toBe(estimateTokens(text));
      expect(tokens).toBeLessThanOrEqual(budget);
      // Here no file with a definition takes fewer.
      expect(tokens).toBeGreaterThanOrEqual(budget - 12);
      expect(shown).toBeLessThan(whole.of);
    }
  });

  it("turns to what is in focus and what is mentioned", async () => {
    const focused = await map({ max_tokens: "60", focus: "jobs/report.py" });
    expect(focused.files[0]?.path).toBe("jobs/store.py");
    const folder = await map({ max_tokens: "60", focus: "ledger,cmd" });
    expect(folder.files[0]?.path).toBe("ledger/ledger.go");
    const mentioned = await map({ max_tokens: "60", mention: "render" });
    expect(mentioned.text).toContain("class Report(Shelf)\n    def render(self)\n");
    const missing = await (await shop()).get("/map?focus=nowhere");
    expect(missing).toMatchObject({ status: 404, body: { code: "not_found" } });
  });

  it("gives searches a rank, of which a page that follows takes the same", async () => {
    const codebase = await pushed({
      "a.ts": 'import { needle } from "./z.ts";\nneedle();\n',
      "b.ts": 'import { needle } from "./z.ts";\nneedle();\n',
      "z.ts": "export function needle() {}\n",
    });
    const signals = async (query: Query) =>
      (await codebase.search("needle", { explain: "true", ...query })).items.map(
        ({ path, signals }) =>
          `${path} ${signals?.some(({ signal }) => signal === "pagerank") === true}`,
      );
    const before = await codebase.search("needle", { limit: "1", explain: "true" });
    expect(await signals({})).toEqual(["z.ts false", "a.ts false", "b.ts false"]);
    await ask(codebase, "map", {}, mapSchema);
    expect(await signals({})).toEqual(["z.ts true", "a.ts true", "b.ts true"]);
    const cursor = before.next_cursor ?? "";
    expect(await signals({ cursor })).toEqual(["a.ts false", "b.ts false"]);
  });
});

describe("facts of symbols in searches", () => {
  const paths = async (q: string) =>
    (await (await shop()).search(q)).items.map(({ path }) => path).sort();

  it("are what references mean, not what they are called", async () => {
    expect(await paths("calledby:Sum")).toEqual(["ledger/total.go"]);
    expect(await paths("calledby:render")).toEqual(["jobs/store.py"]);
    expect(await paths("calledby:Cart")).toEqual(["web/src/cart.ts", "web/src/money.ts"]);
    expect(await paths("implements:Priced")).toEqual(["web/src/cart.ts"]);
    expect(await paths("ref:Money lang:typescript")).toEqual([
      "web/src/cart.ts",
      "web/src/money.ts",
    ]);
    expect(await paths("calls:nothing")).toEqual([]);
  });
});

describe("answers", () => {
  const PATHS = [
    "symbols?name=x",
    "outline?path=web/src/cart.ts",
    "references?symbol=x",
    "imports",
    "map",
    "diff",
  ];

  it("need a snapshot that is ready, a file that it has, and a cursor of theirs", async () => {
    const codebase = await TestCodebase.create(call);
    for (const path of PATHS) {
      expect(await codebase.get(`/${path}`), path).toMatchObject({ status: 404 });
    }
    const known = await shop();
    for (const path of PATHS.filter((each) => !each.startsWith("diff"))) {
      const named = `${path}${path.includes("?") ? "&" : "?"}snapshot=nowhere`;
      expect(await known.get(`/${named}`), path).toMatchObject({ status: 404 });
    }
    expect(await known.get("/diff?head=nowhere")).toMatchObject({ status: 404 });
    expect(await known.get("/diff?base=nowhere")).toMatchObject({ status: 404 });
    expect(await known.get("/outline?path=nowhere.ts")).toMatchObject({ status: 404 });
    expect(await known.get("/imports?path=nowhere.ts")).toMatchObject({ status: 404 });
    for (const path of ["symbols", "references?symbol=Money", "imports", "diff"]) {
      const at = `/${path}${path.includes("?") ? "&" : "?"}cursor=wrong`;
      expect(await known.get(at), path).toMatchObject({
        status: 422,
        body: { code: "validation_failed" },
      });
    }
    const page = await known.get("/symbols?limit=1&kind=class");
    const foreign = await known.get(`/symbols?limit=1&cursor=${page.body.next_cursor}`);
    expect(foreign.status).toBe(422);
    for (const path of [
      "symbols?name=a&q=b",
      "references?symbol=a&line=3",
      "imports?direction=in",
    ]) {
      expect(await known.get(`/${path}`), path).toMatchObject({ status: 422 });
    }
  });

  it("are not given to other projects", async () => {
    const { path } = await shop();
    const minted = await call("/api/v1/keys", {
      body: { name: "k", scopes: ["codebases:read"], projects: ["elsewhere"] },
    });
    const key = z.string().parse(minted.body.key);
    for (const each of PATHS) {
      expect(await call(`${path}/${each}`, { key }), each).toMatchObject({ status: 404 });
      expect(await call(`${path}/${each}`), each).toMatchObject({ status: 200 });
    }
  });

  it("fit into tokens, and say where the next page is", async () => {
    for (const path of [
      "symbols?kind=function",
      "references?symbol=Money",
      "imports?inside=true",
    ]) {
      const reply = await (await shop()).get(`/${path}&limit=2&max_tokens=80`);
      const { text, tokens, next_cursor } = z
        .looseObject({ text: z.string(), tokens: z.int(), next_cursor: z.string() })
        .parse(reply.body);
      expect(tokens, path).toBeLessThanOrEqual(80);
      expect(tokens).toBe(estimateTokens(text));
      expect(text).toMatch(/^# \S+ @ [0-9a-f]{8}\n\d+: /);
      expect(reply.headers.get("link")).toContain(encodeURIComponent(next_cursor));
    }
  });
});
