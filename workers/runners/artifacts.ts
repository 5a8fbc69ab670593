/** Streams a kept file into the blob store, with the SHA-256 of its content beside it. */
import { ApiError } from "../http/errors.ts";
import { contentDigest } from "../security/hash.ts";

/** Files up to this size are held in memory while they are stored. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;
/** One object is written at most once in this time. */
const REWRITE_MS = 1_100;
const REWRITES = 3;

/**
 * Stores the body, of `bytes` bytes, at `key`; returns its digest in hex. A digest that is given is
 * held against the content. `metadata` makes what is stored beside the content.
 */
export async function storeArtifact(
  blobs: R2Bucket,
  key: string,
  body: ReadableStream<Uint8Array> | null,
  given: { readonly bytes: number; readonly sha256: string | undefined },
  metadata: (sha256: string) => Record<string, string>,
): Promise<string> {
  const { bytes, sha256 } = given;
  if (bytes <= MAX_HELD_BYTES) {
    const held = new Uint8Array(await new Response(body).arrayBuffer());
    const digest = contentDigest(held);
    if (held.byteLength !== bytes || (sha256 !== undefined && sha256 !== digest)) throw notAsSaid();
    await blobs.put(key, held, { customMetadata: metadata(digest) });
    return digest;
  }
  const stream = body ?? new ReadableStream({ start: (controller) => controller.close() });
  if (sha256 === undefined) return storeAndDigest(blobs, key, stream, bytes, metadata);
  const fixed = stream.pipeThrough(new FixedLengthStream(bytes));
  try {
    await blobs.put(key, fixed, { sha256, customMetadata: metadata(sha256) });
  } catch (cause) {
    throw interrupted(cause);
  }
  return sha256;
}

/** The digest is known when all is stored; then it is stored once more, from there, with it. */
async function storeAndDigest(
  blobs: R2Bucket,
  key: string,
  stream: ReadableStream<Uint8Array>,
  bytes: number,
  metadata: (sha256: string) => Record<string, string>,
): Promise<string> {
  const hash = new crypto.DigestStream("SHA-256");
  const writer = hash.getWriter();
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    async transform(chunk, controller) {
      await writer.write(chunk);
      controller.enqueue(chunk);
    },
    flush: () => writer.close(),
  });
  try {
    await blobs.put(key, stream.pipeThrough(counted).pipeThrough(new FixedLengthStream(bytes)));
  } catch (cause) {
    hash.digest.catch(() => undefined);
    throw interrupted(cause);
  }
  const digest = Buffer.from(await hash.digest).toString("hex");
  for (let tries = 1; ; tries += 1) {
    await scheduler.wait(REWRITE_MS);
    const stored = await blobs.get(key);
    if (stored === null) throw interrupted(new Error("What was stored is gone."));
    try {
      await blobs.put(key, stored.body, { customMetadata: metadata(digest) });
      return digest;
    } catch (cause) {
      if (tries >= REWRITES) throw interrupted(cause);
    }
  }
}

function notAsSaid(): ApiError {
  return new ApiError(
    "bad_request",
    "The body is not what Content-Length and sha256 say. Send it again.",
  );
}

/** The body broke off, was not as said, or the store failed: all are mended by sending it again. */
function interrupted(cause: unknown): ApiError {
  return new ApiError(
    "unavailable",
    "The file was not stored: it broke off, was not what Content-Length and sha256 say, or the store did not answer. Send it again.",
    { headers: { "Retry-After": "1" }, cause },
  );
}
