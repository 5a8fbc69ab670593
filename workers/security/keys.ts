/** API keys: how they look, and who they are. */
import { z } from "zod";
import { unauthenticated } from "./credentials.ts";
import { sha256 } from "./hash.ts";
import { type Principal, SCOPES, type Scope } from "./principal.ts";

const KEY_PATTERN = /^plz_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}$/;
const PREFIX_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const PREFIX_CHARACTERS = 8;
const SECRET_BYTES = 32;

export interface NewKey {
  /** The whole key; it is shown once and not stored. */
  readonly key: string;
  /** What a person recognises the key by. */
  readonly prefix: string;
  readonly hash: string;
}

/** Mints a key with 256 random bits. */
export function mintKey(): NewKey {
  const letters = crypto.getRandomValues(new Uint32Array(PREFIX_CHARACTERS));
  const name = Array.from(letters, (n) => PREFIX_ALPHABET.charAt(n % PREFIX_ALPHABET.length)).join(
    "",
  );
  const secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const prefix = `plz_${name}`;
  const key = `${prefix}_${Buffer.from(secret).toString("base64url")}`;
  return { key, prefix, hash: sha256(key) };
}

export function looksLikeKey(credential: string): boolean {
  return KEY_PATTERN.test(credential);
}

const rowSchema = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.string(),
  projects: z.string().nullable(),
  expires_at: z.number().nullable(),
  revoked_at: z.number().nullable(),
});
const known: ReadonlySet<string> = new Set(SCOPES);
const scopesSchema = z.array(z.string()).transform((names) => names.filter(isScope));
const projectsSchema = z.array(z.string());

export interface KnownKey {
  readonly principal: Principal;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
}

/** Looks a key up by its hash, in one statement; null when there is none. */
export async function findKey(db: D1Database, hash: string): Promise<KnownKey | null> {
  const found = await db
    .prepare(
      "SELECT id, name, scopes, projects, expires_at, revoked_at FROM api_keys WHERE hash = ?1",
    )
    .bind(hash)
    .first();
  if (found === null) return null;
  const row = rowSchema.parse(found);
  return {
    principal: {
      kind: "api_key",
      id: row.id,
      name: row.name,
      scopes: new Set(scopesSchema.parse(JSON.parse(row.scopes))),
      projects:
        row.projects === null ? "*" : new Set(projectsSchema.parse(JSON.parse(row.projects))),
    },
    expires_at: row.expires_at,
    revoked_at: row.revoked_at,
  };
}

/** Throws `unauthenticated` when the key, or the token it stands for, is revoked or past its expiry. */
export function checkKey(key: KnownKey, now: number): void {
  if (key.revoked_at !== null) {
    throw unauthenticated("This API key has been revoked; use another.");
  }
  if (key.expires_at !== null && key.expires_at <= now) {
    throw unauthenticated(
      key.principal.kind === "user"
        ? "The token has expired; sign in again."
        : "This API key has expired; create another.",
    );
  }
}

export function isScope(name: string): name is Scope {
  return known.has(name);
}
