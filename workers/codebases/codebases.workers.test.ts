/** Codebases over HTTP: what comes in, what is read, what is refused, and what is left of it after. */

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { indexWork } from "../codebase-index.ts";
import { isolate } from "../test/app.ts";
import { codebasePrefix } from "./archives.ts";
import { blobOid } from "./intake/git-objects.ts";
import { tarOf } from "./intake/test-support-archives.ts";
import { pushedSchema, snapshotListSchema, snapshotSchema } from "./schemas.ts";
import { FILES, listed, manifestOf, TestCodebase, tarballOf, zipballOf } from "./test-support.ts";

const { call } = isolate();

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const TREE = "db3a6bcf4a5d6c5c07b1a0e6a3b8a1f5b9c6d7e8";

const indexOf = (codebase: TestCodebase) => env.CODEBASE_INDEX.getByName(codebase.id);

describe("a push by manifest", () => {
  it("asks for what is missing, is not seen before it is whole, and then is", async () => {
    const codebase = await TestCodebase.create(call);
    const begun = await codebase.post("/manifest", { files: manifestOf(FILES), ref: "main" });
    expect(begun.status, begun.text).toBe(201);
    const { snapshot, missing } = pushedSchema.parse(begun.body);
    expect(begun.headers.get("location")).toBe(`${codebase.path}/snapshots/${snapshot.number}`);
    expect(missing).toHaveLength(Object.keys(FILES).length);
    expect(snapshot).toMatchObject({ state: "receiving", received: { files: 6, missing: 6 } });

    const { "logo.png": logo, ...texts } = FILES;
    const part = await codebase.post(`/snapshots/${snapshot.number}/blobs`, tarballOf(texts));
    expect(part.body).toMatchObject({
      taken: 5,
      missing: [{ path: "logo.png", oid: blobOid(logo), size: 8 }],
    });
    expect((await codebase.get("/files")).status).toBe(404);
    const early = await codebase.get("/search?q=parseQuery&snapshot=main");
    expect(early, early.text).toMatchObject({ status: 404 });

    const rest = await codebase.post(
      `/snapshots/${snapshot.number}/blobs`,
      zipballOf({ "any name": logo }),
    );
    expect(rest.body, rest.text).toMatchObject({
      taken: 1,
      missing: [],
      snapshot: { state: "ready" },
    });
    expect(await listed(codebase)).toEqual([
      "docs/guide.md",
      "empty.txt",
      "logo.png",
      "src/main.test.ts",
      "src/main.ts",
      "src/parse.ts",
    ]);
  });

  it("tells how many contents came and are missing, those of earlier snapshots as received", async () => {
    const codebase = await TestCodebase.create(call);
    const { "logo.png": logo, ...texts } = FILES;
    await codebase.push({ "logo.png": logo });
    const begun = await codebase.post("/manifest", {
      files: manifestOf({ ...FILES, "copy.png": logo }),
    });
    const { number } = pushedSchema.parse(begun.body).snapshot;
    const { "src/main.ts": main, ...others } = texts;
    for (const files of [{ "src/main.ts": main }, { "src/main.ts": main }, others]) {
      await codebase.post(`/snapshots/${number}/blobs`, tarballOf(files));
    }
    const events = (await indexOf(codebase).events(0, number, 100, 0)) ?? [];
    const told = events
      .filter(({ type, snapshot }) => type === "snapshot.progress" && snapshot === number)
      .map(({ data }) => data);
    expect(told.map((data): unknown => JSON.parse(data))).toEqual(
      expect.arrayContaining([
        { files: 7, received: 1, missing: 5 },
        { files: 7, received: 2, missing: 4 },
      ]),
    );
    // After the second time that the same came, nothing has changed.
    expect(new Set(told).size).toBeLessThanOrEqual(3);
  });

  it("sends only what changed the next time, and touches nothing else", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES);
    const changed = { ...FILES, "src/main.ts": "console.log('changed');\n" };
    const begun = await codebase.post("/manifest", { files: manifestOf(changed) });
    const { missing, snapshot } = pushedSchema.parse(begun.body);
    expect(missing.map(({ path }) => path)).toEqual(["src/main.ts"]);
    const reply = await codebase.post(
      `/snapshots/${snapshot.number}/blobs`,
      tarballOf({ "src/main.ts": changed["src/main.ts"] }),
    );
    expect(reply.body).toMatchObject({ snapshot: { state: "ready", counts: { new_blobs: 1 } } });
    const { items } = await codebase.search("changed");
    expect(items.map(({ path }) => path)).toEqual(["src/main.ts"]);
    expect((await codebase.search("changed", { snapshot: "1" })).items).toEqual([]);
    // A tree of two levels: the top and src changed, docs did not.
    const trees = await runInDurableObject(indexOf(codebase), (_, { storage }) =>
      storage.sql.exec("SELECT count(*) AS count FROM trees").one(),
    );
    expect(trees).toEqual({ count: 5 });
  });

  it("is ready at once when all is known, and says the tree that git would", async () => {
    const codebase = await TestCodebase.create(call);
    const first = await codebase.push({ "a.txt": "hello\n" });
    const again = await codebase.push({ "a.txt": "hello\n" }, { ref: "other" });
    expect(again).toMatchObject({ state: "ready", number: 2, root: first.root });
    // Of `git mktree` for a file a.txt with "hello\n".
    expect(first.root).toBe("2e81171448eb9f2ee3821e3d447aa6b2fe3ddba1");
  });

  it("believes a content more than a manifest that called it too large", async () => {
    const codebase = await TestCodebase.create(call);
    const oid = blobOid(Buffer.from("needle\n"));
    const claimed = await codebase.post("/manifest", { files: [["big.bin", oid, 9_000_000]] });
    expect(claimed.body, claimed.text).toMatchObject({ missing: [], snapshot: { state: "ready" } });
    expect((await codebase.search("needle")).receipt).toMatchObject({ skipped: { too_large: 1 } });
    const reply = await codebase.post("/archive", tarballOf({ "small.txt": "needle\n" }));
    await codebase.settled(snapshotSchema.parse(reply.body).number);
    const paths = async (snapshot: string) =>
      (await codebase.search("needle", { snapshot })).items.map(({ path }) => path);
    expect(await paths("2")).toEqual(["small.txt"]);
    expect(await paths("1")).toEqual(["big.bin"]);
  });

  it("ignores contents that nobody asked for", async () => {
    const codebase = await TestCodebase.create(call);
    const begun = await codebase.post("/manifest", { files: manifestOf({ "a.txt": "a" }) });
    const { snapshot } = pushedSchema.parse(begun.body);
    const reply = await codebase.post(
      `/snapshots/${snapshot.number}/blobs`,
      tarballOf({ x: "not asked for", y: "a" }),
    );
    expect(reply.body).toMatchObject({ taken: 1, snapshot: { state: "ready" } });
    const stored = await runInDurableObject(indexOf(codebase), (_, { storage }) =>
      storage.sql.exec("SELECT oid FROM blobs").toArray(),
    );
    expect(stored).toEqual([{ oid: blobOid(Buffer.from("a")) }]);
  });

  it.each([
    ["a manifest of nothing", [], "files"],
    ["a path that leaves the tree", [["../x", TREE, 1]], "files[0][0]"],
    ["an absolute path", [["/etc/passwd", TREE, 1]], "files[0][0]"],
    [
      "a path twice",
      [
        ["a", TREE, 1],
        ["a", TREE, 1],
      ],
      "files[1][0]",
    ],
    [
      "a file in a file",
      [
        ["a", TREE, 1],
        ["a/b", TREE, 1],
      ],
      "files[1][0]",
    ],
    ["an OID that is none", [["a", "xyz", 1]], "files[0][1]"],
    ["a negative size", [["a", TREE, -1]], "files[0][2]"],
  ])("refuses %s", async (_, files, path) => {
    const codebase = await TestCodebase.create(call);
    const reply = await codebase.post("/manifest", { files });
    expect(reply.status, reply.text).toBe(422);
    expect(reply.body.errors).toEqual(expect.arrayContaining([expect.objectContaining({ path })]));
    expect((await codebase.get("/snapshots")).body.items).toEqual([]);
  });
});

