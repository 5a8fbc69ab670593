import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IntakeError } from "./errors.ts";
import { readTar } from "./tar.ts";
import { pax, streamOf, type TarInput, tarHeader, tarOf } from "./test-support-archives.ts";

interface Read {
  readonly kind: string;
  readonly path: string;
  readonly target: string;
  readonly content: string;
}

async function read(bytes: Uint8Array, sizes: readonly number[] = [65_536]): Promise<Read[]> {
  const entries: Read[] = [];
  for await (const { kind, path, target, pieces } of readTar(streamOf(bytes, sizes))) {
    const parts: Buffer[] = [];
    for await (const piece of pieces()) parts.push(Buffer.from(piece));
    entries.push({ kind, path, target: target.text, content: Buffer.concat(parts).toString() });
  }
  return entries;
}

const paths = async (inputs: readonly TarInput[]) =>
  (await read(tarOf(inputs))).map(({ path }) => path);

async function refused(bytes: Uint8Array): Promise<string> {
  const error = await read(bytes).catch((thrown: unknown) => thrown);
  if (!(error instanceof IntakeError)) throw new Error(`expected an IntakeError, got ${error}`);
  return error.code;
}

describe("a tar", () => {
  it("gives its entries in order, whatever the pieces it comes in", async () => {
    const text = fc.string({ unit: "binary", maxLength: 1_200 });
    const inputs = fc.array(fc.record({ name: fc.stringMatching(/^[a-z]{1,9}$/), content: text }));
    await fc.assert(
      fc.asyncProperty(
        inputs,
        fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 4 }),
        async (files, sizes) => {
          const expected = files.map(({ name, content }) => [
            name,
            Buffer.from(content).toString(),
          ]);
          const entries = await read(tarOf(files), sizes);
          expect(entries.map(({ path, content }) => [path, content])).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("passes over content that is not read, or read in part", async () => {
    const inputs = ["a", "b", "c"].map((name) => ({ name, content: name.repeat(1_500) }));
    const seen: string[] = [];
    for await (const entry of readTar(streamOf(tarOf(inputs), [400]))) {
      seen.push(entry.path);
      if (entry.path !== "b") continue;
      for await (const piece of entry.pieces()) {
        expect(piece.byteLength).toBeGreaterThan(0);
        break;
      }
    }
    expect(seen).toEqual(["a", "b", "c"]);
  });

  it("takes names from the prefix, from PAX and from GNU, the last one said first", async () => {
    const long = `${"d/".repeat(120)}e`;
    expect(await paths([{ name: "f", prefix: "a/b" }])).toEqual(["a/b/f"]);
    expect(await paths([{ name: "f", prefix: "a/b", magic: "ustar  \0" }])).toEqual(["f"]);
    expect(await paths([pax({ path: long }), { name: "cut" }, { name: "g" }])).toEqual([long, "g"]);
    expect(
      await paths([
        { name: "././@LongLink", type: "L", content: `${long}\0` },
        { name: "cut" },
        { name: "g" },
      ]),
    ).toEqual([long, "g"]);
    expect(
      await paths([
        { name: "L", type: "L", content: "gnu\0" },
        pax({ path: "pax" }),
        { name: "x" },
      ]),
    ).toEqual(["pax"]);
    expect(await paths([pax({ path: "" }), { name: "own" }])).toEqual(["own"]);
  });

  it("takes sizes from PAX and from base-256", async () => {
    const wide = Buffer.alloc(12);
    wide[0] = 0x80;
    wide.writeUInt32BE(3, 8);
    const said = { name: "w", content: "abc", size: wide };
    expect((await read(tarOf([said])))[0]?.content).toBe("abc");
    const paxed = { name: "p", content: "abc", size: "00000000000" };
    expect((await read(tarOf([pax({ size: "3" }), paxed])))[0]?.content).toBe("abc");
    const negative = { name: "n", size: Buffer.alloc(12, 0xff) };
    expect(await refused(tarOf([negative]))).toBe("archive_malformed");
    const huge = {
      name: "h",
      size: Buffer.from([0x80, 127, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]),
    };
    expect(await refused(tarOf([huge]))).toBe("archive_malformed");
  });

  it("keeps targets of links, and knows folders of before POSIX", async () => {
    const entries = await read(
      tarOf([
        { name: "s", type: "2", target: "../t" },
        { name: "k", type: "K", content: "long/target\0" },
        { name: "h", type: "1", target: "cut" },
        { name: "old/", type: "\0", magic: "" },
      ]),
    );
    expect(entries.map(({ kind, target }) => [kind, target])).toEqual([
      ["symlink", "../t"],
      ["hard_link", "long/target"],
      ["folder", ""],
    ]);
  });

  it("gives what PAX says for the whole archive", async () => {
    const seen: (string | undefined)[] = [];
    const bytes = tarOf([pax({ comment: "c0ffee" }, "g"), { name: "a" }]);
    const onGlobal = (records: ReadonlyMap<string, { text: string }>) =>
      seen.push(records.get("comment")?.text);
    for await (const entry of readTar(streamOf(bytes), onGlobal)) seen.push(entry.path);
    expect(seen).toEqual(["c0ffee", "a"]);
  });

  it("is refused when it holds what is no file, folder or link", async () => {
    for (const type of ["3", "4", "6", "S", "M", "?"]) {
      expect(await refused(tarOf([{ name: "x", type }]))).toBe("entry_unsupported");
    }
    const sparse = pax({ "GNU.sparse.major": "1" });
    expect(await refused(tarOf([sparse, { name: "x" }]))).toBe("entry_unsupported");
  });

  it("is refused when it is cut off or damaged", async () => {
    const whole = tarOf([{ name: "a", content: "x".repeat(700) }, { name: "b" }]);
    for (const length of [1, 511, 512, 600, 1_300, 1_536, 2_047]) {
      expect(await refused(whole.subarray(0, length))).toBe("archive_truncated");
    }
    expect(await refused(new Uint8Array(0))).toBe("archive_empty");
    expect(await refused(Buffer.alloc(512, "x"))).toBe("archive_malformed");
    for (const content of ["no record", "99 a=b\n", "5 ab\n", "x a=b\n", "0 a=b\n"]) {
      expect(await refused(tarOf([{ name: "p", type: "x", content }]))).toBe("archive_malformed");
    }
    const meta = { name: "p", type: "x", size: "77777777777" };
    expect(await refused(tarOf([meta]))).toBe("archive_malformed");
    expect(await refused(tarOf([pax({ size: "-1" }), { name: "a" }]))).toBe("archive_malformed");
    expect(await refused(tarOf([{ name: "h", type: "1", content: "x" }]))).toBe(
      "archive_malformed",
    );
  });

  it("may sum the bytes of a header as signed ones", async () => {
    const block = tarHeader({ name: "é" });
    const sum = [...block].reduce((total, byte, at) => {
      if (at >= 148 && at < 156) return total + 32;
      return total + (byte > 127 ? byte - 256 : byte);
    }, 0);
    block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    expect(await read(Buffer.concat([block, Buffer.alloc(1024)]))).toHaveLength(1);
  });

  it("says when a name is no UTF-8", async () => {
    const bytes = tarOf([{ name: new Uint8Array([0x61, 0xe9]) }]);
    for await (const { path, isUtf8 } of readTar(streamOf(bytes))) {
      expect([path, isUtf8]).toEqual(["aé", false]);
    }
  });
});
