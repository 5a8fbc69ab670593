/** Inflates gzip as a stream, in bounded memory. */
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { ByteSource } from "./byte-reader.ts";
import { malformed, truncated } from "./errors.ts";

const OUTPUT_BYTES = 64 * 1024;

/**
 * Yields what the gzip stream holds; throws IntakeError when it is none. A `DecompressionStream` would
 * do, but that of workerd does not wait for its reader: it inflates a bomb whole, into memory.
 */
export async function* gunzip(source: ByteSource): AsyncGenerator<Uint8Array, void> {
  const failure = new SourceFailure();
  const input = Readable.from(failure.watch(source), { objectMode: false });
  const output = createGunzip({ chunkSize: OUTPUT_BYTES });
  input.on("error", (error) => output.destroy(error));
  input.pipe(output);
  try {
    for await (const piece of output) yield piece;
  } catch (error) {
    failure.rethrow();
    throw isCutOff(error) ? truncated() : malformed("it is no valid gzip", undefined, error);
  } finally {
    input.destroy();
    output.destroy();
  }
}

/** Tells the failure of what is read from that of what reads it: only the second is the user's. */
export class SourceFailure {
  #failure: { readonly error: unknown } | null = null;

  async *watch(source: ByteSource): AsyncGenerator<Uint8Array, void> {
    const pieces = source[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#next(pieces);
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await pieces.return?.();
    }
  }

  rethrow(): void {
    if (this.#failure) throw this.#failure.error;
  }

  async #next(pieces: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array, unknown>> {
    try {
      return await pieces.next();
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }
}

export function isCutOff(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "Z_BUF_ERROR";
}