describe("a manifest of known contents", () => {
  it("is refused when it gives them another size, and is taken with their own", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push({ "a.txt": "hello\n" });
    const oid = blobOid(Buffer.from("hello\n"));
    const push = (size: number) =>
      codebase.post("/manifest", {
        files: [
          ["docs/b.txt", oid, size],
          ["c.txt", TREE, 3],
        ],
      });
    const refused = await push(7);
    expect(refused.status, refused.text).toBe(422);
    expect(refused.body.errors).toEqual([
      { path: "files: docs/b.txt", message: expect.stringContaining("6 bytes, not 7") },
    ]);
    expect((await codebase.get("/snapshots")).body.items).toHaveLength(1);
    expect((await push(6)).status).toBe(201);
  });
});

describe("a push of an archive", () => {
  it.each([
    ["tar.gz", tarballOf(FILES)],
    ["zip", zipballOf(FILES)],
    ["tar", tarOf(Object.entries(FILES).map(([name, content]) => ({ name, content })))],
  ])("reads a %s, and is the same snapshot as a manifest's", async (_, archive) => {
    const codebase = await TestCodebase.create(call);
    const reply = await codebase.post("/archive?ref=main", archive);
    expect(reply.status, reply.text).toBe(202);
    const { number } = snapshotSchema.parse(reply.body);
    const ready = await codebase.settled(number);
    expect(ready, JSON.stringify(ready.error)).toMatchObject({
      state: "ready",
      ref: "main",
      counts: { files: 6, text_files: 5, binary_files: 1, parsable_files: 3 },
    });
    const pushed = await (await TestCodebase.create(call)).push(FILES);
    expect(ready.root).toBe(pushed.root);
    const { objects } = await env.BLOBS.list({
      prefix: codebasePrefix({ id: codebase.id, project_id: "default" }),
    });
    expect(objects).toEqual([]);
  });

  it.each([
    ["climbs out", [{ name: "../evil", content: "x" }], "path_unsafe"],
    ["holds nothing", [{ name: "folder/", type: "5" }], "archive_empty"],
    ["is cut off", null, "archive_truncated"],
    [
      "has a path twice",
      [
        { name: "a", content: "x" },
        { name: "a", content: "y" },
      ],
      "path_duplicate",
    ],
  ])(
    "fails an archive that %s with %s, and leaves nothing half-indexed",
    async (_, inputs, code) => {
      const codebase = await TestCodebase.create(call);
      await codebase.push({ "kept.txt": "kept\n" });
      const whole = tarOf(inputs ?? [{ name: "a", content: "x".repeat(5_000) }]);
      const reply = await codebase.post(
        "/archive",
        inputs === null ? whole.subarray(0, 1_500) : whole,
      );
      expect(reply.status, reply.text).toBe(202);
      const { number } = snapshotSchema.parse(reply.body);
      expect(await codebase.settled(number)).toMatchObject({ state: "failed", error: { code } });
      expect(await listed(codebase)).toEqual(["kept.txt"]);
      const refused = await codebase.get(`/files?snapshot=${number}`);
      expect(refused).toMatchObject({ status: 409, body: { state: "failed" } });
    },
  );

  it("refuses what is no archive, and an empty body, when it is read", async () => {
    const codebase = await TestCodebase.create(call);
    const empty = await codebase.post("/archive", new Uint8Array());
    expect(empty.status, empty.text).toBe(422);
    const reply = await codebase.post("/archive", Buffer.from("no archive at all"));
    const { number } = snapshotSchema.parse(reply.body);
    expect(await codebase.settled(number)).toMatchObject({
      state: "failed",
      error: { code: "format_unknown" },
    });
  });

  /** As `git archive` makes it: the commit in a header, a folder before what is in it. */
  const gitArchive = (files: Readonly<Record<string, string>>) =>
    tarOf([
      { name: "pax_global_header", type: "g", content: `52 comment=${COMMIT}\n` },
      { name: `${Object.keys(files)[0]?.split("/")[0]}/`, type: "5" },
      ...Object.entries(files).map(([name, content]) => ({ name, content })),
    ]);

  it.each([
    ["", { "src/a.txt": "a", "top.txt": "t" }, ["src/a.txt", "top.txt"]],
    ["", { "src/a.txt": "a", "src/b/c.txt": "c" }, ["src/a.txt", "src/b/c.txt"]],
    ["?strip=0", { "src/a.txt": "a" }, ["src/a.txt"]],
    ["?strip=1", { "src/a.txt": "a", "src/b/c.txt": "c" }, ["a.txt", "b/c.txt"]],
    ["?strip=auto", { "src/a.txt": "a", "src/b/c.txt": "c" }, ["a.txt", "b/c.txt"]],
    ["?strip=auto", { "src/a.txt": "a", "top.txt": "t" }, ["src/a.txt", "top.txt"]],
  ])("of git, with %s, takes no other folders off than it is told", async (query, files, paths) => {
    const codebase = await TestCodebase.create(call);
    const reply = await codebase.post(`/archive${query}`, gitArchive(files));
    expect(reply.status, reply.text).toBe(202);
    const { number } = snapshotSchema.parse(reply.body);
    const ready = await codebase.settled(number);
    expect(ready).toMatchObject({ state: "ready", commit: COMMIT });
    expect(await listed(codebase)).toEqual(paths);
    const kept = Object.values(files).map((content, at) => [paths[at], content]);
    expect((await codebase.push(Object.fromEntries(kept))).root).toBe(ready.root);
  });

  it.each(["-1", "9", "all", ""])("refuses strip=%s", async (strip) => {
    const codebase = await TestCodebase.create(call);
    const reply = await codebase.post(`/archive?strip=${strip}`, tarballOf(FILES));
    expect(reply).toMatchObject({ status: 422, body: { errors: [{ path: "query.strip" }] } });
  });
});

