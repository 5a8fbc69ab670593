/** Imports from git's own server: what git has is what the index has, and what is refused says why. */
import { randomBytes } from "node:crypto";
import { chmodSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { snapshotSchema } from "../codebases/schemas.ts";
import { Client } from "./client.ts";
import {
  GitServer,
  hasHttpBackend,
  type TestFiles,
  type TestRepository,
  writeFiles,
} from "./git-server.ts";
import { Imports } from "./imports.ts";
import { TestService } from "./service.ts";

const TOKEN = "deploy:s3cret-t0ken";
const AUTHORIZATION = `Basic ${Buffer.from(TOKEN).toString("base64")}`;
const filesSchema = z.object({ items: z.array(z.object({ path: z.string(), mode: z.string() })) });

describe.skipIf(!hasHttpBackend)("an import over git's smart HTTP", () => {
  let server: GitServer;
  let elsewhere: GitServer;
  let service: TestService;
  let client: Client;
  let imports: Imports;
  let count = 0;

  beforeAll(async () => {
    server = await GitServer.start();
    elsewhere = await GitServer.start();
    const hosts = `${server.host},${elsewhere.host}`;
    service = await TestService.start({ variables: { OUTBOUND_ALLOW_HOSTS: hosts } });
    client = new Client(service);
    imports = new Imports(client);
    const secret = { name: "DEPLOY_TOKEN", value: TOKEN };
    expect((await client.call("/api/v1/secrets", { json: secret })).status).toBe(201);
  });
  afterAll(async () => {
    await service.stop();
    await Promise.all([server.stop(), elsewhere.stop()]);
  });
  beforeEach(() => {
    server.intercept = () => false;
    server.requests.splice(0);
  });

  const nextName = () => {
    count += 1;
    return `r${count}`;
  };

  const write = ({ folder }: TestRepository, files: TestFiles) => writeFiles(folder, files);

  function repository(files: TestFiles): {
    readonly repository: TestRepository;
    readonly url: string;
  } {
    const name = nextName();
    const made = server.repository(name);
    write(made, files);
    made.commit("first");
    return { repository: made, url: server.url(name) };
  }

  const codebase = (source?: object) => imports.codebase(source);
  const begin = (base: string, body: object) => imports.begin(base, body);
  const snapshot = (base: string, number: number) => imports.snapshot(base, number);
  const settled = (base: string, number: number) => imports.settled(base, number);
  const imported = (base: string, body: object) => imports.imported(base, body);
  const failure = async (body: object) => {
    const base = await codebase();
    return (await settled(base, await begin(base, body))).error;
  };

  async function files(base: string): Promise<Map<string, string>> {
    const reply = await client.call(`${base}/files?limit=200`);
    expect(reply.status, reply.text).toBe(200);
    const { items } = filesSchema.parse(reply.json);
    return new Map(items.map(({ path, mode }) => [path, mode]));
  }

  it("has the tree that git has: modes, links, submodules, any names", async () => {
    const { repository: made, url } = repository({
      "src/main.ts": "export const answer = 42;\n",
      "src/empty.txt": "",
      "run.sh": "#!/bin/sh\necho hi\n",
      "docs/grüße 日本語 🙂.md": "# Hallo\n",
      "docs/combining-é.md": "# e\n",
      "-dash and 'quotes\".txt": "q\n",
      "logo.png": randomBytes(70_000),
      "src.txt": "a file beside a folder of its name\n",
    });
    chmodSync(join(made.folder, "run.sh"), 0o755);
    symlinkSync("src/main.ts", join(made.folder, "link"));
    const other = repository({ "a.txt": "a\n" });
    const commit = other.repository.git("rev-parse", "HEAD");
    made.commit("modes");
    made.git("update-index", "--add", "--cacheinfo", `160000,${commit},vendor/other`);
    made.git("commit", "--quiet", "--message", "submodule");
    const head = made.git("rev-parse", "HEAD");

    const base = await codebase();
    const ready = await imported(base, { url });
    expect(ready).toMatchObject({
      state: "ready",
      commit: head,
      root: made.tree(),
      source: { kind: "git", url },
    });
    const paths = await files(base);
    expect([...paths.keys()].sort()).toEqual(
      made.git("ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0").filter(Boolean).sort(),
    );
    expect(Object.fromEntries(paths)).toMatchObject({
      "run.sh": "executable",
      link: "symlink",
      "vendor/other": "submodule",
      "src/main.ts": "file",
    });
    const found = await client.call(`${base}/search?q=answer`);
    expect(found.text).toContain("src/main.ts");
  });

  it("reads branches, tags of both kinds, whole commits, and packs of deltas", async () => {
    const long = Array.from({ length: 3_000 }, (_, line) => `line ${line} of many\n`).join("");
    const { repository: made, url } = repository({ "long.txt": long, "b.txt": "b\n" });
    const first = made.git("rev-parse", "HEAD");
    made.git("tag", "light");
    made.git("tag", "--annotate", "--message", "signed off", "v1.0");
    made.git("checkout", "--quiet", "-b", "feature/x");
    for (const name of ["copy1.txt", "copy2.txt", "copy3.txt"]) {
      write(made, { [name]: `${long}${name}\n` });
    }
    const branch = made.commit("branch");
    made.git("checkout", "--quiet", "main");
    write(made, { "b.txt": "changed\n" });
    made.commit("second");
    made.git("repack", "-adfq", "--depth=50", "--window=50");

    const base = await codebase();
    for (const [ref, commit] of [
      ["light", first],
      ["v1.0", first],
      ["feature/x", branch],
      ["refs/heads/feature/x", branch],
      [first, first],
      ["main", made.git("rev-parse", "main")],
    ] as const) {
      const ready = await imported(base, { url, ref });
      expect(ready, ref).toMatchObject({ ref, commit, root: made.tree(commit) });
    }
  });

  it("ends at once at a commit that is known, and stores one blob when one file changed", async () => {
    const { repository: made, url } = repository({ "a.txt": "a\n", "b/c.txt": "c\n" });
    const base = await codebase({ url });
    const first = await settled(base, 1);
    expect(first).toMatchObject({ state: "ready", counts: { new_blobs: 2 } });
    expect(server.takeFetches()).toBe(1);

    const same = await imported(base, {});
    expect(same).toMatchObject({ root: first.root, commit: first.commit });
    expect(same.counts).toEqual({ ...first.counts, new_blobs: 0 });
    expect(server.requests).toHaveLength(1);
    expect(server.takeFetches()).toBe(0);

    write(made, { "a.txt": "changed\n" });
    const commit = made.commit("change");
    const changed = await imported(base, {});
    expect(changed).toMatchObject({ commit, root: made.tree(), counts: { new_blobs: 1 } });
    expect(server.takeFetches()).toBe(1);
  });

  it.each(["tar", "tar.gz", "zip"])(
    "has the tree of a push of git archive as %s",
    async (format) => {
      const { repository: made } = repository({ "only/a.txt": "a\n", "only/b/c.txt": "c\n" });
      const file = join(made.folder, "..", `${nextName()}.${format}`);
      made.git("archive", `--format=${format}`, `--output=${file}`, "HEAD");
      const base = await codebase();
      const pushed = await client.call(`${base}/archive`, {
        body: new Uint8Array(readFileSync(file)),
        headers: { "content-type": "application/octet-stream" },
      });
      rmSync(file);
      const { number } = snapshotSchema.parse(pushed.json);
      expect(await settled(base, number)).toMatchObject({ state: "ready", root: made.tree() });
    },
  );

  it("asks for an archive again by its ETag", async () => {
    const { repository: made } = repository({ "a.txt": "a\n" });
    const archive = (revision: string) => {
      made.git("archive", "--format=tar.gz", "--output=out.tar.gz", revision);
      return join(made.folder, "out.tar.gz");
    };
    let [body, etag] = [readFileSync(archive("HEAD")), '"one"'];
    const statuses: number[] = [];
    server.intercept = (request, response) => {
      const isSame = request.headers["if-none-match"] === etag;
      statuses.push(isSame ? 304 : 200);
      response.writeHead(isSame ? 304 : 200, { etag });
      response.end(isSame ? undefined : body);
      return true;
    };
    const base = await codebase({ url: `http://${server.host}/made.tar.gz` });
    const first = await settled(base, 1);
    expect(first).toMatchObject({ state: "ready", root: made.tree(), source: { kind: "url" } });
    expect(await imported(base, {})).toMatchObject({ root: first.root, commit: first.commit });
    rmSync(join(made.folder, "out.tar.gz"));
    write(made, { "b.txt": "b\n" });
    made.commit("second");
    [body, etag] = [readFileSync(archive("HEAD")), '"two"'];
    const changed = await imported(base, {});
    expect(changed).toMatchObject({ root: made.tree(), counts: { new_blobs: 1 } });
    expect(statuses).toEqual([200, 304, 200]);
  });

  it("sends a secret to the host it is for, not past a redirect, and shows it nowhere", async () => {
    const { repository: made, url } = repository({ "a.txt": "private\n" });
    server.intercept = (request, response) => {
      if (request.headers.authorization === AUTHORIZATION) return false;
      response.writeHead(401, { "www-authenticate": "Basic" }).end();
      return true;
    };
    const source = { url, secret: "DEPLOY_TOKEN" };
    const base = await codebase(source);
    expect(await settled(base, 1)).toMatchObject({ state: "ready", root: made.tree() });
    const shown = [base, `${base}/snapshots`, `${base}/events?snapshot=1`];
    for (const path of shown) {
      const { text } = await client.call(path);
      expect(text).not.toContain("s3cret");
      expect(text).not.toContain(AUTHORIZATION.slice(6));
    }
    expect((await client.call(base)).json).toMatchObject({ source });
    expect(server.requests.every(({ authorization }) => authorization === AUTHORIZATION)).toBe(
      true,
    );

    expect(await failure({ url })).toMatchObject({
      code: "source_refused",
      message: expect.stringContaining("name it by `secret`"),
    });
    const wrong = { name: "WRONG_TOKEN", value: "deploy:wrong" };
    expect((await client.call("/api/v1/secrets", { json: wrong })).status).toBe(201);
    expect(await failure({ url, secret: "WRONG_TOKEN" })).toMatchObject({
      code: "source_refused",
      message: expect.stringMatching(/answered 401.*"WRONG_TOKEN"/),
    });

    const open = elsewhere.repository(`public${count}`);
    write(open, { "b.txt": "public\n" });
    open.commit("first");
    server.intercept = (request, response) => {
      const location = `${elsewhere.url(`public${count}`)}/info/refs${new URL(`http://x${request.url}`).search}`;
      response.writeHead(302, { location }).end();
      return true;
    };
    expect(await imported(base, {})).toMatchObject({ root: open.tree() });
    expect(elsewhere.requests.map(({ method, authorization }) => [method, authorization])).toEqual([
      ["GET", null],
      ["POST", null],
    ]);
  });

  it("refuses a secret that is not there, and credentials in an address, when it is asked", async () => {
    const { url } = repository({ "a.txt": "a\n" });
    const base = await codebase();
    for (const [path, method, json, field] of [
      [`${base}/import`, "POST", { url, secret: "NO_SUCH" }, "secret"],
      [base, "PATCH", { source: { url, secret: "NO_SUCH" } }, "source.secret"],
      [
        "/api/v1/codebases",
        "POST",
        { name: "x", source: { url, secret: "NO_SUCH" } },
        "source.secret",
      ],
      [`${base}/import`, "POST", { url: url.replace("//", "//me:pw@") }, "url"],
    ] as const) {
      const reply = await client.call(path, { method, json });
      expect(reply.status, reply.text).toBe(422);
      expect(reply.json).toMatchObject({ errors: [{ path: field }] });
    }
    expect(server.requests).toEqual([]);
  });

  it("tries again when a server fails, and says so when the secret is gone by then", async () => {
    const { url } = repository({ "a.txt": "a\n" });
    const secret = { name: "SHORT_LIVED", value: "t0ken" };
    const stored = await client.call("/api/v1/secrets", { json: secret });
    const { id } = z.object({ id: z.string() }).parse(stored.json);
    server.intercept = (_, response) => {
      response.writeHead(503).end();
      return true;
    };
    const base = await codebase({ url, secret: secret.name });
    await expect.poll(() => server.requests.length, { timeout: 30_000 }).toBeGreaterThan(0);
    expect(server.requests[0]?.authorization).toBe("Bearer t0ken");
    const removed = await client.call(`/api/v1/secrets/${id}`, { method: "DELETE" });
    expect(removed.status, removed.text).toBe(204);
    expect((await settled(base, 1)).error).toMatchObject({
      code: "secret_unknown",
      message: expect.stringContaining('"SHORT_LIVED"'),
    });
    const again = await client.call(`${base}/import`, { json: {} });
    expect(again).toMatchObject({ status: 422, json: { errors: [{ path: "source.secret" }] } });
  });

  it("tells why each try failed, while it tries, and forgets it once one does not", async () => {
    const { repository: made, url } = repository({ "a.txt": "a\n" });
    server.intercept = (_, response) => {
      response.writeHead(503).end();
      return true;
    };
    const base = await codebase({ url });
    const cause = `${server.host} answered 503.`;
    await expect
      .poll(async () => (await snapshot(base, 1)).error?.message, { timeout: 30_000 })
      .toBe(cause);
    expect(await snapshot(base, 1)).toMatchObject({ state: "ingesting" });
    server.intercept = () => false;
    expect(await settled(base, 1)).toMatchObject({
      ...{ state: "ready", root: made.tree(), error: null },
    });
    const { text } = await client.call(`${base}/events?snapshot=1`);
    expect(text).toMatch(/event: snapshot\.retrying\n.*"try":1/);
    expect(text).toContain(cause);
  });

  it("follows a redirect on its own host, and none to a private address", async () => {
    const { repository: made, url } = repository({ "a.txt": "a\n" });
    server.intercept = (request, response) => {
      const [, moved, rest] = /^\/(moved|private)(\/.*)$/.exec(request.url ?? "") ?? [];
      if (moved === undefined) return false;
      const host = moved === "moved" ? server.host : "127.0.0.1:9";
      response.writeHead(301, { location: `http://${host}${rest}` }).end();
      return true;
    };
    const base = await codebase();
    const moved = url.replace(server.host, `${server.host}/moved`);
    expect(await imported(base, { url: moved })).toMatchObject({ root: made.tree() });
    const hidden = url.replace(server.host, `${server.host}/private`);
    expect(await failure({ url: hidden })).toMatchObject({
      code: "source_refused",
      message: expect.stringContaining("127.0.0.1:9"),
    });
  });

  it("says what is wrong with a ref, an empty repository, and what is none", async () => {
    const { repository: made, url } = repository({ "a.txt": "a\n" });
    made.git("branch", "develop");
    expect(await failure({ url, ref: "nope" })).toMatchObject({
      code: "ref_unknown",
      message: expect.stringMatching(/no branch or tag "nope".*develop, main/),
    });
    expect(await failure({ url, ref: "f".repeat(40) })).toMatchObject({ code: "source_refused" });
    const empty = nextName();
    server.repository(empty);
    expect(await failure({ url: server.url(empty) })).toMatchObject({ code: "source_empty" });
    expect(await failure({ url: server.url("not-there") })).toMatchObject({
      code: "source_refused",
      message: expect.stringContaining("answered 404"),
    });
    server.intercept = (_, response) => {
      response.end("<html>A page</html>");
      return true;
    };
    expect(await failure({ url })).toMatchObject({ code: "source_unsupported" });
    const bare = await codebase();
    const answer = await client.call(`${bare}/import`, { json: { url: "ssh://host/x.git" } });
    expect(answer.status).toBe(422);
  });

  it("refuses a pack above the cap, and one that is a bomb", async () => {
    const { url } = repository({ "big.bin": randomBytes(26_000_000) });
    expect(await failure({ url })).toMatchObject({
      code: "source_too_large",
      message: expect.stringContaining("archive (.tar.gz)"),
    });
    const bomb = repository({ "zeros.bin": Buffer.alloc(40_000_000) });
    expect(await failure({ url: bomb.url })).toMatchObject({ code: "source_too_large" });
    expect((await client.call("/health")).status).toBe(200);
  });

  it("goes on after kill -9 while it fetches, and after one while it reads", async () => {
    const tree: Record<string, string> = {};
    for (let file = 0; file < 1_500; file += 1) {
      tree[`src/m${file % 40}/f${file}.ts`] = `export const v${file} = ${file};\n`.repeat(40);
    }
    const { repository: made, url } = repository(tree);
    let held = true;
    server.intercept = (request, response) => {
      if (request.method !== "POST" || !held) return false;
      // The answer begins, and does not go on.
      response.writeHead(200, { "content-type": "application/x-git-upload-pack-result" });
      response.write("0008NAK\n");
      return true;
    };
    const base = await codebase();
    const number = await begin(base, { url });
    const posts = () => server.requests.filter(({ method }) => method === "POST").length;
    await expect.poll(posts, { timeout: 30_000 }).toBe(1);
    held = false;
    await service.killAndRecover();
    const received = async () =>
      (await snapshot(base, number).catch(() => null))?.received.files ?? 0;
    await expect.poll(received, { timeout: 60_000, interval: 10 }).toBeGreaterThan(0);
    await service.killAndRecover();
    const ready = await settled(base, number);
    expect(ready).toMatchObject({ state: "ready", root: made.tree(), counts: { files: 1_500 } });
    // What was fetched before the second death was not fetched again.
    expect(posts()).toBe(2);
  });
});
