/** The framing of git's protocols: four hexadecimal digits of length, then the line. */
import type { ByteSource } from "../intake/byte-reader.ts";
import { noRepository, serverError } from "./errors.ts";

const HEAD_BYTES = 4;
const FLUSH = 0;

/** A line as it is sent. */
export function pktLine(text: string): string {
  const length = Buffer.byteLength(text) + HEAD_BYTES;
  return length.toString(16).padStart(HEAD_BYTES, "0") + text;
}

export const FLUSH_PKT = "0000";

/**
 * Yields the lines of a stream, null for each flush, until it ends. What a server says after `ERR` is
 * thrown as `source_refused`, what is no such stream as `source_unsupported`.
 */
export async function* pktLines(source: ByteSource): AsyncGenerator<Buffer | null, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of source) {
    rest = rest.byteLength === 0 ? bufferOf(piece) : Buffer.concat([rest, piece]);
    let at = 0;
    while (rest.byteLength - at >= HEAD_BYTES) {
      const length = lengthAt(rest, at);
      if (length <= FLUSH) {
        yield null;
        at += HEAD_BYTES;
        continue;
      }
      if (rest.byteLength - at < length) break;
      const line = rest.subarray(at + HEAD_BYTES, at + length);
      if (line.toString("latin1", 0, 4) === "ERR ") throw serverError(line.toString("utf8", 4));
      yield line;
      at += length;
    }
    rest = rest.subarray(at);
  }
  if (rest.byteLength > 0) throw noRepository();
}

/** The length with its head; 0 for a flush, and for the delimiters that newer servers send. */
function lengthAt(bytes: Buffer, at: number): number {
  const digits = bytes.toString("latin1", at, at + HEAD_BYTES);
  if (!/^[0-9a-f]{4}$/i.test(digits)) throw noRepository();
  const length = Number.parseInt(digits, 16);
  return length < HEAD_BYTES ? FLUSH : length;
}

function bufferOf(piece: Uint8Array): Buffer {
  return Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
}