describe("a job that was lost", () => {
  it("is sent again, and of two readings the later one counts", async () => {
    const codebase = await TestCodebase.create(call);
    const index = indexOf(codebase);
    const { number } = await index.begin({
      ...{ id: crypto.randomUUID(), ref: null, commit: null, manifest: null },
      source: { kind: "archive", url: null },
    });
    const [earlier, later] = [await index.read(number), await index.read(number)];
    if (earlier.status !== "reading" || later.status !== "reading") throw new Error("not reading");
    const file = { path: "a.txt", mode: "file", oid: blobOid(Buffer.from("a")), size: 1 } as const;
    expect(await index.put(number, earlier.reading, [file], [])).toEqual({ status: "superseded" });
    expect(await index.complete(number, earlier.reading, null)).toEqual({ status: "superseded" });
    expect(await index.put(number, later.reading, [file], [])).toEqual({ status: "taken" });
    expect(await index.complete(number, later.reading, null)).toEqual({
      status: "missing",
      missing: 1,
    });
  });

  it("may come several times: one reading counts, and nothing is left behind", async () => {
    const codebase = await TestCodebase.create(call);
    const reply = await codebase.post("/archive", tarballOf(FILES));
    const { number } = snapshotSchema.parse(reply.body);
    const job = { kind: "ingest", codebase_id: codebase.id, snapshot: number } as const;
    const work = indexWork(env);
    await Promise.all([work.perform(job), work.perform(job), work.perform(job)]);
    expect(await codebase.settled(number)).toMatchObject({ state: "ready", counts: { files: 6 } });
    await work.perform(job);
    const prefix = codebasePrefix({ id: codebase.id, project_id: "default" });
    await expect.poll(async () => (await env.BLOBS.list({ prefix })).objects).toEqual([]);
  });

  it("fails the snapshot after some tries", async () => {
    const codebase = await TestCodebase.create(call);
    const index = indexOf(codebase);
    const { number } = await index.begin({
      ...{ id: crypto.randomUUID(), ref: null, commit: null, manifest: null },
      source: { kind: "archive", url: null },
    });
    await runInDurableObject(index, (_, { storage }) => {
      storage.sql.exec("UPDATE snapshots SET tries = 5, touched_at = 0");
      return storage.setAlarm(Date.now());
    });
    await runDurableObjectAlarm(index);
    await expect
      .poll(async () => (await codebase.snapshot(number)).error?.code)
      .toBeOneOf(["ingest_lost", "archive_empty"]);
  });

  it("goes on where it was after the object was evicted", async () => {
    const codebase = await TestCodebase.create(call);
    const begun = await codebase.post("/manifest", { files: manifestOf(FILES) });
    const { snapshot } = pushedSchema.parse(begun.body);
    const { "logo.png": logo, ...texts } = FILES;
    await codebase.post(`/snapshots/${snapshot.number}/blobs`, tarballOf(texts));
    await evictDurableObject(indexOf(codebase));
    const reply = await codebase.post(
      `/snapshots/${snapshot.number}/blobs`,
      tarballOf({ "logo.png": logo }),
    );
    expect(reply.body).toMatchObject({ snapshot: { state: "ready" } });
    await evictDurableObject(indexOf(codebase));
    expect((await codebase.search("parseQuery")).items).toHaveLength(4);
  });
});

