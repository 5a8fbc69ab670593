import { crc32, deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IntakeError } from "./errors.ts";
import { randomAccess, type ZipInput, zipOf } from "./test-support-archives.ts";
import { openZip } from "./zip.ts";

interface Read {
  readonly kind: string;
  readonly path: string;
  readonly content: Buffer;
}

async function read(bytes: Uint8Array): Promise<Read[]> {
  const archive = await openZip(randomAccess(bytes));
  const entries: Read[] = [];
  for (const { kind, path, pieces } of archive.entries()) {
    const parts: Buffer[] = [];
    for await (const piece of pieces()) parts.push(Buffer.from(piece));
    entries.push({ kind, path, content: Buffer.concat(parts) });
  }
  return entries;
}

const paths = async (inputs: readonly ZipInput[]) =>
  (await read(zipOf(inputs))).map(({ path }) => path);

async function refused(bytes: Uint8Array): Promise<string> {
  const error = await read(bytes).catch((thrown: unknown) => thrown);
  if (!(error instanceof IntakeError)) throw new Error(`expected an IntakeError, got ${error}`);
  return error.code;
}

describe("a zip", () => {
  it("gives its entries, stored or deflated, with sizes before, after or in zip64", async () => {
    const input = fc.record({
      name: fc.stringMatching(/^[a-zé]{1,9}$/),
      content: fc.string({ unit: "binary", maxLength: 3_000 }),
      method: fc.constantFrom(0 as const, 8 as const),
      descriptor: fc.boolean(),
      zip64: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(input),
        fc.string({ maxLength: 9 }),
        fc.boolean(),
        async (inputs, comment, zip64End) => {
          const entries = await read(zipOf(inputs, comment, { zip64End }));
          const expected = inputs.map(({ name, content }) => [
            name,
            Buffer.from(content).toString(),
          ]);
          expect(entries.map(({ path, content }) => [path, content.toString()])).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("inflates what is too large to be inflated at once", async () => {
    const content = Buffer.alloc(3_000_000, "large content ");
    const [entry] = await read(zipOf([{ name: "l", content }]));
    expect(entry?.content.equals(content)).toBe(true);
    const noise = Buffer.from(Array.from({ length: 1_500_000 }, (_, at) => (at * at * 7) >>> 5));
    const [stored] = await read(zipOf([{ name: "l", content: noise, method: 0 }]));
    expect(stored?.content.equals(noise)).toBe(true);
    expect(await refused(zipOf([{ name: "l", content, size: 2_000_000 }]))).toBe(
      "archive_malformed",
    );
    expect(await refused(zipOf([{ name: "l", content, crc: 1 }]))).toBe("archive_malformed");
  });

  it("reads names in UTF-8, in code page 437 and from the field that gives both", async () => {
    const cp437 = new Uint8Array([0x81, 0x2e, 0x9c]);
    expect(await paths([{ name: cp437, host: 0 }])).toEqual(["ü.£"]);
    expect(await paths([{ name: Buffer.from("ü"), flags: 0, host: 3 }])).toEqual(["ü"]);
    expect(await paths([{ name: Buffer.from("ü"), flags: 0, host: 0 }])).toEqual(["├╝"]);
    const field = (crc: number) => {
      const bytes = Buffer.alloc(5 + 4 + 2);
      bytes.writeUInt16LE(0x7075, 0);
      bytes.writeUInt16LE(7, 2);
      bytes.writeUInt8(1, 4);
      bytes.writeUInt32LE(crc, 5);
      return Buffer.concat([bytes.subarray(0, 9), Buffer.from("ü")]);
    };
    const [right, wrong] = [field(crc32("u")), field(1)];
    expect(await paths([{ name: "u", extra: right }])).toEqual(["ü"]);
    expect(await paths([{ name: "u", extra: wrong }])).toEqual(["u"]);
  });

  it("tells links, folders and files by the mode of Unix, else by name", async () => {
    const kinds = (
      await read(
        zipOf([
          { name: "link", content: "to", mode: 0o120777 },
          { name: "a/", mode: 0o040755 },
          { name: "b/", host: 0, mode: 0 },
          { name: "c", host: 0, mode: 0o120777 },
        ]),
      )
    ).map(({ kind }) => kind);
    expect(kinds).toEqual(["symlink", "folder", "folder", "file"]);
    expect(await refused(zipOf([{ name: "pipe", mode: 0o010644 }]))).toBe("entry_unsupported");
  });

  it("is refused when it is encrypted, or compressed in another way", async () => {
    expect(await refused(zipOf([{ name: "a", flags: 1 }]))).toBe("archive_encrypted");
    expect(await refused(zipOf([{ name: "a", method: 99 }]))).toBe("archive_encrypted");
    expect(await refused(zipOf([{ name: "a", method: 12 }]))).toBe("archive_unsupported");
  });

  it("is refused when it says one thing twice, differently", async () => {
    expect(await refused(zipOf([{ name: "a", localName: "b" }]))).toBe("archive_malformed");
    expect(await refused(zipOf([{ name: "a", content: "xy", size: 1, method: 0 }]))).toBe(
      "archive_malformed",
    );
    expect(await refused(zipOf([{ name: "a", content: "xy", size: 1 }]))).toBe("archive_malformed");
    expect(await refused(zipOf([{ name: "a", content: "xy", size: 3 }]))).toBe("archive_malformed");
    expect(await refused(zipOf([{ name: "a", content: "xy", crc: 3 }]))).toBe("archive_malformed");
  });

  it("is refused when entries share their bytes", async () => {
    const one = zipOf([{ name: "a", content: "x" }]);
    const end = one.byteLength - 22;
    const record = one.subarray(one.readUInt32LE(end + 16), end);
    const tail = Buffer.from(one.subarray(end));
    tail.writeUInt16LE(2, 8);
    tail.writeUInt16LE(2, 10);
    tail.writeUInt32LE(record.byteLength * 2, 12);
    const twice = Buffer.concat([one.subarray(0, end), record, tail]);
    expect(await refused(twice)).toBe("archive_malformed");
  });

  it("is refused when its end is missing", async () => {
    const whole = zipOf([{ name: "a", content: "content" }]);
    expect(await refused(whole.subarray(0, whole.byteLength - 1))).toBe("archive_truncated");
    expect(await refused(whole.subarray(40))).toBe("archive_malformed");
    expect(await refused(new Uint8Array(0))).toBe("archive_truncated");
    expect(await read(zipOf([]))).toEqual([]);
  });

  it("holds a bomb to the size it says", async () => {
    const bomb = deflateRawSync(Buffer.alloc(50_000_000));
    const disguised = zipOf([{ name: "b", content: bomb, method: 0 }]);
    const at = disguised.byteLength - 22 - 47;
    disguised.writeUInt16LE(8, at + 10);
    disguised.writeUInt16LE(8, 8);
    expect(await refused(disguised)).toBe("archive_malformed");
  });
});
