/** Who this runner is: a key that it made itself, and the id that the service gave it. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { signedText } from "../../../workers/executors/runner/protocol.ts";
import { FatalError } from "./errors.ts";

const savedSchema = z.object({
  /** PKCS #8, PEM. */
  private_key: z.string(),
  runner_id: z.string().nullable(),
  pool: z.string().nullable(),
  /** Null until a service has been reached there. */
  url: z.string().nullable(),
});
export type SavedIdentity = z.output<typeof savedSchema>;

/** Null when nothing is saved there. */
export function readIdentity(path: string): SavedIdentity | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
  try {
    return savedSchema.parse(JSON.parse(text));
  } catch {
    throw new FatalError(
      `${path} is damaged. Remove it and register this machine with a new token.`,
    );
  }
}

/** Replaces what is saved in one step; only this user may read it. */
export function saveIdentity(path: string, identity: SavedIdentity): void {
  writeFileSync(`${path}.next`, `${JSON.stringify(identity, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.next`, path);
}

export function newPrivateKey(): string {
  const { privateKey } = generateKeyPairSync("ed25519");
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** The 32 bytes of the public key in base64url, as the service registers them. */
export function publicKeyOf(privateKey: string): string {
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  if (x === undefined) throw new FatalError("The saved key is not an Ed25519 key. Remove it.");
  return x;
}

/** What makes a request's `Authorization` header. */
export interface Signer {
  /** `body` is null when it is streamed, and for the WebSocket upgrade. */
  authorization(method: string, path: string, body: string | null): string;
}

export function createSigner(runnerId: string, privateKey: string, now = Date.now): Signer {
  const key: KeyObject = createPrivateKey(privateKey);
  return {
    authorization: (method, path, body) => {
      const timestamp = String(Math.floor(now() / 1_000));
      const nonce = randomBytes(16).toString("hex");
      const digest = body === null ? "-" : createHash("sha256").update(body).digest("hex");
      const text = signedText(method, path, timestamp, nonce, digest);
      const signature = sign(null, Buffer.from(text), key).toString("base64url");
      return `PIPELZR-Runner id=${runnerId},ts=${timestamp},nonce=${nonce},sig=${signature}`;
    },
  };
}