describe("what is over", () => {
  it("frees what no other snapshot has, and nothing else", async () => {
    const codebase = await TestCodebase.create(call);
    const { number } = await codebase.push({ "a.txt": "shared\n", "b.ts": "const only = 1;\n" });
    await codebase.settled(number);
    await codebase.push({ "a.txt": "shared\n" });
    const reply = await call(`${codebase.path}/snapshots/${number}`, { method: "DELETE" });
    expect(reply.status, reply.text).toBe(204);
    const index = indexOf(codebase);
    const stored = () =>
      runInDurableObject(index, (_, { storage }) =>
        ["blobs", "contents", "parsed", "symbol_data", "trees"].map(
          (table) => storage.sql.exec(`SELECT count(*) AS n FROM ${table}`).one().n,
        ),
      );
    await expect.poll(stored).toEqual([1, 1, 0, 0, 1]);
    expect((await codebase.search("shared")).items).toHaveLength(1);
    expect((await codebase.search("only")).items).toHaveLength(0);
  });

  it("is gone whole with its codebase", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES);
    const key = `${codebasePrefix({ id: codebase.id, project_id: "default" })}archives/left`;
    await env.BLOBS.put(key, "left behind");
    expect((await call(codebase.path, { method: "DELETE" })).status).toBe(204);
    expect((await call(codebase.path)).status).toBe(404);
    expect(await env.BLOBS.head(key)).toBeNull();
    const left = await runInDurableObject(indexOf(codebase), (_, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
    );
    expect(left).toEqual([]);
  });
});

