/**
 * The objects of a packfile in memory. It is read once from its start, with every object inflated
 * within the size it states and named by its own hash; later each is inflated again when it is asked
 * for. So a pack of 25 MB takes little more than itself, whatever is in it.
 */
import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import { z } from "zod";
import { DEFAULT_LIMITS, Meter } from "../intake/limits.ts";
import { applyDelta } from "./delta.ts";
import { damaged, MAX_OBJECT_BYTES, objectTooLarge } from "./errors.ts";

export type ObjectType = "commit" | "tree" | "blob" | "tag";

export interface PackObject {
  readonly type: ObjectType;
  readonly content: Buffer;
}

/** An object as it stands in the pack. */
interface Entry {
  readonly type: ObjectType | "delta";
  /** Bytes that its data inflates to. */
  readonly size: number;
  readonly dataAt: number;
  /** Of a delta: where the object is that it changes, or that one's OID. */
  readonly base: number | string | null;
}

const TYPES: ReadonlyMap<number, ObjectType> = new Map([
  [1, "commit"],
  [2, "tree"],
  [3, "blob"],
  [4, "tag"],
]);
const OFFSET_DELTA = 6;
const REFERENCE_DELTA = 7;
const OID_BYTES = 20;
const HEADER_BYTES = 12;
const TRAILER_BYTES = 20;
/** Deflated data is at most a little longer than what it holds, unless its writer wastes bytes. */
const SLACK_BYTES = 1_024;
/** Bytes that are unpacked in one go. */
const BYTES_PER_TURN = 2 * 1024 * 1024;
const CACHE_BYTES = 16 * 1024 * 1024;

/** With `info`, zlib says how much of its input it took. */
const inflated = z.object({
  buffer: z.instanceof(Buffer),
  engine: z.object({ bytesWritten: z.number() }),
});

/** Whether these are the first bytes of a packfile. */
export function isPack(head: Uint8Array): boolean {
  return Buffer.from(head.subarray(0, 4)).toString("latin1") === "PACK";
}

