/** Reads exact amounts from a stream of pieces, holding one piece at a time. */
import { truncated } from "./errors.ts";

/** Bytes in pieces of any size; a ReadableStream is one. */
export type ByteSource = AsyncIterable<Uint8Array>;

const NOTHING = new Uint8Array(0);

export class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = NOTHING;
  #at = 0;

  constructor(source: ByteSource) {
    this.#pieces = source[Symbol.asyncIterator]();
  }

  /**
   * The next `length` bytes, valid until the next call; null at the end of the stream. Throws
   * IntakeError when the stream ends in between.
   */
  async take(length: number): Promise<Uint8Array | null> {
    if (this.#piece.byteLength - this.#at >= length) return this.#within(length);
    if (this.#at >= this.#piece.byteLength && !(await this.#advance())) return null;
    if (this.#piece.byteLength - this.#at >= length) return this.#within(length);
    const taken = new Uint8Array(length);
    let filled = 0;
    for await (const part of this.pieces(length)) {
      taken.set(part, filled);
      filled += part.byteLength;
    }
    return taken;
  }

  /** The next `length` bytes as they come; throws IntakeError when there are fewer. */
  async *pieces(length: number): AsyncGenerator<Uint8Array, void> {
    for (let left = length; left > 0; ) {
      if (this.#at >= this.#piece.byteLength && !(await this.#advance())) throw truncated();
      const part = this.#within(Math.min(left, this.#piece.byteLength - this.#at));
      left -= part.byteLength;
      yield part;
    }
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      if (this.#at >= this.#piece.byteLength && !(await this.#advance())) throw truncated();
      const step = Math.min(left, this.#piece.byteLength - this.#at);
      this.#at += step;
      left -= step;
    }
  }

  /** Reads to the end, so that the source can check what it checks there. */
  async drain(): Promise<void> {
    while (await this.#advance());
  }

  /** Lets go of the source, read to its end or not. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  #within(length: number): Uint8Array {
    const end = this.#at + length;
    const part = this.#piece.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  async #advance(): Promise<boolean> {
    this.#at = 0;
    this.#piece = NOTHING;
    while (this.#piece.byteLength === 0) {
      const next = await this.#pieces.next();
      if (next.done === true) return false;
      this.#piece = next.value;
    }
    return true;
  }
}
