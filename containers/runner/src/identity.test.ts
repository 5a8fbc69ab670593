import { createPublicKey, verify } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { signedText } from "../../../workers/executors/runner/protocol.ts";
import {
  createSigner,
  newPrivateKey,
  publicKeyOf,
  readIdentity,
  saveIdentity,
} from "./identity.ts";

const folder = mkdtempSync(join(tmpdir(), "pipelzr-identity-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("identity", () => {
  it("signs requests so that the registered key verifies them", () => {
    const key = newPrivateKey();
    const x = publicKeyOf(key);
    expect(Buffer.from(x, "base64url").length).toBe(32);
    const header = createSigner("r1", key, () => 1_700_000_000_999).authorization(
      "POST",
      "/p?q=1",
      "",
    );
    const [, nonce = "", signature = ""] =
      /^PIPELZR-Runner id=r1,ts=1700000000,nonce=([0-9a-f]{32}),sig=([\w-]{86})$/.exec(header) ??
      [];
    const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const text = signedText("POST", "/p?q=1", "1700000000", nonce, empty);
    const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    const bytes = Buffer.from(signature, "base64url");
    expect(verify(null, Buffer.from(text), publicKey, bytes)).toBe(true);
  });

  it("is kept for this user alone", () => {
    const path = join(folder, "runner.json");
    expect(readIdentity(path)).toBeNull();
    const identity = { private_key: "k", runner_id: null, pool: null, url: null };
    saveIdentity(path, identity);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readIdentity(path)).toEqual(identity);
    writeFileSync(path, "{");
    expect(() => readIdentity(path)).toThrow(/damaged.*new token/);
  });
});
