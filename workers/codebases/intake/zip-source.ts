/** Reads a zip's bytes by range, in windows, so that neighbors cost one request. */
import { malformed, truncated } from "./errors.ts";

/** Bytes that can be read in any order, as an object in R2 by range. */
export interface RandomAccess {
  readonly size: number;
  /** Exactly `length` bytes from `offset` on; both lie inside `size`. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

const WINDOW_BYTES = 1024 * 1024;

export class WindowedReader {
  readonly #source: RandomAccess;
  #window: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(source: RandomAccess) {
    this.#source = source;
  }

  get size(): number {
    return this.#source.size;
  }

  /** Bytes that stay valid; `length` is one that may be held in memory. */
  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      throw malformed("the zip points outside itself");
    }
    const skipped = offset - this.#start;
    if (skipped < 0 || skipped + length > this.#window.byteLength) await this.#load(offset, length);
    const at = offset - this.#start;
    const { buffer, byteOffset } = this.#window;
    return Buffer.from(buffer, byteOffset + at, length);
  }

  /** A range of any length, piece by piece. */
  async *pieces(offset: number, length: number): AsyncGenerator<Buffer, void> {
    for (let done = 0; done < length; ) {
      const step = Math.min(WINDOW_BYTES / 4, length - done);
      yield await this.read(offset + done, step);
      done += step;
    }
  }

  async #load(offset: number, length: number): Promise<void> {
    const wanted = Math.min(Math.max(length, WINDOW_BYTES), this.size - offset);
    const bytes = await this.#source.read(offset, wanted);
    if (bytes.byteLength < wanted) throw truncated();
    this.#window = bytes;
    this.#start = offset;
  }
}
