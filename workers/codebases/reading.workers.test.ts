/** What is read of snapshots over HTTP: files, folders, searches. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isolate } from "../test/app.ts";
import { blobOid } from "./intake/git-objects.ts";
import { FILES, listed, TestCodebase } from "./test-support.ts";

const { call, routes } = isolate();

describe("files", () => {
  it("are listed by folder, glob and language, page by page", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES);
    expect(await listed(codebase, "?folder=src")).toHaveLength(3);
    expect(await listed(codebase, "?glob=**/*.test.ts")).toEqual(["src/main.test.ts"]);
    expect(await listed(codebase, "?language=markdown")).toEqual(["docs/guide.md"]);
    const first = await codebase.get("/files?limit=2");
    expect(first.headers.get("link")).toContain('rel="next"');
    const next = `cursor=${first.body.next_cursor}`;
    expect(await listed(codebase, `?limit=200&${next}`)).toHaveLength(4);
    for (const foreign of [`?folder=src&${next}`, "?cursor=empty.txt"]) {
      const refused = await codebase.get(`/files${foreign}`);
      expect(refused).toMatchObject({ status: 422, body: { errors: [{ path: "cursor" }] } });
    }
  });

  it("are not listed of a folder that is not there, nor by a glob with a fault", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push({ ...FILES, "app/[slug].ts": "" });
    expect(await listed(codebase, "?folder=/src/")).toHaveLength(3);
    for (const folder of ["nope", "src/parse.ts", "sr"]) {
      const reply = await codebase.get(`/files?folder=${folder}`);
      expect(reply, folder).toMatchObject({ status: 404, body: { code: "not_found" } });
    }
    for (const glob of ["[", "src/{a,b", "src/(a", "a)"]) {
      const reply = await codebase.get(`/files?${new URLSearchParams({ glob })}`);
      expect(reply, glob).toMatchObject({
        status: 422,
        body: { errors: [{ path: "query.glob" }] },
      });
    }
    const slug = new URLSearchParams({ glob: "app/\\[slug\\].ts" });
    expect(await listed(codebase, `?${slug}`)).toEqual(["app/[slug].ts"]);
    expect(await listed(codebase, "?glob=src/{main,parse}.ts")).toHaveLength(2);
  });

  it("are read whole, in part, and not at all by who has them", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES);
    const path = `${codebase.path}/files/src/parse.ts`;
    const whole = await call(path);
    expect(whole.text).toBe(FILES["src/parse.ts"]);
    expect(whole.headers.get("content-type")).toBe("application/octet-stream");
    const part = await call(path, { headers: { range: "bytes=7-14" } });
    expect(part).toMatchObject({ status: 206, text: "function" });
    const tag = whole.headers.get("etag") ?? "";
    expect(tag).toBe(`"${blobOid(Buffer.from(FILES["src/parse.ts"]))}"`);
    expect((await call(path, { headers: { "if-none-match": tag } })).status).toBe(304);
    expect((await call(path, { headers: { range: "bytes=9999-" } })).status).toBe(416);
    expect((await codebase.get("/files/src/none.ts")).status).toBe(404);
  });

  it("are read by any path that git has, and counted under one route", async () => {
    const codebase = await TestCodebase.create(call);
    const paths = ["new\nline.txt", "a/\n", "100%.txt", "é ü?.txt", "a%0Ab"];
    await codebase.push(Object.fromEntries(paths.map((path) => [path, `of ${path}`])));
    for (const path of paths) {
      const at = `${codebase.path}/files/${path.split("/").map(encodeURIComponent).join("/")}`;
      expect(await call(at), path).toMatchObject({ status: 200, text: `of ${path}` });
      expect(await call(at, { method: "PUT" }), path).toMatchObject({ status: 405 });
    }
    const named = [...routes].filter((route) => route.includes("file_path"));
    expect(named).toEqual(["/api/v1/codebases/{codebase_id}/files/{file_path}"]);
  });

  it("stand in folders, with how many lie below", async () => {
    const codebase = await TestCodebase.create(call);
    const { root } = await codebase.push(FILES);
    const top = await codebase.get("/tree");
    expect(top.body).toMatchObject({
      oid: root,
      folders: [
        { path: "docs", files: 1 },
        { path: "src", files: 3 },
      ],
      files: [{ path: "empty.txt" }, { path: "logo.png", traits: ["binary"] }],
    });
    expect((await codebase.get("/tree?path=src/")).body).toMatchObject({
      path: "src",
      folders: [],
    });
    expect((await codebase.get("/tree?path=none")).status).toBe(404);
  });
});

