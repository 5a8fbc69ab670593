/** The central directory of a zip: where it is, and what it says of each entry. */
import { crc32 } from "node:zlib";
import { decodeCp437 } from "./cp437.ts";
import { IntakeError, malformed, truncated } from "./errors.ts";
import { type DecodedName, decodeName } from "./text.ts";
import type { WindowedReader } from "./zip-source.ts";

/** What the central directory says of an entry, before any of it is believed. */
export interface ZipRecord {
  readonly path: string;
  readonly isUtf8: boolean;
  /** The bytes of the name, as Latin-1: a string takes a quarter of the memory of an array. */
  readonly rawName: string;
  readonly flags: number;
  readonly method: number;
  readonly crc32: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly localOffset: number;
  /** The mode of Unix, 0 where the archive comes from elsewhere. */
  readonly unixMode: number;
  readonly isDosFolder: boolean;
}

export interface ZipDirectory {
  readonly count: number;
  readonly comment: string;
  records(): AsyncGenerator<ZipRecord, void>;
}

const END = 0x06054b50;
const END_BYTES = 22;
const END64_LOCATOR = 0x07064b50;
const END64_LOCATOR_BYTES = 20;
const END64 = 0x06064b50;
const END64_BYTES = 56;
const RECORD = 0x02014b50;
const RECORD_BYTES = 46;
const MAX_COMMENT_BYTES = 0xffff;
const IN_ZIP64 = 0xffffffff;
const IN_ZIP64_SHORT = 0xffff;

const EXTRA_ZIP64 = 0x0001;
const EXTRA_UNICODE_PATH = 0x7075;
export const FLAG_UTF8 = 1 << 11;
/** Hosts whose modes are those of Unix, and whose names are UTF-8 whatever the flags say. */
const UNIX_HOSTS = new Set([3, 19]);
const DOS_FOLDER = 0x10;

