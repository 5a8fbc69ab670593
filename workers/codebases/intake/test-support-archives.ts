/** Writers of tar and zip that can write what no tool would, and a reader of whole archives. */
import { crc32, deflateRawSync } from "node:zlib";
import {
  type ArchiveFile,
  type ArchiveOptions,
  type ArchiveSource,
  type ArchiveSummary,
  readArchive,
} from "./archive.ts";
import type { RandomAccess } from "./zip.ts";

export interface TarInput {
  readonly name: string | Uint8Array;
  readonly type?: string;
  readonly content?: string | Uint8Array;
  readonly target?: string;
  readonly mode?: number;
  /** What the size field says, when it is not the truth. */
  readonly size?: string | Uint8Array;
  readonly prefix?: string;
  readonly magic?: string;
}

export function tarHeader(input: TarInput): Buffer {
  const block = Buffer.alloc(512);
  const put = (value: string | Uint8Array, at: number) => Buffer.from(value).copy(block, at);
  const bytes = Buffer.from(input.content ?? "").byteLength;
  put(input.name, 0);
  put((input.mode ?? 0o644).toString(8).padStart(7, "0"), 100);
  put(input.size ?? bytes.toString(8).padStart(11, "0"), 124);
  put("00000000000", 136);
  block.write(input.type ?? "0", 156, "latin1");
  put(input.target ?? "", 157);
  put(input.magic ?? "ustar\x0000", 257);
  put(input.prefix ?? "", 345);
  return sealed(block);
}

/** With the checksum of its bytes. */
function sealed(block: Buffer): Buffer {
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

export function tarOf(
  inputs: readonly TarInput[],
  options: { readonly end?: boolean } = {},
): Buffer {
  const blocks = inputs.flatMap((input) => {
    const content = Buffer.from(input.content ?? "");
    const padding = Buffer.alloc((512 - (content.byteLength % 512)) % 512);
    return [tarHeader(input), content, padding];
  });
  return Buffer.concat([...blocks, ...(options.end === false ? [] : [Buffer.alloc(1024)])]);
}

export function pax(records: Readonly<Record<string, string>>, type = "x"): TarInput {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = Buffer.byteLength(rest) + 1;
    while (String(length).length + Buffer.byteLength(rest) !== length) length += 1;
    return `${length}${rest}`;
  });
  return { name: "pax", type, content: lines.join("") };
}

export interface ZipInput {
  readonly name: string | Uint8Array;
  readonly content?: string | Uint8Array;
  readonly method?: 0 | 8 | 99 | 12;
  readonly flags?: number;
  readonly mode?: number;
  readonly host?: number;
  readonly extra?: Uint8Array;
  /** Sizes in a zip64 field, whether they need it or not. */
  readonly zip64?: boolean;
  readonly size?: number;
  readonly crc?: number;
  /** Sizes after the content, as writers that stream give them. */
  readonly descriptor?: boolean;
  readonly localName?: string;
}

const u16 = (...values: number[]) => Buffer.from(new Uint16Array(values).buffer);
const u32 = (...values: number[]) => Buffer.from(new Uint32Array(values).buffer);
const u64 = (...values: number[]) => Buffer.from(new BigUint64Array(values.map(BigInt)).buffer);
const WIDE = 0xffffffff;

