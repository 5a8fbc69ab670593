/** The secrets of one session. Their text stays here; calls and ids carry what identifies them alone. */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import process from "node:process";
import { Call } from "./call.ts";
import { EngineError } from "./errors.ts";

export class SecretStore {
  readonly #plaintexts = new Map<string, () => Buffer>();

  /** A secret given by its text. The name identifies it, so that another text hits the same cache. */
  set(name: string, plaintext: string): Call {
    const call = new Call("Secret", "setSecret", { name });
    this.#plaintexts.set(call.digest, () => Buffer.from(plaintext));
    return call;
  }

  /** A secret read from the host when it is used; its text identifies it unless there is a key. */
  fromUri(uri: string, cacheKey: string | undefined): Call {
    const read = reader(uri);
    let identity = cacheKey;
    try {
      identity ??= createHash("sha256").update("secret\0").update(read()).digest("hex");
    } catch {
      // The failure is that of whoever uses it; until then it is like no other.
      identity = randomBytes(32).toString("hex");
    }
    const call = new Call("Secret", "secret", { uri, identity });
    this.#plaintexts.set(call.digest, read);
    return call;
  }

  plaintext(secret: Call): Buffer {
    const read = this.#plaintexts.get(secret.digest);
    if (read === undefined) throw new EngineError("secret is not known to this session");
    return read();
  }
}

function reader(uri: string): () => Buffer {
  const [scheme, name] = uri.split("://", 2);
  if (name === undefined) {
    throw new EngineError(`parse ${JSON.stringify(uri)}: malformed id`);
  }
  if (scheme === "env") return () => fromEnvironment(name);
  if (scheme === "file") return () => fromFile(name);
  throw new EngineError(`unsupported secret provider: ${JSON.stringify(scheme)}`);
}

function fromEnvironment(name: string): Buffer {
  const value = process.env[name];
  if (value !== undefined) return Buffer.from(value);
  // A name that is in fact a secret is not repeated.
  const shown = name.length >= 4 ? `${name.slice(0, 3)}...` : name;
  throw new EngineError(`secret env var not found: ${JSON.stringify(shown)}`);
}

function fromFile(name: string): Buffer {
  const path = name.startsWith("~/") ? `${homedir()}${name.slice(1)}` : name;
  try {
    return readFileSync(path);
  } catch {
    throw new EngineError(
      `failed to read secret file ${JSON.stringify(path)}: no such file or directory`,
    );
  }
}
