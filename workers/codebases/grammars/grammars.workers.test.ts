/** Grammars of users: tried, kept, used by the codebases of their project and by no others. */
import { env } from "cloudflare:workers";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { sendIndexJobs } from "../../codebase-index.ts";
import { type Call, isolate } from "../../test/app.ts";
import { grammarOf } from "../languages/grammars.ts";
import { TestCodebase } from "../test-support.ts";
import { GrammarRepository } from "./repository.ts";
import { checkedSchema } from "./schemas.ts";
import { GrammarService } from "./service.ts";
import { GrammarStore } from "./store.ts";

const { call } = isolate();

const WASM = new Uint8Array(gunzipSync(new Uint8Array(grammarOf("toml").wasm)));
const TAGS =
  "(table . (_) @name) @definition.section\n(pair . (bare_key) @name) @definition.setting";
const SAMPLE = '# Ports.\n[net]\nport = 1\nhost = "no"\n';

type Parts = Readonly<Record<string, string | Uint8Array>>;

async function send(parts: Parts, path = "", method = "POST", as: Call = call, key?: string) {
  const form = new FormData();
  for (const [name, value] of Object.entries(parts)) {
    form.append(name, typeof value === "string" ? value : new File([value], name));
  }
  const request = new Response(form);
  return as(`/api/v1/grammars${path}`, {
    method,
    body: await request.bytes(),
    headers: { "content-type": request.headers.get("content-type") ?? "" },
    ...(key !== undefined && { key }),
  });
}

/** Each test has a project of its own, since grammars are a project's. */
async function projectKey() {
  const project = `p-${crypto.randomUUID()}`;
  const scopes = ["codebases:read", "codebases:write"];
  const reply = await call("/api/v1/keys", { body: { name: "k", scopes, projects: [project] } });
  const key = z.string().parse(reply.body.key);
  const as: Call = (path, init = {}) => call(path, { key, ...init });
  return { project, as };
}

const PARTS = { name: "settings", extensions: ".settings conf.local", wasm: WASM, tags: TAGS };
const FILES = { "app.settings": SAMPLE, "other.conf.local": "[db]\nurl = 1\n", "a.ts": "let a;\n" };

async function created(parts: Parts, as: Call) {
  const reply = await send(parts, "", "POST", as);
  expect(reply.status, reply.text).toBe(201);
  return checkedSchema.parse(reply.body);
}

const languagesOf = async (codebase: TestCodebase) => {
  const { items } = await codebase.searchAll("type:path /./");
  return Object.fromEntries(items.map(({ path, language }) => [path, language]));
};
const symbolsOf = async (codebase: TestCodebase, name: string) =>
  (await codebase.searchAll(`sym:${name}`)).items.map(({ path }) => path);

/** The queue has been heard and all is listed and parsed. */
const becomes = (read: () => Promise<unknown>, expected: unknown) =>
  expect.poll(read, { timeout: 20_000 }).toEqual(expected);

