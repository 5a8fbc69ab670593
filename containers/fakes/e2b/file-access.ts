/** Who may read and write files over REST: who has the token, or a signature made with it. */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Exchange, HttpError } from "./exchange.ts";
import type { Sandbox } from "./sandbox.ts";

/** `v1_` and the unpadded base64 of the SHA-256 of `path:operation:user:token[:expiration]`. */
function signatureOf(parts: readonly string[]): string {
  const digest = createHash("sha256").update(parts.join(":")).digest("base64");
  return `v1_${digest.replace(/=+$/, "")}`;
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Throws when a request may not touch a sandbox's files. */
export function assertFileAccess(exchange: Exchange, sandbox: Sandbox): void {
  const { accessToken } = sandbox;
  if (accessToken === null) return;
  const given = exchange.header("x-access-token");
  if (given !== undefined) {
    if (isEqual(given, accessToken)) return;
    throw new HttpError(401, "the access token is not this sandbox's");
  }
  const signature = exchange.query("signature");
  if (signature === undefined) throw new HttpError(401, "neither access token nor signature");
  const expiration = exchange.query("signature_expiration");
  const operation = exchange.method === "GET" ? "read" : "write";
  const user = exchange.query("username") ?? "";
  const parts = [exchange.query("path") ?? "", operation, user, accessToken];
  const expected = signatureOf(expiration === undefined ? parts : [...parts, expiration]);
  if (!isEqual(signature, expected)) throw new HttpError(401, "the signature is not valid");
  if (expiration !== undefined && !(Number(expiration) >= Math.floor(Date.now() / 1_000))) {
    throw new HttpError(401, "the signature has expired");
  }
}