describe("a search", () => {
  it("puts the definition first, and says what it searched", async () => {
    const codebase = await TestCodebase.create(call);
    const { number, root } = await codebase.push(FILES);
    await codebase.settled(number);
    const { items, receipt } = await codebase.search("parseQuery", { context_lines: "1" });
    expect(items.map(({ path }) => path)).toEqual([
      "src/parse.ts",
      "src/main.ts",
      "docs/guide.md",
      "src/main.test.ts",
    ]);
    expect(items[0]?.matches[0]).toMatchObject({
      ...{ line: 1, column: 17, kind: "content", match_start: 16, match_end: 26 },
      after: ["  return text.split(' ');"],
    });
    expect(receipt).toMatchObject({
      ...{ snapshot: number, root, files: 6, searched: 4, exhaustive: true, reason: null },
      skipped: { binary: 1 },
    });
  });

  it("pages to the very end, and all pages are what one is", async () => {
    const codebase = await TestCodebase.create(call);
    const files = Object.fromEntries(
      Array.from({ length: 150 }, (_, index) => [`f/${index}.txt`, `needle ${index}\n`]),
    );
    await codebase.push(files);
    const whole = await codebase.search("needle", { limit: "200" });
    const pages = await codebase.searchAll("needle", { limit: "7" });
    expect(pages.items).toEqual(whole.items);
    expect(new Set(pages.items.map(({ path }) => path)).size).toBe(150);
    expect(pages.receipt).toMatchObject({ exhaustive: true, searched: 150 });
    const first = await codebase.search("needle", { limit: "7" });
    expect(first.receipt).toMatchObject({ exhaustive: false });
    const foreign = await codebase.get(`/search?q=other&cursor=${first.next_cursor}`);
    expect(foreign).toMatchObject({ status: 422, body: { errors: [{ path: "cursor" }] } });
  });

  it("covers what looks like a credential", async () => {
    const codebase = await TestCodebase.create(call);
    const token = `ghp_${createHash("sha256").update("secret").digest("hex").slice(0, 36)}`;
    const { counts } = await codebase.push({ "config.ts": `const token = "${token}";\n` });
    expect(counts?.secret_files).toBe(1);
    const { items } = await codebase.search("token");
    expect(items[0]?.traits).toContain("secret");
    expect(JSON.stringify(items)).not.toContain(token);
    expect(items[0]?.matches[0]?.text).toContain("ghp_•");
  });

  it("obeys .gitattributes, which is not seen in the paths before it", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push({
      ".gitattributes":
        "*.gen linguist-generated\nlib/** linguist-vendored\n*.x linguist-language=Go\n",
      "a.gen": "word\n",
      "b.x": "word\n",
      "lib/c.txt": "word\n",
    });
    const paths = async (q: string) => (await codebase.search(q)).items.map(({ path }) => path);
    expect(await paths("word is:generated")).toEqual(["a.gen"]);
    expect(await paths("word is:vendored")).toEqual(["lib/c.txt"]);
    expect(await paths("word lang:go")).toEqual(["b.x"]);
    expect(await paths("word -is:generated -is:vendored")).toEqual(["b.x"]);
  });

  it("says where a query is wrong", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES);
    const reply = await codebase.get(`/search?q=${encodeURIComponent("foo (bar")}`);
    expect(reply.status).toBe(422);
    expect(reply.body.problems).toEqual([expect.objectContaining({ start: 4, end: 5 })]);
    for (const q of ["type:commit x", "covered:x", "rev:none x", "a OR rev:1", "diff:none x"]) {
      const refused = await codebase.get(`/search?q=${encodeURIComponent(q)}`);
      expect(refused.status, q).toBe(422);
    }
  });

  it("refuses a language that nobody knows, and says which is near", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES);
    const refused = async (q: string) => {
      const reply = await codebase.get(`/search?${new URLSearchParams({ q })}`);
      expect(reply.status, q).toBe(422);
      return reply.body.problems;
    };
    const meant = { start: 12, end: 27, hint: "Did you mean lang:typescript?" };
    expect(await refused("parseQuery  lang:typscript2")).toEqual([expect.objectContaining(meant)]);
    const [problem] = z
      .array(z.object({ message: z.string() }))
      .parse(await refused("-lang:nolang"));
    expect(problem?.message).toBe('No language is called "nolang".');
    for (const q of ["lang:ts parseQuery", "parseQuery lang:TypeScript"]) {
      expect((await codebase.search(q)).items, q).toHaveLength(3);
    }
    expect((await codebase.search("lang:cobol")).items).toEqual([]);
    const across = await call("/api/v1/search?q=lang:nolang");
    expect(across).toMatchObject({ status: 200, body: { items: [], complete: true } });
  });

  it("looks at history: a revision, and what changed since another", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES, { ref: "v1" });
    await codebase.push({ ...FILES, "new.txt": "parseQuery\n" }, { ref: "v2" });
    const paths = async (q: string) => (await codebase.search(q)).items.map(({ path }) => path);
    expect(await paths("parseQuery rev:v1")).toHaveLength(4);
    expect(await paths("parseQuery rev:v2")).toHaveLength(5);
    expect(await paths("parseQuery diff:v1..v2")).toEqual(["new.txt"]);
    expect(await paths("parseQuery diff:v2")).toEqual(["new.txt"]);
  });

  it("finds by symbols once they are known, and says so until then", async () => {
    const codebase = await TestCodebase.create(call);
    const { number } = await codebase.push(FILES);
    await codebase.settled(number);
    const paths = async (q: string) => (await codebase.search(q)).items.map(({ path }) => path);
    expect(await paths("sym:parseQ")).toEqual(["src/parse.ts"]);
    expect(await paths("calls:parseQuery -is:test")).toEqual(["src/main.ts"]);
    expect(await paths("imports:./parse.ts")).toEqual(["src/main.ts", "src/main.test.ts"]);
    // By the path of what is imported, however the import writes it.
    const importers = await paths("imports:src/parse.ts");
    expect(importers.sort()).toEqual(["src/main.test.ts", "src/main.ts"]);
    expect(await paths("imports:src/parse.ts -is:test")).toEqual(["src/main.ts"]);
    expect(await paths("imports:src/main.ts")).toEqual([]);
    expect(await paths('near:"parse a query"')).toContain("src/parse.ts");
  });

  it("fits an answer to tokens", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES);
    const { text, tokens } = await codebase.search("parseQuery", { max_tokens: "120" });
    expect(tokens).toBeLessThanOrEqual(120);
    expect(text).toContain("src/parse.ts");
  });

  it("reads chunks of a large file as one", async () => {
    const codebase = await TestCodebase.create(call);
    const filler = "x".repeat(99);
    const lines = Array.from({ length: 12_000 }, () => filler);
    lines[2] = "alphaNeedle";
    lines[11_990] = "omegaNeedle";
    await codebase.push({ "big.txt": `${lines.join("\n")}\n`, "small.txt": "alphaNeedle\n" });
    const { items } = await codebase.search("alphaNeedle omegaNeedle");
    expect(items.map(({ path }) => path)).toEqual(["big.txt"]);
  });
});
