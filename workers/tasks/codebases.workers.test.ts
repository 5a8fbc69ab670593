/** Tasks that mount codebases, over HTTP: what is pinned, what is seen, what is refused. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { codebasePrefix } from "../codebases/archives.ts";
import { blobOid } from "../codebases/intake/git-objects.ts";
import { TestCodebase, tarballOf } from "../codebases/test-support.ts";
import { isolate, type Reply } from "../test/app.ts";

const { call } = isolate();

const FILES = {
  "src/main.ts": "export const answer = 42;\n",
  "src/deep/util.ts": "export {};\n",
  "README.md": "# One\n",
  empty: "",
};

async function codebase(): Promise<{ codebase: TestCodebase; name: string }> {
  const name = `shop-${crypto.randomUUID()}`;
  return { codebase: await TestCodebase.create(call, { name }), name };
}

async function create(body: Record<string, unknown>): Promise<Reply> {
  return call("/api/v1/tasks", { body: { name: "mounts", ...body } });
}

async function run(body: Record<string, unknown>): Promise<Reply> {
  const reply = await create({ execute: true, ...body });
  expect(reply.status, reply.text).toBe(201);
  expect(reply.body, reply.text).toMatchObject({ state: "completed" });
  return reply;
}

const problemsOf = (reply: Reply) => {
  expect(reply.status, reply.text).toBe(422);
  return reply.body.errors;
};

describe("a task with a codebase", () => {
  it("sees the snapshot that was the newest when it was created, whatever is pushed later", async () => {
    const { codebase: pushed, name } = await codebase();
    const first = await pushed.push(FILES, { ref: "main" });
    const reply = await create({ command: "cat code/README.md", codebase: name });
    expect(reply.status, reply.text).toBe(201);
    const pinned = {
      codebase_id: pushed.id,
      name,
      snapshot: first.number,
      ref: "main",
      commit: null,
      folder: "",
      path: "code",
      root: first.root,
      files: 4,
      left_out: { files: 0, paths: [] },
    };
    expect(reply.body.codebase).toMatchObject(pinned);
    await pushed.push({ ...FILES, "README.md": "# Two\n" }, { ref: "main" });
    const path = `/api/v1/tasks/${reply.body.id}`;
    const ran = await call(`${path}/execute`, { method: "POST" });
    expect(ran.body, ran.text).toMatchObject({ stdout: "# One\n", codebase: pinned });
    const changed = await call(path, { method: "PATCH", body: { codebase: `${name}@main` } });
    expect(changed.body, changed.text).toMatchObject({ codebase: { snapshot: first.number + 1 } });
    const again = await call(`${path}/execute`, { method: "POST" });
    expect(again.body).toMatchObject({ stdout: "# Two\n" });
    const other = await call(path, { method: "PATCH", body: { description: "same tree" } });
    expect(other.body).toMatchObject({ codebase: { snapshot: first.number + 1 } });
    const none = await call(path, { method: "PATCH", body: { codebase: null } });
    expect(none.body).toMatchObject({ codebase: null });
  });

  it("names a snapshot in any way, a folder of it, and where it stands", async () => {
    const { codebase: pushed, name } = await codebase();
    const commit = "a".repeat(40);
    const first = await pushed.push(FILES, { ref: "v1", commit });
    await pushed.push({ other: "x" });
    for (const snapshot of [
      first.number,
      String(first.number),
      first.id,
      "v1",
      commit,
      first.root,
    ]) {
      const { body } = await run({
        script: "export default (_, ctx) => ctx.files.list('vendor/**')",
        codebase: { codebase: pushed.id, snapshot, folder: "src", path: "vendor/shop" },
      });
      expect(body.result).toEqual(["vendor/shop/deep/util.ts", "vendor/shop/main.ts"]);
      expect(body.codebase).toMatchObject({ folder: "src", files: 2, path: "vendor/shop" });
    }
    const { body } = await run({
      command: "cat code/deep/util.ts",
      codebase: { codebase: name, snapshot: 1, folder: "src/" },
    });
    expect(body).toMatchObject({ stdout: "export {};\n" });
  });

  it("reads files in scripts, and cannot write them", async () => {
    const { codebase: pushed, name } = await codebase();
    const bytes = Uint8Array.from({ length: 300 }, (_, n) => n % 256);
    await pushed.push({ ...FILES, "raw.bin": bytes });
    const script = `export default (_, ctx) => {
      const { files } = ctx;
      const raw = files.bytes("code/raw.bin");
      raw[0] = 99;
      const tried = [() => files.write("code/README.md", "x"), () => files.remove("code/empty")]
        .map((attempt) => { try { attempt(); return "done"; } catch (error) { return error.message; } });
      files.write("own.txt", "mine");
      return {
        text: files.read("code/src/main.ts"), empty: files.read("code/empty"), again: files.bytes("code/raw.bin")[0],
        size: raw.length, exists: [files.exists("code/raw.bin"), files.exists("code/none"), files.exists("code/src")],
        tried, list: files.list("**/*.ts"),
      };
    }`;
    const { body } = await run({ script, codebase: name, artifacts: ["**"] });
    expect(body.result).toEqual({
      text: FILES["src/main.ts"],
      empty: "",
      again: 0,
      size: 300,
      exists: [true, false, false],
      tried: [expect.stringContaining("read-only"), expect.stringContaining("read-only")],
      list: ["code/src/deep/util.ts", "code/src/main.ts"],
    });
    expect(body.artifact_files).toMatchObject([{ path: "own.txt" }]);
  });

  it("makes one archive of equal trees, which goes with the codebase", async () => {
    const { codebase: pushed, name } = await codebase();
    const first = await pushed.push(FILES);
    await pushed.push({ changed: "x" });
    const third = await pushed.push(FILES);
    expect(third.root).toBe(first.root);
    const prefix = codebasePrefix({ id: pushed.id, project_id: "default" });
    const kept = async () => {
      const { objects } = await env.BLOBS.list({ prefix: `${prefix}trees/` });
      return objects.map(({ key }) => key);
    };
    expect(await kept()).toEqual([]);
    await run({ command: "true", codebase: { codebase: name, snapshot: first.number } });
    await run({ command: "true", codebase: { codebase: name, snapshot: third.number } });
    expect(await kept()).toEqual([`${prefix}trees/1/${first.root}.tar.gz`]);
    const gone = await call(pushed.path, { method: "DELETE" });
    expect(gone.status, gone.text).toBe(204);
    expect(await kept()).toEqual([]);
  });

  it("fails with the reason when its snapshot, or its codebase, was deleted", async () => {
    const { codebase: pushed, name } = await codebase();
    const snapshot = await pushed.push(FILES);
    await pushed.push({ other: "x" });
    const { body } = await create({ command: "true", codebase: `${name}@${snapshot.number}` });
    const removed = await call(`${pushed.path}/snapshots/${snapshot.number}`, { method: "DELETE" });
    expect(removed.status).toBe(204);
    const execute = () => call(`/api/v1/tasks/${body.id}/execute`, { method: "POST" });
    const expected = {
      state: "failed",
      error_code: "codebase_gone",
      error: expect.stringContaining(`Snapshot ${snapshot.number} of the codebase "${name}"`),
    };
    expect((await execute()).body).toMatchObject(expected);
    expect((await call(pushed.path, { method: "DELETE" })).status).toBe(204);
    expect((await execute()).body).toMatchObject(expected);
  });

  it("leaves out what it cannot hold and links that lead outside, and says so", async () => {
    const { codebase: pushed, name } = await codebase();
    const contents = { "a.txt": "a\n", inside: "a.txt", outside: "../secret", away: "/etc/passwd" };
    const links = Object.entries(contents).map(([path, content]) => {
      const oid = blobOid(Buffer.from(content));
      return path === "a.txt" ? [path, oid, 2] : [path, oid, content.length, "symlink"];
    });
    const files = [...links, ["large.bin", "b".repeat(40), 9_000_000]];
    const begun = await pushed.post("/manifest", { files });
    expect(begun.status, begun.text).toBe(201);
    const blobs = await pushed.post("/snapshots/1/blobs", tarballOf(contents));
    expect(blobs.body, blobs.text).toMatchObject({ snapshot: { state: "ready" } });
    const { body } = await run({ command: "ls code; cat code/inside", codebase: name });
    expect(body.stdout).toBe("a.txt\ninside\na\n");
    expect(body.codebase).toMatchObject({
      files: 2,
      left_out: { files: 3, paths: ["away", "large.bin", "outside"] },
    });
  });
});

describe("a task is refused with", () => {
  const cases: readonly (readonly [
    what: string,
    spec: (name: string) => unknown,
    message: RegExp,
  ])[] = [
    [
      "a codebase that is not there",
      () => "no-such-codebase",
      /has no codebase "no-such-codebase"/,
    ],
    ["a snapshot that is not there", (name) => `${name}@v9`, /has no snapshot "v9"/],
    [
      "a folder that is not there",
      (codebase) => ({ codebase, folder: "lib" }),
      /has no folder "lib"/,
    ],
    ["an expression", () => "app@${{ inputs.ref }}", /expressions are not resolved/],
  ];
  it.each(cases)("%s", async (_, spec, message) => {
    const { codebase: pushed, name } = await codebase();
    await pushed.push(FILES);
    const problems = problemsOf(await create({ command: "true", codebase: spec(name) }));
    expect(problems).toEqual([{ path: "codebase", message: expect.stringMatching(message) }]);
  });

  it.each(["../code", "/code", ".git", "a/./b", "a//b"])("the path %s", async (path) => {
    const problems = problemsOf(
      await create({ command: "true", codebase: { codebase: "any", path } }),
    );
    expect(problems).toMatchObject([{ path: "codebase.path" }]);
  });

  it("a codebase without a snapshot that is ready", async () => {
    const { codebase: pushed, name } = await codebase();
    const empty = problemsOf(await create({ command: "true", codebase: name }));
    expect(empty).toMatchObject([
      { path: "codebase", message: expect.stringContaining("Push one") },
    ]);
    await pushed.post("/manifest", { files: [["a", "c".repeat(40), 1]], ref: "wip" });
    const early = problemsOf(await create({ command: "true", codebase: `${name}@1` }));
    expect(early).toMatchObject([{ message: expect.stringContaining("is receiving") }]);
  });

  it("a codebase of another project", async () => {
    const name = `hidden-${crypto.randomUUID()}`;
    const other = await TestCodebase.create(call, { name, project_id: "elsewhere" });
    await other.push(FILES);
    for (const codebase of [name, other.id]) {
      expect(problemsOf(await create({ command: "true", codebase }))).toMatchObject([
        { path: "codebase", message: expect.stringContaining("has no codebase") },
      ]);
    }
  });

  it("a file where the codebase stands", async () => {
    const { codebase: pushed, name } = await codebase();
    await pushed.push(FILES);
    const files = { "code/README.md": "mine", "beside.txt": "ok" };
    expect(problemsOf(await create({ command: "true", codebase: name, files }))).toMatchObject([
      { path: "files.code/README.md" },
    ]);
  });

  it("a key that may not read codebases", async () => {
    const { codebase: pushed, name } = await codebase();
    await pushed.post("/archive", tarballOf(FILES));
    const made = await call("/api/v1/keys", {
      body: { name: "tasks only", scopes: ["tasks:read", "tasks:write"], projects: ["default"] },
    });
    expect(made.status, made.text).toBe(201);
    const reply = await call("/api/v1/tasks", {
      body: { name: "mounts", command: "true", codebase: name },
      headers: { authorization: `Bearer ${made.body.key}` },
    });
    expect(reply.status, reply.text).toBe(403);
    expect(reply.body).toMatchObject({ required_scope: "codebases:read" });
  });
});