describe("a grammar", () => {
  it("is tried when it comes, and says what it finds", async () => {
    const { as, project } = await projectKey();
    const parts = { ...PARTS, sample: SAMPLE, aliases: "cfg, rc", line_comments: "#" };
    const grammar = await created(parts, as);
    expect(grammar).toMatchObject({
      project_id: project,
      name: "settings",
      extensions: ["settings", "conf.local"],
      aliases: ["cfg", "rc"],
      wasm_bytes: WASM.byteLength,
      check: {
        errors: 0,
        symbols: [
          { kind: "section", name: "net", line: 2 },
          { kind: "setting", name: "port", line: 3 },
          { kind: "setting", name: "host", line: 4 },
        ],
      },
    });
    const { check: _, ...document } = grammar;
    const read = await as(`/api/v1/grammars/${grammar.id}`);
    expect(read.body).toEqual(document);
    expect((await as("/api/v1/grammars")).body.items).toEqual([document]);
    expect((await send(PARTS, "", "POST", as)).status).toBe(409);
  });

  it.each([
    ["a query that does not fit", { tags: "(no_such_node) @definition.x" }, "tags", /no_such_node/],
    ["a query that is not one", { tags: "(table" }, "tags", /./],
    ["no query", { tags: undefined }, "tags", /Send the query/],
    ["bytes that are no wasm", { wasm: new Uint8Array([1, 2, 3, 4]) }, "wasm", /no WebAssembly/],
    [
      "wasm that is no grammar",
      { wasm: new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]) },
      "wasm",
      /tree-sitter build/,
    ],
    ["wasm that is cut off", { wasm: WASM.slice(0, 5_000) }, "wasm", /tree-sitter build/],
    ["no name", { name: undefined }, "name", /./],
    ["the name of a language of the service", { name: "typescript" }, "name", /parses typescript/],
    ["an alias of one", { aliases: "golang" }, "aliases[0]", /parses go/],
    ["a path for a name", { filenames: "a/b" }, "filenames[0]", /without folders/],
    ["a field that there is not", { colour: "red" }, "colour", /Unknown/],
  ])("is refused with %s, and says where", async (_, parts, path, message) => {
    const { as } = await projectKey();
    const whole = Object.entries({ ...PARTS, ...parts }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as const],
    );
    const reply = await send(Object.fromEntries(whole), "", "POST", as);
    expect(reply.status, reply.text).toBe(422);
    const { errors } = z
      .object({ errors: z.array(z.object({ path: z.string(), message: z.string() })) })
      .parse(reply.body);
    expect(errors.find((each) => each.path === path)?.message, reply.text).toMatch(message);
    expect((await as("/api/v1/grammars")).body.items).toEqual([]);
  });

  it("is refused when it is too large, and in another form than a form", async () => {
    const large = await send({ ...PARTS, wasm: new Uint8Array(9 << 20) });
    expect(large.status).toBe(413);
    const json = await call("/api/v1/grammars", { body: { name: "settings" } });
    expect(json.status).toBe(415);
  });
});

