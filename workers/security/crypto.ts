/**
 * Encrypts secrets with AES-256-GCM. Each project has a key of its own, derived from a master key
 * by HKDF-SHA256, and each ciphertext is bound to its project, name and version, so that a row
 * copied over another one does not decrypt.
 */
import { Buffer } from "node:buffer";
import type { Config } from "../config.ts";
import { ApiError } from "../http/errors.ts";

/** What a ciphertext belongs to. */
export interface SecretIdentity {
  readonly project_id: string;
  readonly name: string;
  readonly version: number;
}

/** An encrypted value as it is stored; `nonce` and `ciphertext` are base64. */
export interface SealedSecret {
  readonly key_id: string;
  readonly nonce: string;
  readonly ciphertext: string;
}

const SALT = new TextEncoder().encode("pipelzr.secrets.v1");
const NONCE_BYTES = 12;
const MASTER_KEY_BYTES = 32;
const MASTER_KEY_ENTRY = /^([A-Za-z0-9_-]{1,64}):([A-Za-z0-9+/_-]{43}=?)$/;
const MAX_DERIVED_KEYS = 1000;
const HOW_TO_MAKE_A_KEY =
  "Each entry is `id:base64` of 32 random bytes, such as the output of `openssl rand -base64 32`.";

const ciphers = new WeakMap<Config, SecretCipher>();

/** The cipher for a configuration, one an isolate. Throws `misconfigured` without a usable key. */
export async function secretCipher(config: Config): Promise<SecretCipher> {
  const known = ciphers.get(config);
  if (known) return known;
  const cipher = await SecretCipher.create(config.SECRETS_MASTER_KEYS);
  ciphers.set(config, cipher);
  return cipher;
}

export class SecretCipher {
  /** The master key that encrypts. */
  readonly primary_key_id: string;
  /** Every master key that decrypts, the primary one first. */
  readonly key_ids: readonly string[];
  readonly #masters: ReadonlyMap<string, CryptoKey>;
  readonly #derived = new Map<string, Promise<CryptoKey>>();

  private constructor(primary: string, masters: ReadonlyMap<string, CryptoKey>) {
    this.primary_key_id = primary;
    this.key_ids = [...masters.keys()];
    this.#masters = masters;
  }

  /** Reads `id:base64` entries, the first of which encrypts; throws `misconfigured`. */
  static async create(entries: readonly string[]): Promise<SecretCipher> {
    const masters = new Map<string, CryptoKey>();
    for (const [index, entry] of entries.entries()) {
      const [, id, encoded] = MASTER_KEY_ENTRY.exec(entry) ?? [];
      const bytes = Buffer.from(encoded ?? "", "base64");
      if (id === undefined || bytes.length !== MASTER_KEY_BYTES) {
        throw unusable(`Entry ${index + 1} of SECRETS_MASTER_KEYS is not a key.`);
      }
      if (masters.has(id)) {
        throw unusable(`SECRETS_MASTER_KEYS has two keys with the id "${id}".`);
      }
      masters.set(id, await crypto.subtle.importKey("raw", bytes, "HKDF", false, ["deriveKey"]));
    }
    const [primary] = masters.keys();
    if (primary === undefined) {
      throw unusable("Secrets cannot be stored or read: SECRETS_MASTER_KEYS is not set.");
    }
    return new SecretCipher(primary, masters);
  }

  async encrypt(identity: SecretIdentity, value: string): Promise<SealedSecret> {
    const key = await this.#keyOf(this.primary_key_id, identity);
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const sealed = await crypto.subtle.encrypt(
      { name: "AES-GCM", iv: nonce, additionalData: additionalData(identity) },
      key,
      new TextEncoder().encode(value),
    );
    return {
      key_id: this.primary_key_id,
      nonce: Buffer.from(nonce).toString("base64"),
      ciphertext: Buffer.from(sealed).toString("base64"),
    };
  }

  /** Throws `misconfigured`, naming the remedy, when the row cannot be decrypted. */
  async decrypt(identity: SecretIdentity, sealed: SealedSecret): Promise<string> {
    const key = await this.#keyOf(sealed.key_id, identity);
    try {
      const value = await crypto.subtle.decrypt(
        {
          name: "AES-GCM",
          iv: Buffer.from(sealed.nonce, "base64"),
          additionalData: additionalData(identity),
        },
        key,
        Buffer.from(sealed.ciphertext, "base64"),
      );
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
    } catch (cause) {
      throw new ApiError(
        "misconfigured",
        `The secret "${identity.name}" of project "${identity.project_id}" does not decrypt: the key "${sealed.key_id}" of SECRETS_MASTER_KEYS is not the one it was written with, or its row was altered. Restore that key, or give the secret a new value with PATCH.`,
        { cause },
      );
    }
  }

  #keyOf(masterId: string, identity: SecretIdentity): Promise<CryptoKey> {
    const cacheKey = `${masterId}:${identity.project_id}`;
    const known = this.#derived.get(cacheKey);
    if (known) return known;
    const master = this.#masters.get(masterId);
    if (!master) {
      throw new ApiError(
        "misconfigured",
        `The secret "${identity.name}" of project "${identity.project_id}" is encrypted with the master key "${masterId}", which SECRETS_MASTER_KEYS does not hold. Append that key to the variable, or give the secret a new value with PATCH.`,
      );
    }
    const derived = crypto.subtle.deriveKey(
      {
        name: "HKDF",
        hash: "SHA-256",
        salt: SALT,
        info: new TextEncoder().encode(identity.project_id),
      },
      master,
      { name: "AES-GCM", length: 256 },
      false,
      ["encrypt", "decrypt"],
    );
    if (this.#derived.size >= MAX_DERIVED_KEYS) this.#derived.clear();
    this.#derived.set(cacheKey, derived);
    return derived;
  }
}

/** JSON keeps the parts apart: no project and name can be read as another project and name. */
function additionalData(identity: SecretIdentity): Uint8Array {
  const parts = [identity.project_id, identity.name, identity.version];
  return new TextEncoder().encode(JSON.stringify(parts));
}

function unusable(problem: string): ApiError {
  return new ApiError("misconfigured", `${problem} ${HOW_TO_MAKE_A_KEY}`);
}
