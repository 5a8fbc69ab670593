/** envd's files, over REST and Connect, by requests and answers written from the wire facts. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { create, enter, type Handle, outputOf, unary } from "./fixture.ts";
import { type FakeE2B, startFakeE2B } from "./server.ts";

let fake: FakeE2B;
let box: Handle;
beforeAll(async () => {
  fake = await startFakeE2B();
  box = await create(fake);
});
afterAll(() => fake.stop());

const fileUrl = (path: string) => `/files?path=${encodeURIComponent(path)}`;
const read = (path: string) => enter(fake, box, fileUrl(path));

function write(path: string, body: string | Uint8Array, headers: Record<string, string> = {}) {
  return enter(fake, box, fileUrl(path), {
    method: "POST",
    headers: { "content-type": "application/octet-stream", ...headers },
    body,
  });
}

const call = (method: string, message: object) =>
  unary(fake, box, `filesystem.Filesystem/${method}`, message);

describe("uploads", () => {
  it("take bytes as they are, and make folders on the way", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const response = await write("~/a/b.bin", bytes);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual([
      { path: "/home/user/a/b.bin", name: "b.bin", type: "file" },
    ]);
    expect(new Uint8Array(await (await read("/home/user/a/b.bin")).arrayBuffer())).toEqual(bytes);
    expect(await outputOf(fake, box, "wc -c < /home/user/a/b.bin")).toBe("256\n");
  });

  it("take gzip, and metadata in headers that a later upload replaces", async () => {
    const headers = { "content-encoding": "gzip", "x-metadata-kind": "log" };
    const response = await write("z.txt", gzipSync("packed"), headers);
    expect(await response.json()).toMatchObject([{ metadata: { kind: "log" } }]);
    expect(await (await read("z.txt")).text()).toBe("packed");
    const entry = async () => (await call("Stat", { path: "z.txt" })).json();
    expect(await entry()).toMatchObject({ entry: { metadata: { kind: "log" } } });
    await write("z.txt", "plain");
    expect(await entry()).not.toHaveProperty("entry.metadata");
  });

  it("take forms, of one file or of many that name their own paths", async () => {
    const one = new FormData();
    one.append("file", new Blob(["one"]), "ignored");
    const first = await enter(fake, box, fileUrl("/tmp/one"), { method: "POST", body: one });
    expect(await first.json()).toEqual([{ path: "/tmp/one", name: "one", type: "file" }]);
    const many = new FormData();
    many.append("file", new Blob(["1"]), "/tmp/many/1");
    many.append("file", new Blob(["2"]), "many/2");
    const second = await enter(fake, box, "/files", { method: "POST", body: many });
    expect(await second.json()).toMatchObject([
      { path: "/tmp/many/1" },
      { path: "/home/user/many/2" },
    ]);
    expect(await outputOf(fake, box, "cat /tmp/one /tmp/many/1 many/2")).toBe("one12");
  });

  it("refuse what they cannot do", async () => {
    const status = async (response: Promise<Response>) => {
      const answer = await response;
      expect(await answer.json()).toEqual({ code: answer.status, message: expect.any(String) });
      return answer.status;
    };
    expect(await status(write("/home/user", "x"))).toBe(400);
    expect(await status(write("~other/x", "x"))).toBe(400);
    expect(await status(write("/tmp/x", "x", { "content-type": "text/plain" }))).toBe(400);
    const form = new FormData();
    form.append("file", new Blob(["1"]), "same");
    form.append("file", new Blob(["2"]), "same");
    expect(await status(enter(fake, box, "/files", { method: "POST", body: form }))).toBe(400);
  });
});

describe("downloads", () => {
  it("tell what is missing or a folder", async () => {
    for (const [path, status] of [
      ["/nope", 404],
      ["/home/user", 400],
    ] as const) {
      const response = await read(path);
      expect(response.status).toBe(status);
      expect(await response.json()).toEqual({ code: status, message: expect.any(String) });
    }
  });

  it("need the token, or a signature made with it that has not expired", async () => {
    await write("/tmp/signed", "signed");
    const { sandboxID, envdAccessToken } = box;
    const sign = (operation: string, expiration?: number) => {
      const parts = ["/tmp/signed", operation, "user", envdAccessToken, expiration];
      const text = parts.filter((part) => part !== undefined).join(":");
      const signature = `v1_${createHash("sha256").update(text).digest("base64").replace(/=+$/, "")}`;
      const query = new URLSearchParams({ path: "/tmp/signed", username: "user", signature });
      if (expiration !== undefined) query.set("signature_expiration", String(expiration));
      return enter(fake, { sandboxID }, `/files?${query}`);
    };
    const now = Math.floor(Date.now() / 1_000);
    expect(await (await sign("read")).text()).toBe("signed");
    expect((await sign("read", now + 60)).status).toBe(200);
    expect((await sign("read", now - 1)).status).toBe(401);
    expect((await sign("write")).status).toBe(401);
    expect((await enter(fake, { sandboxID }, fileUrl("/tmp/signed"))).status).toBe(401);
    const wrong = { sandboxID, envdAccessToken: "00" };
    expect((await enter(fake, wrong, fileUrl("/tmp/signed"))).status).toBe(401);
  });
});

describe("the file system", () => {
  it("describes an entry, its size as text", async () => {
    await write("/tmp/five", "12345");
    const response = await call("Stat", { path: "/tmp/five" });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      entry: {
        name: "five",
        type: "FILE_TYPE_FILE",
        path: "/tmp/five",
        size: "5",
        mode: 0o644,
        permissions: "-rw-r--r--",
        owner: "user",
        group: "user",
        modifiedTime: expect.stringMatching(/Z$/),
      },
    });
  });

  it("makes, moves, lists and removes", async () => {
    expect(await (await call("MakeDir", { path: "d/e" })).json()).toMatchObject({
      entry: { path: "/home/user/d/e", type: "FILE_TYPE_DIRECTORY", permissions: "drwxr-xr-x" },
    });
    await write("d/e/f", "f");
    await write("d/g", "g");
    const list = async (depth?: number) => {
      const response = await call("ListDir", { path: "d", ...(depth && { depth }) });
      const { entries = [] } = await response.json<{ entries?: { path: string }[] }>();
      return entries.map(({ path }) => path.replace("/home/user/", ""));
    };
    expect(await list()).toEqual(["d/e", "d/g"]);
    expect(await list(2)).toEqual(["d/e", "d/e/f", "d/g"]);
    const moved = await call("Move", { source: "d/g", destination: "d/new/h" });
    expect(await moved.json()).toMatchObject({ entry: { path: "/home/user/d/new/h" } });
    expect(await (await call("Remove", { path: "d/e" })).json()).toEqual({});
    expect((await call("Remove", { path: "d/e" })).status).toBe(200);
    expect(await list(2)).toEqual(["d/new", "d/new/h"]);
    await call("Remove", { path: "d/new" });
    expect(await (await call("ListDir", { path: "d" })).json()).toEqual({});
  });

  it.each([
    ["Stat", { path: "/nope" }, 404, "not_found"],
    ["ListDir", { path: "/nope" }, 404, "not_found"],
    ["ListDir", { path: "file" }, 400, "invalid_argument"],
    ["MakeDir", { path: "/home/user" }, 409, "already_exists"],
    ["MakeDir", { path: "file" }, 400, "invalid_argument"],
    ["MakeDir", { path: "~other" }, 400, "invalid_argument"],
    ["Move", { source: "/nope", destination: "/tmp/x" }, 404, "not_found"],
    ["ListDir", { path: "loop" }, 400, "failed_precondition"],
  ])("%s %j is answered %i", async (method, message, status, code) => {
    await write("file", "x");
    await outputOf(fake, box, "ln -sf loop loop");
    const response = await call(method, message);
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ code, message: expect.any(String) });
  });

  it("follows symbolic links inside the sandbox alone", async () => {
    await write("/tmp/links/target", "inside");
    await outputOf(
      fake,
      box,
      "ln -s /tmp/links/target link; ln -s ../../../../.. up; ln -s /tmp/links dir",
    );
    expect(await (await read("link")).text()).toBe("inside");
    expect(await (await read("up/tmp/links/target")).text()).toBe("inside");
    expect(await (await call("Stat", { path: "link" })).json()).toMatchObject({
      entry: {
        type: "FILE_TYPE_FILE",
        symlinkTarget: "/tmp/links/target",
        permissions: "Lrwxrwxrwx",
      },
    });
    expect(await (await call("ListDir", { path: "dir" })).json()).toMatchObject({
      entries: [{ path: "/home/user/dir/target" }],
    });
    await call("Remove", { path: "link" });
    expect(await (await read("/tmp/links/target")).text()).toBe("inside");
  });
});
