/** Git's deltas: what to copy of a base, and what to put in between. */
import { damaged, objectTooLarge } from "./errors.ts";

const COPY = 0x80;
/** What a copy of length zero means. */
const DEFAULT_COPY_BYTES = 0x10000;

/** Throws IntakeError when the delta does not fit its base, or makes more than `maxBytes`. */
export function applyDelta(base: Buffer, delta: Buffer, maxBytes: number): Buffer {
  let at = 0;
  const next = (): number => {
    const byte = delta[at];
    if (byte === undefined) throw damaged("a delta is cut off");
    at += 1;
    return byte;
  };
  const size = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = next();
      value += (byte & 127) * scale;
      if (value > maxBytes) throw objectTooLarge();
      if (byte < 128) return value;
    }
  };
  /** A number of which only those bytes are written that `flags` names, the lowest first. */
  const sparse = (flags: number, bytes: number): number => {
    let value = 0;
    for (let index = 0; index < bytes; index += 1) {
      if ((flags >> index) & 1) value += next() * 256 ** index;
    }
    return value;
  };
  if (size() !== base.byteLength) throw damaged("a delta is of another object");
  const result = Buffer.allocUnsafe(size());
  let filled = 0;
  while (at < delta.byteLength) {
    const command = next();
    let from = delta;
    let start = at;
    let length = command;
    if (command >= COPY) {
      from = base;
      start = sparse(command & 15, 4);
      length = sparse((command >> 4) & 7, 3) || DEFAULT_COPY_BYTES;
    } else {
      at += length;
    }
    const isWithin = start + length <= from.byteLength && filled + length <= result.byteLength;
    if (length === 0 || !isWithin) throw damaged("a delta does not fit its object");
    from.copy(result, filled, start, start + length);
    filled += length;
  }
  if (filled !== result.byteLength) throw damaged("a delta makes less than it states");
  return result;
}
