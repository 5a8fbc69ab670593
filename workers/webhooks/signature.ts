/** Signatures as the Standard Webhooks specification has them: HMAC-SHA256 over id, time and body. Pure. */
import { Buffer } from "node:buffer";
import { createHmac, randomBytes } from "node:crypto";

const PREFIX = "whsec_";
/** The specification's bounds. */
export const MIN_KEY_BYTES = 24;
export const MAX_KEY_BYTES = 64;
const NEW_KEY_BYTES = 32;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** A new secret: `whsec_` and the base64 of a random key. */
export function newSecret(): string {
  return PREFIX + randomBytes(NEW_KEY_BYTES).toString("base64");
}

/** Whether a text is `whsec_` and the base64 of 24 to 64 bytes. */
export function isSecret(text: string): boolean {
  const encoded = text.slice(PREFIX.length);
  if (!text.startsWith(PREFIX) || !BASE64.test(encoded) || encoded.length % 4 !== 0) return false;
  const { byteLength } = Buffer.from(encoded, "base64");
  return byteLength >= MIN_KEY_BYTES && byteLength <= MAX_KEY_BYTES;
}

export interface Signed {
  readonly "webhook-id": string;
  /** Seconds since 1970. */
  readonly "webhook-timestamp": string;
  /** One `v1,<base64>` a secret, separated by spaces: a receiver takes any that it can verify. */
  readonly "webhook-signature": string;
}

/** The headers of a request; `now` is in ms since 1970. */
export function sign(
  { id, body }: { readonly id: string; readonly body: string },
  secrets: readonly string[],
  now: number,
): Signed {
  const timestamp = String(Math.floor(now / 1000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(PREFIX.length), "base64");
    return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
  });
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatures.join(" "),
  };
}