export class Pack {
  readonly #bytes: Buffer;
  readonly #meter: Meter;
  readonly #entries = new Map<number, Entry>();
  readonly #offsets = new Map<string, number>();
  readonly #cache = new ObjectCache();

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#meter = new Meter(DEFAULT_LIMITS, bytes.byteLength);
  }

  /**
   * Reads a whole pack, and lets others have their turn in between. Throws IntakeError when it is
   * damaged, or unpacks to more than is taken.
   */
  static async read(bytes: Buffer, turn: () => Promise<void>): Promise<Pack> {
    const pack = new Pack(bytes);
    await pack.#scan(turn);
    return pack;
  }

  /** Throws IntakeError when the pack does not have it. */
  get(oid: string): PackObject {
    const offset = this.#offsets.get(oid);
    if (offset === undefined) throw damaged(`the object ${oid} is not in it`);
    return this.#object(offset);
  }

  async #scan(turn: () => Promise<void>): Promise<void> {
    const bytes = this.#bytes;
    if (bytes.byteLength < HEADER_BYTES + TRAILER_BYTES || !isPack(bytes)) {
      throw damaged("it is no packfile");
    }
    const version = bytes.readUInt32BE(4);
    if (version !== 2 && version !== 3) throw damaged(`its version is ${version}`);
    const end = bytes.byteLength - TRAILER_BYTES;
    const sum = createHash("sha1").update(bytes.subarray(0, end)).digest();
    if (!sum.equals(bytes.subarray(end))) throw damaged("its checksum is wrong");
    let waiting: number[] = [];
    let at = HEADER_BYTES;
    let turnAt = BYTES_PER_TURN;
    for (let left = bytes.readUInt32BE(8); left > 0; left -= 1) {
      const entry = this.#entryAt(at);
      const { content, taken } = this.#inflate(entry);
      this.#entries.set(at, entry);
      if (!this.#name(at, content)) waiting.push(at);
      at = entry.dataAt + taken;
      if (this.#meter.unpackedBytes < turnAt) continue;
      turnAt = this.#meter.unpackedBytes + BYTES_PER_TURN;
      await turn();
    }
    if (at !== end) throw damaged("it has bytes that belong to no object");
    // A delta may name a base that comes after it.
    while (waiting.length > 0) {
      const unnamed = waiting.filter((offset) => !this.#name(offset, null));
      if (unnamed.length === waiting.length) throw damaged("a delta changes what is not in it");
      waiting = unnamed;
    }
  }

  /** Learns an object's OID; false when it is a delta on something that is not known yet. */
  #name(offset: number, inflatedBytes: Buffer | null): boolean {
    const entry = this.#entries.get(offset);
    if (typeof entry?.base === "string" && !this.#offsets.has(entry.base)) return false;
    const { type, content } = this.#object(offset, inflatedBytes);
    const hash = createHash("sha1").update(`${type} ${content.byteLength}\0`).update(content);
    this.#offsets.set(hash.digest("hex"), offset);
    return true;
  }

  /** Follows deltas to what they change, and applies them from there. */
  #object(offset: number, inflatedBytes: Buffer | null = null): PackObject {
    const deltas: { readonly at: number; readonly delta: Buffer }[] = [];
    let at = offset;
    let found = this.#cache.get(at);
    while (found === undefined) {
      const entry = this.#entries.get(at);
      if (entry === undefined) throw damaged("a delta changes what is not in it");
      const content =
        at === offset && inflatedBytes !== null ? inflatedBytes : this.#inflate(entry).content;
      if (entry.type !== "delta") {
        found = { type: entry.type, content };
        this.#cache.set(at, found);
        break;
      }
      deltas.push({ at, delta: content });
      const base = typeof entry.base === "string" ? this.#offsets.get(entry.base) : entry.base;
      if (base === undefined || base === null) throw damaged("a delta changes what is not in it");
      at = base;
      found = this.#cache.get(at);
    }
    for (const { at: changed, delta } of deltas.reverse()) {
      const content = applyDelta(found.content, delta, MAX_OBJECT_BYTES);
      this.#meter.unpacked(content.byteLength);
      found = { type: found.type, content };
      this.#cache.set(changed, found);
    }
    return found;
  }

  #inflate({ size, dataAt }: Entry): { readonly content: Buffer; readonly taken: number } {
    this.#meter.unpacked(size);
    const usual = this.#bytes.subarray(dataAt, dataAt + size + (size >> 3) + SLACK_BYTES);
    const { buffer, engine } =
      inflateWithin(usual, size) ??
      inflateWithin(this.#bytes.subarray(dataAt), size) ??
      raise("the data of an object is damaged");
    if (buffer.byteLength !== size) throw damaged("an object has another size than it states");
    return { content: buffer, taken: engine.bytesWritten };
  }

  #entryAt(start: number): Entry {
    let at = start;
    const next = (): number => {
      const byte = this.#bytes[at];
      if (byte === undefined) throw damaged("it ends within an object");
      at += 1;
      return byte;
    };
    let byte = next();
    const kind = (byte >> 4) & 7;
    let size = byte & 15;
    for (let scale = 16; byte >= 128; scale *= 128) {
      byte = next();
      size += (byte & 127) * scale;
      if (size > MAX_OBJECT_BYTES) throw objectTooLarge();
    }
    const type = TYPES.get(kind);
    if (type !== undefined) return { type, size, dataAt: at, base: null };
    if (kind === REFERENCE_DELTA) {
      const base = this.#bytes.toString("hex", at, at + OID_BYTES);
      return { type: "delta", size, dataAt: at + OID_BYTES, base };
    }
    if (kind !== OFFSET_DELTA) throw damaged("an object is of no known type");
    byte = next();
    let back = byte & 127;
    while (byte >= 128) {
      byte = next();
      back = (back + 1) * 128 + (byte & 127);
    }
    const base = start - back;
    if (!this.#entries.has(base)) throw damaged("a delta changes what is not in it");
    return { type: "delta", size, dataAt: at, base };
  }
}

/** The objects used last, up to a size; large ones would push out all others. */
class ObjectCache {
  readonly #objects = new Map<number, PackObject>();
  #bytes = 0;

  get(offset: number): PackObject | undefined {
    const found = this.#objects.get(offset);
    if (found === undefined) return undefined;
    this.#objects.delete(offset);
    this.#objects.set(offset, found);
    return found;
  }

  set(offset: number, object: PackObject): void {
    const size = object.content.byteLength;
    if (size > CACHE_BYTES / 4 || this.#objects.has(offset)) return;
    this.#objects.set(offset, object);
    this.#bytes += size;
    for (const [oldest, { content }] of this.#objects) {
      if (this.#bytes <= CACHE_BYTES) return;
      this.#objects.delete(oldest);
      this.#bytes -= content.byteLength;
    }
  }
}

/** Null when the data is damaged, cut off, or of another size. */
function inflateWithin(bytes: Buffer, size: number): z.output<typeof inflated> | null {
  try {
    const result: unknown = inflateSync(bytes, { info: true, maxOutputLength: Math.max(1, size) });
    return inflated.parse(result);
  } catch (error) {
    if (error instanceof Error && "code" in error) return null;
    throw error;
  }
}

function raise(what: string): never {
  throw damaged(what);
}
