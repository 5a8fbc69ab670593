/** Damaged archives give the right content or an IntakeError, and always come to an end. */
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ArchiveSource } from "./archive.ts";
import { IntakeError } from "./errors.ts";
import { blobDigests } from "./git-objects.ts";
import {
  pax,
  readAll,
  tarOf,
  tarSource,
  tgzSource,
  zipOf,
  zipSource,
} from "./test-support-archives.ts";

const files = [
  { name: "src/a.ts", content: "export const a = 1;\n".repeat(60) },
  { name: "src/empty", content: "" },
  { name: "run", content: "#!/bin/sh\nexit 0\n" },
  { name: "ü/b.md", content: "# B\n" },
];
const tar = tarOf([
  pax({ comment: "x" }, "g"),
  ...files,
  pax({ path: "long/name" }),
  { name: "l" },
]);
const zip = zipOf(
  files.map((file, at) => ({ ...file, descriptor: at % 2 === 0, zip64: at === 2 })),
);
const FORMATS: readonly (readonly [string, Buffer, (bytes: Uint8Array) => ArchiveSource])[] = [
  ["tar", tar, (bytes) => tarSource(bytes, [100, 700])],
  ["tar.gz", gzipSync(tar), (bytes) => tgzSource(bytes, [64])],
  ["zip", zip, zipSource],
  ["zip64", zipOf(files, "", { zip64End: true }), zipSource],
];

/** Resolves with the paths that were read, after checking that each has the digests it says. */
async function survive(source: ArchiveSource): Promise<"read" | IntakeError> {
  try {
    const { files: read } = await readAll(source);
    for (const { content, oid, sha256 } of read) {
      if (content) expect(blobDigests(content)).toEqual({ oid, sha256 });
    }
    return "read";
  } catch (error) {
    expect(error).toBeInstanceOf(IntakeError);
    if (!(error instanceof IntakeError)) throw error;
    expect(error.message.length).toBeGreaterThan(20);
    return error;
  }
}

describe.each(FORMATS)("a damaged %s", (name, whole, sourceOf) => {
  it("is refused wherever it is cut off", async () => {
    for (let length = 0; length < whole.byteLength; length += name === "tar" ? 97 : 5) {
      const outcome = await survive(sourceOf(whole.subarray(0, length)));
      // A tar may end with one block of zeros or with two.
      const isWhole = name === "tar" && length >= whole.byteLength - 512;
      if (!isWhole) expect(outcome, String(length)).toBeInstanceOf(IntakeError);
    }
  });

  it("is read or refused with any bits flipped", async () => {
    const flip = fc.tuple(fc.nat(whole.byteLength - 1), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 4 }), async (flips) => {
        const bytes = Buffer.from(whole);
        for (const [at, mask] of flips) bytes.writeUInt8(bytes.readUInt8(at) ^ mask, at);
        await survive(sourceOf(bytes));
      }),
      { numRuns: 300 },
    );
  });

  it("is read or refused with parts moved, doubled or made up", async () => {
    const part = fc.tuple(fc.nat(whole.byteLength), fc.nat(600));
    const piece = fc.oneof(
      part.map(([at, length]) => whole.subarray(at, at + length)),
      fc.uint8Array({ maxLength: 40 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 6 }), fc.boolean(), async (pieces, follows) => {
        await survive(sourceOf(Buffer.concat(follows ? [...pieces, whole] : [whole, ...pieces])));
        await survive(sourceOf(Buffer.concat(pieces)));
      }),
      { numRuns: 100 },
    );
  });
});

describe("a tar with any header", () => {
  it("is read or refused", async () => {
    const entry = fc.record({
      name: fc.string({ unit: "binary", maxLength: 30 }),
      type: fc.constantFrom("0", "1", "2", "5", "x", "g", "L", "K", "7", "\0", "X", "D"),
      content: fc.oneof(
        fc.string({ maxLength: 30 }),
        fc.constant("12 path=abc\n"),
        fc.constant("9 size=9\n"),
      ),
      target: fc.string({ maxLength: 20 }),
      prefix: fc.string({ maxLength: 10 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (entries) => {
        await survive(tarSource(tarOf(entries)));
      }),
      { numRuns: 300 },
    );
  });
});
