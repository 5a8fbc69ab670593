/** How much an archive may hold, and the meter that stops reading once it holds more. */
import { IntakeError } from "./errors.ts";

const MIB = 1024 * 1024;

/** Content up to this size is indexed; a larger file is listed with its digests alone. */
export const MAX_INDEXED_BYTES = 8 * MIB;

export interface IntakeLimits {
  readonly maxCompressedBytes: number;
  readonly maxUncompressedBytes: number;
  /** Uncompressed to compressed bytes, judged once RATIO_FREE_BYTES have come out. */
  readonly maxRatio: number;
  readonly maxEntries: number;
  readonly maxPathBytes: number;
  readonly maxPathDepth: number;
  readonly maxIndexedBytes: number;
}

export const DEFAULT_LIMITS: IntakeLimits = {
  maxCompressedBytes: 100_000_000,
  maxUncompressedBytes: 2 * 1024 * MIB,
  maxRatio: 200,
  maxEntries: 200_000,
  maxPathBytes: 1_024,
  maxPathDepth: 64,
  maxIndexedBytes: MAX_INDEXED_BYTES,
};

/** Small archives may have any ratio: a file of zeros is no attack until it is large. */
const RATIO_FREE_BYTES = 16 * MIB;

/** Counts what goes in and what comes out; each count throws IntakeError at its limit. */
export class Meter {
  readonly #limits: IntakeLimits;
  /** Null where nothing is compressed, as in a plain tar. */
  #compressedBytes: number | null;
  #uncompressedBytes = 0;
  #entries = 0;

  constructor(limits: IntakeLimits, compressedBytes: number | null = null) {
    this.#limits = limits;
    this.#compressedBytes = compressedBytes;
    if (compressedBytes !== null) this.#checkCompressed(compressedBytes);
  }

  get uncompressedBytes(): number {
    return this.#uncompressedBytes;
  }

  compressed(bytes: number): void {
    this.#compressedBytes = (this.#compressedBytes ?? 0) + bytes;
    this.#checkCompressed(this.#compressedBytes);
  }

  uncompressed(bytes: number): void {
    this.#uncompressedBytes += bytes;
    const { maxUncompressedBytes, maxRatio } = this.#limits;
    if (this.#uncompressedBytes > maxUncompressedBytes) {
      throw new IntakeError(
        "uncompressed_too_large",
        `The archive unpacks to more than ${maxUncompressedBytes} bytes. Leave out build output and data, or send it in parts.`,
      );
    }
    if (this.#compressedBytes === null || this.#uncompressedBytes <= RATIO_FREE_BYTES) return;
    if (this.#uncompressedBytes > this.#compressedBytes * maxRatio) {
      throw new IntakeError(
        "archive_ratio",
        `The archive unpacks to more than ${maxRatio} times its size, which source code does not. Leave out the files that are mostly filler.`,
      );
    }
  }

  entry(): void {
    this.#entries += 1;
    this.entries(this.#entries);
  }

  /** Checks a count that is known before the entries are read. */
  entries(count: number): void {
    const { maxEntries } = this.#limits;
    if (count <= maxEntries) return;
    throw new IntakeError(
      "too_many_entries",
      `The archive holds more than ${maxEntries} entries. Leave out dependencies and build output, or send it in parts.`,
    );
  }

  #checkCompressed(bytes: number): void {
    const { maxCompressedBytes } = this.#limits;
    if (bytes <= maxCompressedBytes) return;
    throw new IntakeError(
      "compressed_too_large",
      `The archive is larger than ${maxCompressedBytes} bytes. Leave out build output and data, or push a manifest and only the files that are missing.`,
    );
  }
}
