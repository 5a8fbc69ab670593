/** Signed requests of runners, as protocol.ts describes them. */
import { SIGNATURE_WINDOW_SECONDS, signedText } from "./protocol.ts";

export const SIGNATURE_SCHEME = "PIPELZR-Runner";

export interface Signature {
  readonly runner_id: string;
  /** Unix seconds, as it was sent. */
  readonly timestamp: string;
  readonly nonce: string;
  readonly signature: Uint8Array<ArrayBuffer>;
}

const HEADER =
  /^PIPELZR-Runner +id=([A-Za-z0-9-]{1,64}), *ts=(\d{1,12}), *nonce=([0-9a-f]{32}), *sig=([A-Za-z0-9_-]{86})={0,2}$/;

/** The parts of an Authorization header; null when it is no signature. */
export function readSignature(authorization: string | null): Signature | null {
  const [, runner_id, timestamp, nonce, sig] = HEADER.exec(authorization?.trim() ?? "") ?? [];
  if (!runner_id || !timestamp || !nonce || !sig) return null;
  return { runner_id, timestamp, nonce, signature: bytesOf(sig) };
}

export function writeSignature(
  { runner_id, timestamp, nonce }: Omit<Signature, "signature">,
  signature: Uint8Array,
): string {
  const sig = Buffer.from(signature).toString("base64url");
  return `${SIGNATURE_SCHEME} id=${runner_id},ts=${timestamp},nonce=${nonce},sig=${sig}`;
}

/** How many seconds the runner's clock is ahead; negative when it is behind. */
export function clockSkew({ timestamp }: Signature, now: number): number {
  return Number(timestamp) - Math.floor(now / 1000);
}

export function isInWindow(signature: Signature, now: number): boolean {
  return Math.abs(clockSkew(signature, now)) <= SIGNATURE_WINDOW_SECONDS;
}

/** Until when a nonce has to be remembered: past it the clock window refuses the request. */
export function nonceEnd({ timestamp }: Signature): number {
  return (Number(timestamp) + SIGNATURE_WINDOW_SECONDS + 1) * 1000;
}

/** `target` is the path with its query, as it is sent. */
export function isSignedBy(
  key: CryptoKey,
  { timestamp, nonce, signature }: Signature,
  request: { readonly method: string; readonly target: string; readonly sha256: string },
): Promise<boolean> {
  const text = signedText(request.method, request.target, timestamp, nonce, request.sha256);
  return crypto.subtle.verify("Ed25519", key, signature, new TextEncoder().encode(text));
}

const RAW_KEY_BYTES = 32;
/** What precedes the key in its DER form. */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/**
 * An Ed25519 public key in base64 or base64url: its 32 bytes, or their DER form (SPKI). Answers with
 * the 32 bytes in base64url; null for anything else.
 */
export function readPublicKey(text: string): string | null {
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return null;
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === RAW_KEY_BYTES) return bytes.toString("base64url");
  const isSpki =
    bytes.length === SPKI_PREFIX.length + RAW_KEY_BYTES &&
    bytes.subarray(0, SPKI_PREFIX.length).equals(SPKI_PREFIX);
  return isSpki ? bytes.subarray(SPKI_PREFIX.length).toString("base64url") : null;
}

export function importPublicKey(key: string): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytesOf(key), "Ed25519", false, ["verify"]);
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(base64url, "base64url"));
}