describe("codebases", () => {
  it("have one name in a project, are changed under If-Match, and are listed", async () => {
    const name = `n-${crypto.randomUUID()}`;
    const codebase = await TestCodebase.create(call, { name, labels: { team: "a" } });
    const twice = await call("/api/v1/codebases", { body: { name } });
    expect(twice).toMatchObject({ status: 409, body: { code: "conflict" } });
    const read = await call(codebase.path);
    const stale = await call(codebase.path, {
      method: "PATCH",
      body: { description: "x" },
      headers: { "if-match": '"v9"' },
    });
    expect(stale.status).toBe(412);
    const changed = await call(codebase.path, {
      method: "PATCH",
      body: { description: "about", source: { url: "https://github.com/acme/shop" } },
      headers: { "if-match": read.headers.get("etag") ?? "" },
    });
    expect(changed.body).toMatchObject({
      ...{ name, description: "about", labels: { team: "a" } },
      source: { url: "https://github.com/acme/shop", ref: null },
    });
    const list = await call(`/api/v1/codebases?name=${name}`);
    expect(list.body.items).toEqual([expect.objectContaining({ id: codebase.id })]);
  });

  it("are not seen from other projects, in any of their routes", async () => {
    const codebase = await TestCodebase.create(call);
    await codebase.push(FILES);
    const key = await call("/api/v1/keys", {
      body: { name: "k", scopes: ["codebases:read", "codebases:write"], projects: ["elsewhere"] },
    });
    const other = String(key.body.key);
    for (const path of [
      "",
      "/snapshots",
      "/snapshots/1",
      "/files",
      "/files/empty.txt",
      "/tree",
      "/search?q=a",
      "/events",
    ]) {
      expect((await call(`${codebase.path}${path}`, { key: other })).status, path).toBe(404);
    }
    const body = { files: manifestOf({ "a.txt": "a" }) };
    expect((await call(`${codebase.path}/manifest`, { body, key: other })).status).toBe(404);
    expect((await call(codebase.path, { method: "DELETE", key: other })).status).toBe(404);
  });

  it("have no ref that would be read as a number", async () => {
    const codebase = await TestCodebase.create(call);
    const files = manifestOf({ "a.txt": "a" });
    const url = "https://git.acme.dev/shop.git";
    for (const [path, body, field] of [
      ["/manifest", { files, ref: "7" }, "ref"],
      ["/archive?ref=0042", tarballOf(FILES), "query.ref"],
      ["/import", { url, ref: "7" }, "ref"],
    ] as const) {
      const reply = await codebase.post(path, body);
      expect(reply, reply.text).toMatchObject({ status: 422, body: { errors: [{ path: field }] } });
    }
    const source = { url, ref: "7" };
    const patched = await call(codebase.path, { method: "PATCH", body: { source } });
    expect(patched).toMatchObject({ status: 422, body: { errors: [{ path: "source.ref" }] } });
    expect((await codebase.push({ "a.txt": "a" }, { ref: "v7" })).ref).toBe("v7");
    expect((await codebase.snapshot("v7")).number).toBe(1);
  });

  it("list their snapshots, newest first, page by page", async () => {
    const codebase = await TestCodebase.create(call);
    for (const ref of ["a", "b", "c"]) await codebase.push({ "a.txt": ref }, { ref });
    const first = snapshotListSchema.parse((await codebase.get("/snapshots?limit=2")).body);
    expect(first.items.map(({ ref }) => ref)).toEqual(["c", "b"]);
    const rest = await codebase.get(`/snapshots?limit=2&cursor=${first.next_cursor}`);
    expect(snapshotListSchema.parse(rest.body)).toMatchObject({
      items: [{ ref: "a" }],
      next_cursor: null,
    });
  });

  it("tell what happens to a snapshot, and end when it is over", async () => {
    const codebase = await TestCodebase.create(call);
    const reply = await codebase.post("/archive", tarballOf(FILES));
    const { number } = snapshotSchema.parse(reply.body);
    const events = await codebase.get(`/events?snapshot=${number}`);
    const types = [...events.text.matchAll(/^event: (.+)$/gm)].map(([, type]) => type);
    expect(types[0]).toBe("snapshot.begun");
    expect(types).toContain("snapshot.ready");
    expect(types.at(-1)).toBe("symbols.ready");
  });
});
