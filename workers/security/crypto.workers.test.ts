import { describe, expect, it } from "vitest";
import { SecretCipher, type SecretIdentity } from "./crypto.ts";

const key = (byte: number) => Buffer.alloc(32, byte).toString("base64");
const identity: SecretIdentity = { project_id: "alpha", name: "TOKEN", version: 1 };
const misconfigured = (detail: RegExp) =>
  expect.objectContaining({ code: "misconfigured", detail: expect.stringMatching(detail) });

describe("SecretCipher", () => {
  it.each(["x", "pass wörd 🔑\n\0", "\ufeffbyte order mark", "v".repeat(65_536)])(
    "gives back what it encrypted (%#)",
    async (value) => {
      const cipher = await SecretCipher.create([`k1:${key(1)}`]);
      const sealed = await cipher.encrypt(identity, value);
      expect(sealed.key_id).toBe("k1");
      expect(await cipher.decrypt(identity, sealed)).toBe(value);
    },
  );

  it("never encrypts the same value to the same bytes", async () => {
    const cipher = await SecretCipher.create([`k1:${key(1)}`]);
    const [one, two] = [await cipher.encrypt(identity, "v"), await cipher.encrypt(identity, "v")];
    expect(one.nonce).not.toBe(two.nonce);
    expect(one.ciphertext).not.toBe(two.ciphertext);
  });

  it.each<[string, Partial<SecretIdentity>]>([
    ["project", { project_id: "beta" }],
    ["name", { name: "TOKEN2" }],
    ["version", { version: 2 }],
  ])("binds a ciphertext to its %s", async (_, other) => {
    const cipher = await SecretCipher.create([`k1:${key(1)}`]);
    const sealed = await cipher.encrypt(identity, "value");
    await expect(cipher.decrypt({ ...identity, ...other }, sealed)).rejects.toThrow(
      misconfigured(/does not decrypt.*PATCH/),
    );
  });

  it("refuses an altered ciphertext", async () => {
    const cipher = await SecretCipher.create([`k1:${key(1)}`]);
    const sealed = await cipher.encrypt(identity, "value");
    const bytes = Buffer.from(sealed.ciphertext, "base64");
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    const altered = { ...sealed, ciphertext: bytes.toString("base64") };
    await expect(cipher.decrypt(identity, altered)).rejects.toThrow(
      misconfigured(/row was altered/),
    );
  });

  it("encrypts with the first key and decrypts with all", async () => {
    const old = await SecretCipher.create([`old:${key(1)}`]);
    const both = await SecretCipher.create([`new:${key(2)}`, `old:${key(1)}`]);
    const sealed = await old.encrypt(identity, "value");
    expect(await both.decrypt(identity, sealed)).toBe("value");
    expect((await both.encrypt(identity, "value")).key_id).toBe("new");
  });

  it("names the key that is missing, and where to put it", async () => {
    const old = await SecretCipher.create([`old:${key(1)}`]);
    const fresh = await SecretCipher.create([`new:${key(2)}`]);
    const sealed = await old.encrypt(identity, "value");
    await expect(fresh.decrypt(identity, sealed)).rejects.toThrow(
      misconfigured(/"old".*SECRETS_MASTER_KEYS/),
    );
  });

  it.each<[string, string[], RegExp]>([
    ["no key", [], /SECRETS_MASTER_KEYS is not set.*openssl/],
    ["no id", [key(1)], /Entry 1 .*is not a key/],
    ["a short key", [`a:${key(1)}`, `b:${Buffer.alloc(16).toString("base64")}`], /Entry 2 /],
    ["text that is no base64", [`a:${"!".repeat(43)}`], /Entry 1 /],
    ["two keys of one id", [`a:${key(1)}`, `a:${key(2)}`], /two keys with the id "a"/],
  ])("refuses %s without showing it", async (_, entries, detail) => {
    const error: unknown = await SecretCipher.create(entries).catch((caught: unknown) => caught);
    expect(error).toEqual(misconfigured(detail));
    expect(String(error)).not.toContain(key(1));
  });
});
