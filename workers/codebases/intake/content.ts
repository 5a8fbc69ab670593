/** Takes the content of one entry: into memory when it is small, through the hashes when not. */
import { malformed } from "./errors.ts";
import { type BlobDigests, BlobHash, blobDigests } from "./git-objects.ts";

export interface TakenContent extends BlobDigests {
  /** Null when it is larger than is held. */
  readonly content: Uint8Array | null;
}

/** Reads `size` bytes; throws IntakeError when there are more or fewer. */
export async function takeContent(
  size: number,
  pieces: AsyncIterable<Uint8Array>,
  maxHeldBytes: number,
): Promise<TakenContent> {
  const held = size <= maxHeldBytes ? new Uint8Array(size) : null;
  const hash = held ? null : new BlobHash(size);
  let taken = 0;
  for await (const piece of pieces) {
    if (taken + piece.byteLength > size) throw malformed("an entry is longer than it says");
    held?.set(piece, taken);
    hash?.update(piece);
    taken += piece.byteLength;
  }
  if (taken !== size) throw malformed("an entry is shorter than it says");
  if (held) return { content: held, ...blobDigests(held) };
  return { content: null, ...(hash ?? new BlobHash(0)).digests() };
}
