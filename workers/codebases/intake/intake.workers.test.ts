/** What is left to the runtime, zlib and decoders above all, held to the same inside workerd. */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { classify } from "./classify.ts";
import { IntakeError } from "./errors.ts";
import { blobDigests } from "./git-objects.ts";
import { readAll, tarOf, tarSource, tgzSource, zipOf, zipSource } from "./test-support-archives.ts";

const KIB = 1024;
/** Around the sizes of buffers: of zlib, of inflating at once, of what is held. */
const SIZES = [
  0,
  1,
  16 * KIB - 1,
  16 * KIB,
  16 * KIB + 1,
  20_000,
  33_333,
  64 * KIB,
  100_001,
  300_007,
  524_289,
  700_001,
  1024 * KIB,
  1024 * KIB + 1,
];
const inputs = SIZES.map((size) => ({
  name: `size-${size}`,
  content: Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >> 7)) & 0xff),
}));

describe("inside workerd", () => {
  it("archives of each format hold the same", async () => {
    const tar = tarOf(inputs);
    for (const source of [tarSource(tar), tgzSource(gzipSync(tar)), zipSource(zipOf(inputs))]) {
      const { files } = await readAll(source);
      expect(files.map(({ path, size, oid, sha256 }) => ({ path, size, oid, sha256 }))).toEqual(
        inputs.map(({ name, content }) => ({
          path: name,
          size: content.byteLength,
          ...blobDigests(content),
        })),
      );
    }
  });

  it("damage is an IntakeError", async () => {
    const tgz = gzipSync(tarOf(inputs));
    const zip = zipOf([{ name: "a", content: "x".repeat(40_000), size: 20_000 }]);
    const flipped = Buffer.from(zipOf(inputs));
    for (let at = 200; at < 4_000; at += 300) flipped.writeUInt8(flipped.readUInt8(at) ^ 0xff, at);
    const sources = [
      tgzSource(tgz.subarray(0, tgz.byteLength / 2)),
      tgzSource(Buffer.from("no gzip")),
      zipSource(zip),
      zipSource(flipped),
    ];
    for (const source of sources) {
      await expect(readAll(source)).rejects.toBeInstanceOf(IntakeError);
    }
  });

  it("a bomb is stopped before it is inflated", async () => {
    const zeros = { name: "zeros", content: new Uint8Array(40_000_000) };
    for (const source of [tgzSource(gzipSync(tarOf([zeros]))), zipSource(zipOf([zeros]))]) {
      await expect(readAll(source)).rejects.toMatchObject({ code: "archive_ratio" });
    }
  });

  it("text is decoded from every encoding", () => {
    const wide = Buffer.from("\uFEFFü\n", "utf16le");
    expect(classify("a", wide).text).toBe("ü\n");
    expect(classify("a", Buffer.from(wide).swap16()).text).toBe("ü\n");
    expect(classify("a", Buffer.from("caf\xe9 au lait", "latin1")).text).toBe("café au lait");
    expect(classify("a", Buffer.from("a\0b")).binary).toBe(true);
  });
});
