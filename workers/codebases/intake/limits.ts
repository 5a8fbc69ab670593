/** How much an archive may hold, and the meter that stops reading once it holds more. */
import { IntakeError } from "./errors.ts";

const MIB = 1024 * 1024;

/** Content up to this size is indexed; a larger file is listed with its digests alone. */
export const MAX_INDEXED_BYTES = 8 * MIB;

export interface IntakeLimits {
  /** Of the archive as it is sent, compressed or not. */
  readonly maxArchiveBytes: number;
  readonly maxUnpackedBytes: number;
  /** Unpacked to sent bytes, judged once RATIO_FREE_BYTES have come out. */
  readonly maxRatio: number;
  readonly maxEntries: number;
  readonly maxPathBytes: number;
  readonly maxPathDepth: number;
  readonly maxIndexedBytes: number;
}

export const DEFAULT_LIMITS: IntakeLimits = {
  maxArchiveBytes: 100_000_000,
  maxUnpackedBytes: 2 * 1024 * MIB,
  maxRatio: 200,
  maxEntries: 100_000,
  maxPathBytes: 1_024,
  maxPathDepth: 64,
  maxIndexedBytes: MAX_INDEXED_BYTES,
};

/** Small archives may have any ratio: a file of zeros is no attack until it is large. */
const RATIO_FREE_BYTES = 16 * MIB;

/** Counts what goes in and what comes out; each count throws IntakeError at its limit. */
export class Meter {
  readonly #limits: IntakeLimits;
  #receivedBytes = 0;
  #unpackedBytes = 0;
  #entries = 0;

  constructor(limits: IntakeLimits, receivedBytes = 0) {
    this.#limits = limits;
    this.received(receivedBytes);
  }

  get unpackedBytes(): number {
    return this.#unpackedBytes;
  }

  received(bytes: number): void {
    this.#receivedBytes += bytes;
    const { maxArchiveBytes } = this.#limits;
    if (this.#receivedBytes <= maxArchiveBytes) return;
    throw new IntakeError(
      "archive_too_large",
      `The archive is larger than ${maxArchiveBytes} bytes. Leave out build output and data, or push a manifest and only the files that are missing.`,
    );
  }

  unpacked(bytes: number): void {
    this.#unpackedBytes += bytes;
    const { maxUnpackedBytes, maxRatio } = this.#limits;
    if (this.#unpackedBytes > maxUnpackedBytes) {
      throw new IntakeError(
        "unpacked_too_large",
        `The archive unpacks to more than ${maxUnpackedBytes} bytes. Leave out build output and data, or send it in parts.`,
      );
    }
    if (this.#unpackedBytes <= RATIO_FREE_BYTES) return;
    if (this.#unpackedBytes > this.#receivedBytes * maxRatio) {
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
}
