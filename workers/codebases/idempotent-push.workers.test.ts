/** `Idempotency-Key` where the body is an archive, which is told from others by its digest. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isolate } from "../test/app.ts";
import { pushedSchema } from "./schemas.ts";
import { listed, manifestOf, TestCodebase, tarballOf } from "./test-support.ts";

const { call } = isolate();

const digestOf = (body: Uint8Array) =>
  `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
const send = (path: string, body: Uint8Array, headers: Readonly<Record<string, string>>) =>
  call(path, { body, headers: { "content-type": "application/octet-stream", ...headers } });

const ONE = tarballOf({ "a.txt": "one\n" });
const TWO = tarballOf({ "a.txt": "two\n" });

describe("an archive under a key", () => {
  it("is taken once, and another under the same key is refused", async () => {
    const codebase = await TestCodebase.create(call);
    const path = `${codebase.path}/archive`;
    const push = (body: Uint8Array, digest = digestOf(body)) =>
      send(path, body, { "idempotency-key": codebase.id, "content-digest": digest });
    const first = await push(ONE);
    expect(first.status, first.text).toBe(202);
    const again = await push(ONE, `md5=:AAAA:, ${digestOf(ONE)}`);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await push(TWO)).toMatchObject({ status: 422, body: { code: "idempotency_mismatch" } });
    await codebase.settled(1);
    expect(await listed(codebase)).toEqual(["a.txt"]);
    expect((await codebase.get("/snapshots")).body.items).toHaveLength(1);
  });

  it("is refused without a digest that tells it from others", async () => {
    const codebase = await TestCodebase.create(call);
    for (const digest of [null, "md5=:AAAA:", "sha-256=:short:", "sha-256=abc"]) {
      const reply = await send(`${codebase.path}/archive`, ONE, {
        "idempotency-key": codebase.id,
        ...(digest !== null && { "content-digest": digest }),
      });
      expect(reply, String(digest)).toMatchObject({
        status: 422,
        body: { errors: [{ path: "headers.content-digest" }] },
      });
    }
    expect((await codebase.get("/snapshots")).body.items).toEqual([]);
  });

  it("is refused when it is not what its digest says, which leaves the key free", async () => {
    const codebase = await TestCodebase.create(call);
    const path = `${codebase.path}/archive`;
    const key = { "idempotency-key": codebase.id, "content-digest": digestOf(ONE) };
    const refused = await send(path, TWO, key);
    expect(refused, refused.text).toMatchObject({
      status: 422,
      body: { code: "validation_failed" },
    });
    expect((await codebase.get("/snapshots")).body.items).toEqual([]);
    expect((await send(path, ONE, key)).status).toBe(202);
    const keyless = await send(path, TWO, { "content-digest": digestOf(ONE) });
    expect(keyless.status).toBe(422);
  });

  it("of contents is verified too", async () => {
    const codebase = await TestCodebase.create(call);
    const begun = await codebase.post("/manifest", { files: manifestOf({ "a.txt": "one\n" }) });
    const { snapshot } = pushedSchema.parse(begun.body);
    const path = `${codebase.path}/snapshots/${snapshot.number}/blobs`;
    const key = { "idempotency-key": codebase.id };
    const other = await send(path, TWO, { ...key, "content-digest": digestOf(ONE) });
    expect(other, other.text).toMatchObject({ status: 422, body: { code: "validation_failed" } });
    const taken = await send(path, TWO, { ...key, "content-digest": digestOf(TWO) });
    expect(taken.body, taken.text).toMatchObject({ taken: 0 });
    const lost = await send(path, ONE, { ...key, "content-digest": digestOf(ONE) });
    expect(lost.body).toMatchObject({ code: "idempotency_mismatch" });
    const fresh = { "idempotency-key": `${codebase.id}-2`, "content-digest": digestOf(ONE) };
    expect((await send(path, ONE, fresh)).body).toMatchObject({ taken: 1 });
  });
});