interface Location {
  readonly count: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Finds the directory from the end of the archive; throws IntakeError when there is none. */
export async function openDirectory(reader: WindowedReader): Promise<ZipDirectory> {
  const tailBytes = Math.min(reader.size, END_BYTES + MAX_COMMENT_BYTES);
  const tailAt = reader.size - tailBytes;
  const tail = await reader.read(tailAt, tailBytes);
  const end = findEnd(tail);
  const comment = tail.subarray(end + END_BYTES);
  if (tail.readUInt16LE(end + 4) !== 0 || tail.readUInt16LE(end + 6) !== 0) {
    const message = "The zip is split into parts. Put it together into one file and send that.";
    throw new IntakeError("archive_unsupported", message);
  }
  const location = await locate(reader, tailAt + end, tail.subarray(end, end + END_BYTES));
  if (location.offset + location.bytes > tailAt + end) throw malformed("its directory is cut off");
  if (location.count * RECORD_BYTES > location.bytes) throw malformed("its directory is too short");
  return {
    count: location.count,
    comment: comment.toString("latin1"),
    records: () => readRecords(reader, location),
  };
}

function findEnd(tail: Buffer): number {
  for (let at = tail.byteLength - END_BYTES; at >= 0; at -= 1) {
    if (tail.readUInt32LE(at) !== END) continue;
    if (at + END_BYTES + tail.readUInt16LE(at + 20) === tail.byteLength) return at;
  }
  throw truncated();
}

async function locate(reader: WindowedReader, endAt: number, end: Buffer): Promise<Location> {
  const short = {
    count: end.readUInt16LE(10),
    bytes: end.readUInt32LE(12),
    offset: end.readUInt32LE(16),
  };
  const isShort =
    short.count !== IN_ZIP64_SHORT && short.bytes !== IN_ZIP64 && short.offset !== IN_ZIP64;
  if (isShort || endAt < END64_LOCATOR_BYTES) return short;
  const locator = await reader.read(endAt - END64_LOCATOR_BYTES, END64_LOCATOR_BYTES);
  if (locator.readUInt32LE(0) !== END64_LOCATOR) return short;
  const at = wide(locator, 8);
  const end64 = await reader.read(at, END64_BYTES);
  if (end64.readUInt32LE(0) !== END64) throw malformed("its zip64 directory is not where it says");
  return { count: wide(end64, 32), bytes: wide(end64, 40), offset: wide(end64, 48) };
}

function wide(buffer: Buffer, at: number): number {
  const value = Number(buffer.readBigUInt64LE(at));
  if (!Number.isSafeInteger(value)) throw malformed("the zip holds a number that is too large");
  return value;
}

async function* readRecords(
  reader: WindowedReader,
  { count, offset, bytes }: Location,
): AsyncGenerator<ZipRecord, void> {
  const end = offset + bytes;
  let at = offset;
  for (let index = 0; index < count; index += 1) {
    if (at + RECORD_BYTES > end) throw malformed("its directory is too short");
    const fixed = await reader.read(at, RECORD_BYTES);
    if (fixed.readUInt32LE(0) !== RECORD) throw malformed("its directory holds no record");
    const nameBytes = fixed.readUInt16LE(28);
    const extraBytes = fixed.readUInt16LE(30);
    const length = RECORD_BYTES + nameBytes + extraBytes + fixed.readUInt16LE(32);
    if (at + length > end) throw malformed("its directory is too short");
    const name = await reader.read(at + RECORD_BYTES, nameBytes);
    const extra = await reader.read(at + RECORD_BYTES + nameBytes, extraBytes);
    yield parseRecord(fixed, name, extra);
    at += length;
  }
}

function parseRecord(fixed: Buffer, rawName: Buffer, extra: Buffer): ZipRecord {
  const extras = parseExtras(extra);
  const host = fixed.readUInt8(5);
  const flags = fixed.readUInt16LE(8);
  const attributes = fixed.readUInt32LE(38);
  if (fixed.readUInt16LE(34) !== 0) throw malformed("an entry lies in another part of the zip");
  const sizes = extras.get(EXTRA_ZIP64) ?? Buffer.alloc(0);
  let wideAt = 0;
  const resolve = (value: number): number => {
    if (value !== IN_ZIP64) return value;
    // A writer may mean the number itself when it gives no wide one.
    if (wideAt + 8 > sizes.byteLength) return value;
    wideAt += 8;
    return wide(sizes, wideAt - 8);
  };
  const size = resolve(fixed.readUInt32LE(24));
  const compressedSize = resolve(fixed.readUInt32LE(20));
  const localOffset = resolve(fixed.readUInt32LE(42));
  const name = nameOf(rawName, flags, host, extras.get(EXTRA_UNICODE_PATH));
  return {
    path: name.text,
    isUtf8: name.isUtf8,
    rawName: rawName.toString("latin1"),
    flags,
    method: fixed.readUInt16LE(10),
    crc32: fixed.readUInt32LE(16),
    compressedSize,
    size,
    localOffset,
    unixMode: UNIX_HOSTS.has(host) ? attributes >>> 16 : 0,
    isDosFolder: (attributes & DOS_FOLDER) !== 0,
  };
}

function parseExtras(extra: Buffer): Map<number, Buffer> {
  const fields = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    // Some writers pad with bytes that are no field.
    if (end > extra.byteLength) break;
    fields.set(extra.readUInt16LE(at), extra.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

function nameOf(
  raw: Buffer,
  flags: number,
  host: number,
  unicode: Buffer | undefined,
): DecodedName {
  if (unicode && unicode.byteLength > 5 && unicode.readUInt8(0) === 1) {
    // It holds only while the name it was made from is still there.
    if (unicode.readUInt32LE(1) === crc32(raw)) return decodeName(unicode.subarray(5));
  }
  const decoded = decodeName(raw);
  if ((flags & FLAG_UTF8) !== 0) return decoded;
  if (decoded.isUtf8 && UNIX_HOSTS.has(host)) return decoded;
  return { text: decodeCp437(raw), isUtf8: true };
}