describe("files of a user's language", () => {
  it("are of it, and have symbols, in snapshots from before and after", async () => {
    const { as } = await projectKey();
    const codebase = await TestCodebase.create(as);
    const before = await codebase.push(FILES, { ref: "before" });
    await codebase.settled(before.number);
    expect(await languagesOf(codebase)).toMatchObject({ "app.settings": null });

    await created({ ...PARTS, aliases: "cfg" }, as);
    await becomes(() => symbolsOf(codebase, "net"), ["app.settings"]);
    expect(await languagesOf(codebase)).toEqual({
      "a.ts": "typescript",
      "app.settings": "settings",
      "other.conf.local": "settings",
    });
    const counted = await codebase.settled(before.number);
    expect(counted.symbols).toEqual({ parsed: 3, of: 3 });
    expect(counted.counts?.languages).toContainEqual({ language: "settings", files: 2 });

    const after = await codebase.push({ ...FILES, "new.settings": "[fresh]\n" });
    await codebase.settled(after.number);
    expect(await symbolsOf(codebase, "fresh")).toEqual(["new.settings"]);
    expect((await codebase.searchAll("lang:cfg")).items).toHaveLength(3);
    expect((await codebase.searchAll("lang:settings port")).items).toHaveLength(1);
  });

  it("are parsed again when the grammar changes, and are no language's when it is gone", async () => {
    const { as } = await projectKey();
    const codebase = await TestCodebase.create(as);
    const grammar = await created(PARTS, as);
    await codebase.settled((await codebase.push(FILES)).number);
    expect(await symbolsOf(codebase, "port")).toEqual(["app.settings"]);

    const narrow = { ...PARTS, tags: "(table . (_) @name) @definition.section" };
    const path = `/${grammar.id}`;
    const changed = await send(narrow, path, "PUT", as);
    expect(changed.status, changed.text).toBe(200);
    expect(checkedSchema.parse(changed.body).version).not.toBe(grammar.version);
    await becomes(() => symbolsOf(codebase, "port"), []);
    await becomes(() => symbolsOf(codebase, "net"), ["app.settings"]);
    expect(
      (await env.BLOBS.list({ prefix: `grammars/${grammar.project_id}/` })).objects,
    ).toHaveLength(2);

    const stale = await as(`/api/v1/grammars${path}`, { method: "DELETE" });
    expect(stale.status).toBe(204);
    await becomes(() => languagesOf(codebase), {
      "a.ts": "typescript",
      "app.settings": null,
      "other.conf.local": null,
    });
    await becomes(() => symbolsOf(codebase, "net"), []);
    expect((await as(`/api/v1/grammars${path}`)).status).toBe(404);
    expect((await env.BLOBS.list({ prefix: `grammars/${grammar.project_id}/` })).objects).toEqual(
      [],
    );
  });

  it("are told apart by attributes before endings", async () => {
    const { as } = await projectKey();
    const codebase = await TestCodebase.create(as);
    await created(PARTS, as);
    const attributes = "*.ini linguist-language=settings\nodd.settings linguist-language=Ruby\n";
    await codebase.push({
      ".gitattributes": attributes,
      "x.ini": SAMPLE,
      "odd.settings": "x = 1\n",
    });
    expect(await languagesOf(codebase)).toMatchObject({
      "x.ini": "settings",
      "odd.settings": "ruby",
    });
  });

  it("are none in another project, whose grammar of that name is its own", async () => {
    const [mine, other] = [await projectKey(), await projectKey()];
    const foreign = await created(PARTS, other.as);
    const codebase = await TestCodebase.create(mine.as);
    await codebase.settled((await codebase.push(FILES)).number);
    expect(await languagesOf(codebase)).toMatchObject({ "app.settings": null });
    expect((await mine.as("/api/v1/grammars")).body.items).toEqual([]);
    expect((await mine.as(`/api/v1/grammars/${foreign.id}`)).status).toBe(404);
    expect((await send(PARTS, `/${foreign.id}`, "PUT", mine.as)).status).toBe(404);

    const tags = "(pair . (bare_key) @name) @definition.other";
    await created({ ...PARTS, tags }, mine.as);
    await becomes(() => symbolsOf(codebase, "port"), ["app.settings"]);
    expect(await symbolsOf(codebase, "net")).toEqual([]);
  });

  it("are told of by the sweeper when the telling was cut off", async () => {
    const { as, project } = await projectKey();
    const codebase = await TestCodebase.create(as);
    await codebase.settled((await codebase.push(FILES)).number);
    const deps = {
      repository: new GrammarRepository(env.DB),
      store: new GrammarStore(env.BLOBS),
      loader: env.LOADER,
      codebasesOf: async () => [codebase.id],
    };
    const broken = new GrammarService({
      ...deps,
      send: () => Promise.reject(new Error("the queue is away")),
    });
    const principal = {
      ...({ kind: "api_key", id: "k", name: "k", scopes: new Set<never>() } as const),
      projects: new Set([project]),
    };
    const traits = { extensions: ["settings"], filenames: [], aliases: [], line_comments: [] };
    const content = { name: "settings", traits, wasm: WASM, query: TAGS };
    const upload = { ...content, projectId: undefined, sample: undefined };
    const now = Date.now();
    await broken.create(principal, crypto.randomUUID(), upload, now);
    expect(await languagesOf(codebase)).toMatchObject({ "app.settings": null });

    const working = new GrammarService({ ...deps, send: (jobs) => sendIndexJobs(env, jobs) });
    expect(await working.sweep(now)).toBe(0);
    expect(await working.sweep(now + 60_000)).toBe(1);
    await becomes(() => symbolsOf(codebase, "net"), ["app.settings"]);
    expect(await working.sweep(now + 60_000)).toBe(0);
  });
});
