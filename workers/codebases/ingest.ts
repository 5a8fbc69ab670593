/** Brings the files of an archive to an index, a piece at a time. */

import { takeBlob } from "./index/intake/taken.ts";
import type { CodebaseIndexBase } from "./index/object.ts";
import type { Refusal, TakenFile } from "./index/types.ts";
import type { ArchiveFile, ArchiveSummary } from "./intake/archive.ts";

/** An index takes a piece of this size in about 100 ms, and answers searches in between. */
const PIECE_BYTES = 512 * 1024;
const PIECE_FILES = 500;

export type Index = DurableObjectStub<CodebaseIndexBase>;

export type Ingested =
  | { readonly status: "read"; readonly summary: ArchiveSummary }
  /** The snapshot takes nothing any more. */
  | Refusal;

/** A snapshot, and which reading of its archive this is. */
export interface Reading {
  readonly snapshot: number;
  readonly reading: number;
}

/** Reads an archive to its end. Errors of the archive and of the index pass as they are. */
export async function ingest(
  index: Index,
  to: Reading,
  files: AsyncGenerator<ArchiveFile, ArchiveSummary>,
): Promise<Ingested> {
  let sent: Promise<Refusal | null> = Promise.resolve(null);
  let piece: ArchiveFile[] = [];
  let bytes = 0;
  for (;;) {
    const next = await files.next();
    if (next.done !== true) {
      piece.push(next.value);
      bytes += next.value.content?.byteLength ?? 0;
      if (bytes < PIECE_BYTES && piece.length < PIECE_FILES) continue;
    }
    // The next piece is read while the index takes this one.
    const refusal = await sent;
    if (refusal !== null) return refusal;
    // Where all share a thread, requests from outside get their turn.
    await scheduler.wait(0);
    sent = send(index, to, piece);
    // Awaited below; a failure in between is not to be one that nobody handles.
    sent.catch(() => undefined);
    piece = [];
    bytes = 0;
    if (next.done !== true) continue;
    return (await sent) ?? { status: "read", summary: next.value };
  }
}

/** Contents that the index has already are not sent. */
async function send(
  index: Index,
  { snapshot, reading }: Reading,
  piece: readonly ArchiveFile[],
): Promise<Refusal | null> {
  const files = piece.map(({ path, mode, oid, size }): TakenFile => ({ path, mode, oid, size }));
  const named = piece.filter(({ skipped }) => skipped !== "submodule");
  const lacking = new Set(await index.lacking([...new Set(named.map(({ oid }) => oid))]));
  const contents = named.flatMap((file) => {
    // A hard link comes without content, which its target has brought.
    if (file.skipped === "hard_link" || !lacking.delete(file.oid)) return [];
    return [takeBlob(file)];
  });
  const outcome = await index.put(snapshot, reading, files, contents);
  return outcome.status === "taken" ? null : outcome;
}

/**
 * Takes contents for a manifest's snapshot: whatever of them it asked for, under any name. Returns
 * how many were taken.
 */
export async function ingestBlobs(
  index: Index,
  snapshot: number,
  files: AsyncGenerator<ArchiveFile, ArchiveSummary>,
): Promise<{ readonly status: "read"; readonly taken: number } | Refusal> {
  let taken = 0;
  let piece: ArchiveFile[] = [];
  let bytes = 0;
  for (;;) {
    const next = await files.next();
    if (next.done !== true) {
      if (next.value.content !== null) piece.push(next.value);
      bytes += next.value.content?.byteLength ?? 0;
      if (bytes < PIECE_BYTES && piece.length < PIECE_FILES) continue;
    }
    const oids = [...new Set(piece.map(({ oid }) => oid))];
    const wanted = new Set(await index.wanted(snapshot, oids));
    const contents = piece.filter(({ oid }) => wanted.delete(oid)).map(takeBlob);
    taken += contents.length;
    const outcome = await index.put(snapshot, 0, [], contents);
    if (outcome.status !== "taken") return outcome;
    piece = [];
    bytes = 0;
    if (next.done === true) return { status: "read", taken };
  }
}
