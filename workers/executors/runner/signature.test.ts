import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { signedText } from "./protocol.ts";
import {
  importPublicKey,
  isInWindow,
  isSignedBy,
  readPublicKey,
  readSignature,
  writeSignature,
} from "./signature.ts";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const spki = publicKey.export({ type: "spki", format: "der" });
const raw = spki.subarray(-32).toString("base64url");
const parts = { runner_id: "0198-ab", timestamp: "1700000000", nonce: "0f".repeat(16) };
const target = "/api/v1/runner/blobs?attempt=a&key=b";
const text = signedText("GET", target, parts.timestamp, parts.nonce, "-");
const header = writeSignature(parts, sign(null, Buffer.from(text), privateKey));

describe("a signature", () => {
  it("is read as it was written, and verifies for what was signed alone", async () => {
    const read = readSignature(header);
    if (read === null) throw new Error(header);
    expect(read).toMatchObject(parts);
    const key = await importPublicKey(raw);
    const request = { method: "GET", target, sha256: "-" };
    expect(await isSignedBy(key, read, request)).toBe(true);
    for (const other of [{ method: "PUT" }, { target: `${target}c` }, { sha256: "00" }]) {
      expect(await isSignedBy(key, read, { ...request, ...other })).toBe(false);
    }
    const later = { ...read, timestamp: "1700000001" };
    expect(await isSignedBy(key, later, request)).toBe(false);
  });

  it.each([
    null,
    "",
    "Bearer abc",
    header.replace("PIPELZR-Runner", "Bearer"),
    header.replace("ts=1700000000", "ts=now"),
    header.slice(0, -3),
    `${header}, x=1`,
  ])("is not %s", (text) => expect(readSignature(text)).toBeNull());

  it("holds for 300 seconds around its time", () => {
    const read = readSignature(header);
    if (read === null) throw new Error(header);
    const at = (seconds: number) => isInWindow(read, (1_700_000_000 + seconds) * 1000);
    expect([-301, -300, 300, 301].map(at)).toEqual([false, true, true, false]);
  });
});

describe("a public key", () => {
  it("is read raw or in DER, in either base64", () => {
    const forms = [raw, Buffer.from(raw, "base64url").toString("base64"), spki.toString("base64")];
    expect(forms.map(readPublicKey)).toEqual([raw, raw, raw]);
  });

  it.each(["", "abc", `${raw}AA`, "ä".repeat(43), Buffer.alloc(44).toString("base64")])(
    "is not %j",
    (text) => expect(readPublicKey(text)).toBeNull(),
  );
});
