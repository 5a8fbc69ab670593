/**
 * `Content-Digest` (RFC 9530) of a body that is not read before its handler runs. It tells bodies
 * apart before they have come, for `Idempotency-Key`, and is verified while they do.
 */
import { createHash } from "node:crypto";
import type { AppContext } from "./context.ts";
import { ApiError } from "./errors.ts";

const SHA_256 = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?:[,;]|$)/;
const ISSUE_PATH = "headers.content-digest";

/**
 * The digest that the caller gives; null without one. From then on the request's body fails with
 * `validation_failed` at its end when it is another. Throws `validation_failed` for an
 * Idempotency-Key without digest.
 */
export function verifyDigest(c: AppContext): string | null {
  const [, digest] = SHA_256.exec(c.req.header("content-digest") ?? "") ?? [];
  if (digest === undefined) {
    if (c.req.header("idempotency-key") === undefined) return null;
    throw refused(
      "An Idempotency-Key needs the digest of this body beside it, which tells it from another",
      "Send Content-Digest: sha-256=:…: with the SHA-256 of the body in base64.",
    );
  }
  const { body } = c.req.raw;
  if (body !== null) c.req.raw = new Request(c.req.raw, { body: verified(body, digest) });
  return digest;
}

function verified(body: ReadableStream<Uint8Array>, digest: string): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const hash = createHash("sha256");
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await reader.read();
        if (!done) {
          hash.update(value);
          controller.enqueue(value);
        } else if (hash.digest("base64") === digest) {
          controller.close();
        } else {
          const advice = "Make the digest of what is sent, and send both again.";
          controller.error(refused("The body does not have its Content-Digest", advice));
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function refused(what: string, message: string): ApiError {
  return new ApiError("validation_failed", `${what}. ${message}`, {
    issues: [{ path: ISSUE_PATH, message }],
  });
}
