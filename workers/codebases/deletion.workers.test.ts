/** A codebase that is deleted under the jobs that are at work for it. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { indexWork } from "../codebase-index.ts";
import { isolate } from "../test/app.ts";
import { codebasePrefix } from "./archives.ts";
import { takeBlob } from "./index/intake/taken.ts";
import { readArchive } from "./intake/archive.ts";
import { snapshotSchema } from "./schemas.ts";
import { FILES, manifestOf, TestCodebase, tarballOf } from "./test-support.ts";

const { call } = isolate();

afterEach(() => {
  vi.restoreAllMocks();
});

async function takenFiles() {
  const files = [];
  const stream = new Response(tarballOf(FILES)).body;
  if (stream === null) throw new Error("no body");
  for await (const file of readArchive({ format: "tar.gz", stream }, { strip: 0 })) {
    files.push(file);
  }
  return files;
}

describe("a codebase that is deleted during an ingest", () => {
  it("takes nothing of what its jobs bring, without errors or anything left", async () => {
    const codebase = await TestCodebase.create(call);
    const index = env.CODEBASE_INDEX.getByName(codebase.id);
    await codebase.push(FILES);
    const { number } = await index.begin({
      ...{ id: crypto.randomUUID(), ref: null, commit: null, manifest: null },
      source: { kind: "archive", url: null },
    });
    const begun = await index.read(number);
    const reading = begun.status === "reading" ? begun.reading : 0;
    const follows = index.events(1_000, null, 10, 60_000);
    expect((await call(codebase.path, { method: "DELETE" })).status).toBe(204);

    const gone = { status: "not_found" };
    const taken = await takenFiles();
    const files = taken.map(({ path, mode, oid, size }) => ({ path, mode, oid, size }));
    await index.touch(number);
    expect(await index.snapshot(String(number))).toBeNull();
    expect(await index.lacking(["a"])).toEqual([]);
    expect(await index.wanted(number, ["a"])).toEqual([]);
    expect(await index.read(number)).toEqual(gone);
    expect(await index.put(number, reading, files, taken.map(takeBlob))).toEqual(gone);
    expect(await index.complete(number, reading, null)).toEqual(gone);
    expect(await index.adopt(number, { commit: "a" })).toBe(false);
    expect(await index.etag(number)).toBeNull();
    expect(await index.retry(number, "why")).toBe(false);
    expect(await index.expectArchive("key", "id")).toBe(false);
    expect(await index.fail(number, { code: "a", message: "b", path: null })).toEqual(gone);
    expect(await index.sources("typescript", [1, 2, 3])).toEqual([]);
    await index.putParsed("typescript", []);
    await index.learnLanguages();
    expect(await follows).toBeNull();
    await runInDurableObject(index, (object) => object.alarm());
    expect(await runDurableObjectAlarm(index)).toBe(false);
    const left = await runInDurableObject(index, (_, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
    );
    expect(left).toEqual([]);
  });

  it("says to who pushes that it is gone", async () => {
    const codebase = await TestCodebase.create(call);
    const index = env.CODEBASE_INDEX.getByName(codebase.id);
    await index.destroy();
    const reply = await codebase.post("/manifest", { files: manifestOf(FILES) });
    expect(reply).toMatchObject({ status: 404, body: { code: "not_found" } });
  });

  it("ends the jobs of its queue quietly, and its archive goes with them", async () => {
    const warned = vi.spyOn(console, "warn");
    const failed = vi.spyOn(console, "error");
    const codebase = await TestCodebase.create(call);
    const reply = await codebase.post("/archive", tarballOf(FILES));
    const { number } = snapshotSchema.parse(reply.body);
    const job = { kind: "ingest", codebase_id: codebase.id, snapshot: number } as const;
    const jobs = [1, 2, 3].map(() => indexWork(env).perform(job));
    expect((await call(codebase.path, { method: "DELETE" })).status).toBe(204);
    await Promise.all(jobs);
    const prefix = codebasePrefix({ id: codebase.id, project_id: "default" });
    await expect.poll(async () => (await env.BLOBS.list({ prefix })).objects).toEqual([]);
    expect(warned).not.toHaveBeenCalled();
    expect(failed).not.toHaveBeenCalled();
  });
});
