/** The 512-byte headers of tar, and the records of PAX that override them. */
import { malformed } from "./errors.ts";
import { type DecodedName, decodeName } from "./text.ts";

export const BLOCK_BYTES = 512;

export interface TarHeader {
  readonly name: DecodedName;
  readonly target: DecodedName;
  readonly type: string;
  readonly mode: number;
  readonly size: number;
}

const FIELDS = {
  name: [0, 100],
  mode: [100, 108],
  size: [124, 136],
  checksum: [148, 156],
  target: [157, 257],
  magic: [257, 265],
  prefix: [345, 500],
} as const;
const TYPE_AT = 156;
const SPACE = 0x20;
const ZERO_DIGIT = 0x30;

export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** Reads a header; throws IntakeError when its checksum or a number in it is wrong. */
export function parseHeader(block: Uint8Array): TarHeader {
  checkSum(block);
  const field = (name: keyof typeof FIELDS) => block.subarray(...FIELDS[name]);
  const magic = Buffer.from(field("magic")).toString("latin1");
  let name = trimmed(field("name"));
  // GNU's own format keeps times where POSIX keeps the first part of a long name.
  if (magic.startsWith("ustar\0")) {
    const prefix = trimmed(field("prefix"));
    if (prefix.byteLength > 0) name = Buffer.concat([prefix, Buffer.from("/"), name]);
  }
  return {
    name: decodeName(name),
    target: decodeName(trimmed(field("target"))),
    type: String.fromCharCode(block[TYPE_AT] ?? 0),
    mode: number(field("mode")),
    size: number(field("size")),
  };
}

/** Up to the first NUL. */
export function trimmed(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** Some old writers sum signed bytes. */
function checkSum(block: Uint8Array): void {
  const [start, end] = FIELDS.checksum;
  let unsigned = 0;
  let high = 0;
  for (let index = 0; index < BLOCK_BYTES; index += 1) {
    const byte = index >= start && index < end ? SPACE : (block[index] ?? 0);
    unsigned += byte;
    if (byte > 127) high += 1;
  }
  const expected = number(block.subarray(start, end));
  if (expected !== unsigned && expected !== unsigned - 256 * high) {
    throw malformed("a tar header has a wrong checksum");
  }
}

/** Octal digits between spaces and NULs, or base-256 when the first bit is set. */
function number(bytes: Uint8Array): number {
  const first = bytes[0] ?? 0;
  if ((first & 0x80) !== 0) return base256(bytes, first);
  let value = 0;
  let ended = false;
  let digits = 0;
  for (const byte of bytes) {
    if (byte === SPACE || byte === 0) {
      ended = digits > 0;
      continue;
    }
    const digit = byte - ZERO_DIGIT;
    if (ended || digit < 0 || digit > 7)
      throw malformed("a tar header holds a number that is none");
    value = value * 8 + digit;
    digits += 1;
  }
  return value;
}

function base256(bytes: Uint8Array, first: number): number {
  if (first === 0xff) throw malformed("a tar header holds a negative number");
  let value = first & 0x7f;
  for (const byte of bytes.subarray(1)) {
    value = value * 256 + byte;
    if (value > Number.MAX_SAFE_INTEGER) throw malformed("a tar header holds too large a number");
  }
  return value;
}

export type PaxRecords = ReadonlyMap<string, DecodedName>;

/** Reads `length key=value\n` records; an empty value takes an earlier one back. */
export function parsePax(bytes: Uint8Array): Map<string, DecodedName> {
  const records = new Map<string, DecodedName>();
  for (let at = 0; at < bytes.byteLength; ) {
    // What is left after the records is padding.
    if (bytes[at] === 0) break;
    const space = bytes.indexOf(SPACE, at);
    const digits = Buffer.from(bytes.subarray(at, Math.min(space, at + 12))).toString("latin1");
    const end = at + (/^[0-9]+$/.test(digits) ? Number(digits) : 0);
    const equals = bytes.indexOf(0x3d, space);
    const isRecord =
      space > at && end > space && end <= bytes.byteLength && bytes[end - 1] === 0x0a;
    if (!isRecord || equals < 0 || equals >= end) throw malformed("a PAX header has no records");
    const key = Buffer.from(bytes.subarray(space + 1, equals)).toString("latin1");
    records.set(key, decodeName(bytes.subarray(equals + 1, end - 1)));
    at = end;
  }
  return records;
}

/** A size given by PAX in decimal. */
export function paxSize(value: string): number {
  const size = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw malformed("a PAX header gives a size that is none");
  return size;
}
