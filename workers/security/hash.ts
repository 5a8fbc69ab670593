/** SHA-256 and comparison in constant time, synchronous: both run on the path of every request. */
import { createHash, timingSafeEqual } from "node:crypto";

export function sha256(text: string | Uint8Array): string {
  return createHash("sha256").update(text).digest("base64url");
}

/** SHA-256 of a file's content, as `sha256sum` prints it. */
export function contentDigest(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}

/** Compares two secrets by their hashes, so that neither content nor length shows in the time. */
export function equalSecrets(left: string, right: string): boolean {
  return timingSafeEqual(
    createHash("sha256").update(left).digest(),
    createHash("sha256").update(right).digest(),
  );
}
