/** Copies one file of a sandbox into the blob store, and says whose fault it is when that fails. */
import { createHash } from "node:crypto";
import { messageOf } from "../message.ts";
import { SandboxUnreachable } from "./sandbox.ts";

/** What of the blob store is needed; an R2Bucket is one. */
export interface BlobWriter {
  put(
    key: string,
    body: ReadableStream,
    options: { sha256: string; customMetadata: Record<string, string> },
  ): Promise<unknown>;
}

/** The file is not what it was when it was looked at. */
export class FileChanged extends Error {
  override readonly name = "FileChanged";
}

/** The blob store did not take a file; it may take it later. */
export class BlobNotStored extends Error {
  override readonly name = "BlobNotStored";
}

export interface FileCopy {
  readonly key: string;
  readonly body: ReadableStream<Uint8Array>;
  /** What the file has to be. */
  readonly bytes: number;
  readonly sha256: string;
}

/** Passes the file on as long as it is the expected one. Rejects with who broke it off. */
async function pass(
  { body, bytes, sha256 }: FileCopy,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const reader = body.getReader();
  signal.addEventListener("abort", () => void reader.cancel("aborted").catch(() => undefined));
  const hash = createHash("sha256");
  let read = 0;
  // One piece behind, so that the store has all of it only once it is known to be the right one.
  let held = new Uint8Array(0);
  try {
    for (;;) {
      const piece = await reader.read().catch((error: unknown) => {
        throw SandboxUnreachable.of(error);
      });
      if (signal.aborted) throw SandboxUnreachable.of(signal.reason);
      if (piece.done) break;
      read += piece.value.byteLength;
      if (read > bytes) throw new FileChanged(`it grew beyond ${bytes} bytes while it was read`);
      hash.update(piece.value);
      if (held.byteLength > 0) await writer.write(held);
      held = new Uint8Array(piece.value);
    }
    if (read < bytes) throw new FileChanged(`it shrank to ${read} of ${bytes} bytes`);
    if (hash.digest("hex") !== sha256) throw new FileChanged("its content changed");
    if (held.byteLength > 0) await writer.write(held);
    await writer.close();
  } catch (error) {
    // Each may have broken off by itself, which is what is told then.
    await Promise.allSettled([reader.cancel(error), writer.abort(error)]);
    throw error;
  }
}

/**
 * Throws SandboxUnreachable when the file could not be read to its end, FileChanged when it is
 * another one by now, and BlobNotStored when the store failed. Nothing is stored then.
 */
export async function copyFile(
  copy: FileCopy,
  blobs: BlobWriter,
  signal: AbortSignal,
): Promise<void> {
  const { key, bytes, sha256 } = copy;
  const { readable, writable } = new FixedLengthStream(bytes);
  const writer = writable.getWriter();
  // A write that nobody reads waits without end.
  const breakOff = (reason: unknown) => writer.abort(reason).catch(() => undefined);
  signal.addEventListener("abort", () => void breakOff(signal.reason));
  const storing = blobs.put(key, readable, { sha256, customMetadata: { sha256 } });
  storing.catch(breakOff);
  const [passed, stored] = await Promise.allSettled([pass(copy, writer, signal), storing]);
  if (passed.status === "rejected") {
    const reason = signal.aborted ? SandboxUnreachable.of(signal.reason) : passed.reason;
    if (reason instanceof SandboxUnreachable || reason instanceof FileChanged) throw reason;
  }
  if (stored.status === "rejected") throw new BlobNotStored(messageOf(stored.reason));
  if (passed.status === "rejected") throw new BlobNotStored(messageOf(passed.reason));
}
