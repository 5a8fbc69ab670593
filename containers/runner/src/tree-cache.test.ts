import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import type { MountedTree } from "../../../workers/executors/port.ts";
import { ARCHIVE_END, writeEntry } from "../../../workers/executors/tree-archive.ts";
import { TreeCache } from "./tree-cache.ts";

const folder = mkdtempSync(join(tmpdir(), "pipelzr-trees-"));
const FILE_BYTES = 1_000;

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const tree = (key: string): MountedTree => ({ path: "code", key, files: 1, bytes: FILE_BYTES });

function archive(path = "src/a.txt"): Buffer {
  const content = new Uint8Array(FILE_BYTES).fill(97);
  const entry = { path, kind: "file", content } as const;
  return gzipSync(Buffer.concat([...writeEntry(entry), ARCHIVE_END]));
}

async function* pieces(...all: readonly (Uint8Array | Error)[]) {
  for (const piece of all) {
    if (piece instanceof Error) throw piece;
    yield piece;
  }
}

const cacheOf = (maxBytes = 1 << 30) =>
  new TreeCache({ folder, maxBytes, warn: (message) => expect.fail(message) });

describe("trees on a runner", () => {
  it("are fetched once for all that hold them at a time, and later", async () => {
    const cache = cacheOf();
    let fetched = 0;
    const open = async () => {
      fetched += 1;
      return pieces(archive());
    };
    const held = await Promise.all([1, 2, 3].map(() => cache.hold(tree("one"), open)));
    const later = await cacheOf().hold(tree("one"), open);
    expect(fetched).toBe(1);
    expect(new Set([...held, later].map(({ path }) => path)).size).toBe(1);
    expect(readFileSync(join(later.path, "src/a.txt"), "utf8")).toBe("a".repeat(FILE_BYTES));
    expect(lstatSync(join(later.path, "src/a.txt")).mode & 0o777).toBe(0o444);
    expect(lstatSync(join(later.path, "src")).mode & 0o777).toBe(0o555);
  });

  it("go, those used longest ago first, when they take too much, and nobody holds them", async () => {
    const cache = cacheOf(12_000);
    const open = async () => pieces(archive());
    const first = await cache.hold(tree("first"), open);
    (await cache.hold(tree("second"), open)).release();
    (await cache.hold(tree("third"), open)).release();
    const kept = () => readdirSync(folder).length;
    expect(kept()).toBe(2);
    expect(readdirSync(first.path)).toEqual(["src"]);
    first.release();
    first.release();
    (await cache.hold(tree("fourth"), open)).release();
    expect(kept()).toBe(2);
    expect(() => readdirSync(first.path)).toThrow();
  });

  it("whose transfer breaks off are fetched anew, and nothing is left of the first try", async () => {
    const whole = archive();
    const tries = [
      pieces(whole.subarray(0, 40), new Error("connection reset")),
      pieces(whole.subarray(0, whole.length - 20)),
      pieces(whole),
    ];
    const open = async () => tries.shift() ?? pieces();
    const { path } = await cacheOf().hold(tree("broken"), open);
    expect(readdirSync(path)).toEqual(["src"]);
    expect(readdirSync(folder)).toHaveLength(1);
    expect(tries).toEqual([]);
  });

  it("whose fetch is ended by another attempt are fetched by the next", async () => {
    const cache = cacheOf();
    const { promise, reject } = Promise.withResolvers<AsyncIterable<Uint8Array>>();
    const begun = Promise.withResolvers<void>();
    const first = cache.hold(tree("shared"), () => {
      begun.resolve();
      return promise;
    });
    await begun.promise;
    const second = cache.hold(tree("shared"), async () => pieces(archive()));
    promise.catch(() => undefined);
    reject(new Error("cancelled"));
    await expect(first).rejects.toThrow("cancelled");
    expect(readdirSync((await second).path)).toEqual(["src"]);
  });

  it.each(["../up.txt", "/abs.txt", "a/../../b"])("do not write to %s", async (path) => {
    const held = cacheOf().hold(tree("evil"), async () => pieces(archive(path)));
    await expect(held).rejects.toMatchObject({ outcome: { code: "tree_not_unpacked" } });
    expect(readdirSync(folder)).toEqual([]);
  });
});