export function zipOf(
  inputs: readonly ZipInput[],
  comment = "",
  options: { readonly zip64End?: boolean } = {},
): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const input of inputs) {
    const content = Buffer.from(input.content ?? "");
    const method = input.method ?? 8;
    const data = method === 8 ? deflateRawSync(content) : content;
    const size = input.size ?? content.byteLength;
    const name = Buffer.from(input.name);
    const isAscii = name.every((byte: number) => byte < 128);
    const flags =
      (input.flags ?? (isAscii || typeof input.name !== "string" ? 0 : 1 << 11)) |
      (input.descriptor ? 8 : 0);
    const crc = input.crc ?? crc32(content);
    const wide = input.zip64 ? Buffer.concat([u16(1, 24), u64(size, data.byteLength, offset)]) : "";
    const extra = Buffer.concat([Buffer.from(wide), input.extra ?? Buffer.alloc(0)]);
    const sizes = input.zip64 ? u32(WIDE, WIDE) : u32(data.byteLength, size);
    const localName = Buffer.from(input.localName ?? name);
    const local = Buffer.concat([
      u32(0x04034b50),
      u16(20, flags, method, 0, 0),
      input.descriptor ? u32(0, 0, 0) : Buffer.concat([u32(crc), sizes]),
      u16(localName.byteLength, 0),
      localName,
      data,
      input.descriptor ? u32(0x08074b50, crc, data.byteLength, size) : Buffer.alloc(0),
    ]);
    const record = Buffer.concat([
      u32(0x02014b50),
      u16(((input.host ?? 3) << 8) | 20, 20, flags, method, 0, 0),
      u32(crc),
      sizes,
      u16(name.byteLength, extra.byteLength, 0, 0, 0),
      u32(((input.mode ?? 0o100644) << 16) >>> 0, input.zip64 ? WIDE : offset),
      name,
      extra,
    ]);
    bodies.push(local);
    directory.push(record);
    offset += local.byteLength;
  }
  const records = Buffer.concat(directory);
  const count = inputs.length;
  const isWide = options.zip64End === true;
  const wideEnd = Buffer.concat([
    u32(0x06064b50),
    u64(44),
    u16(45, 45),
    u32(0, 0),
    u64(count, count, records.byteLength, offset),
    u32(0x07064b50, 0),
    u64(offset + records.byteLength),
    u32(1),
  ]);
  const tail = Buffer.concat([
    isWide ? wideEnd : Buffer.alloc(0),
    u32(0x06054b50),
    isWide ? u16(0, 0, 0xffff, 0xffff) : u16(0, 0, count, count),
    isWide ? u32(WIDE, WIDE) : u32(records.byteLength, offset),
    u16(Buffer.byteLength(comment)),
    Buffer.from(comment),
  ]);
  return Buffer.concat([...bodies, records, tail]);
}

/** A stream of `bytes` in pieces of the given sizes, over and over. */
export function streamOf(
  bytes: Uint8Array,
  sizes: readonly number[] = [65_536],
): ReadableStream<Uint8Array> {
  let at = 0;
  let turn = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.byteLength) return controller.close();
      const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
      turn += 1;
      controller.enqueue(bytes.subarray(at, at + size));
      at += size;
    },
  });
}

export function randomAccess(bytes: Uint8Array): RandomAccess {
  return {
    size: bytes.byteLength,
    read: async (offset, length) => bytes.slice(offset, offset + length),
  };
}

export const tarSource = (bytes: Uint8Array, sizes?: readonly number[]): ArchiveSource => ({
  format: "tar",
  stream: streamOf(bytes, sizes),
});
export const tgzSource = (bytes: Uint8Array, sizes?: readonly number[]): ArchiveSource => ({
  format: "tar.gz",
  stream: streamOf(bytes, sizes),
});
export const zipSource = (bytes: Uint8Array): ArchiveSource => ({
  format: "zip",
  file: randomAccess(bytes),
});

export interface WholeArchive {
  readonly files: ArchiveFile[];
  readonly summary: ArchiveSummary;
}

export async function readAll(
  source: ArchiveSource,
  options: ArchiveOptions = {},
): Promise<WholeArchive> {
  const reading = readArchive(source, options);
  const files: ArchiveFile[] = [];
  for (;;) {
    const next = await reading.next();
    if (next.done === true) return { files, summary: next.value };
    files.push(next.value);
  }
}

/** Path to text, for files that are held. */
export function texts(files: readonly ArchiveFile[]): Record<string, string | null> {
  return Object.fromEntries(
    files.map(({ path, content }) => [path, content && Buffer.from(content).toString()]),
  );
}
