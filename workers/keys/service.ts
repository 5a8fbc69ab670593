/** Creates, lists and revokes API keys. Nobody can hand on more than they have. */
import { z } from "zod";
import { ApiError, notFound } from "../http/errors.ts";
import { type Page, toPage } from "../http/page.ts";
import { timestamp, timestampOrNull } from "../http/schemas.ts";
import { isScope, mintKey } from "../security/keys.ts";
import type { Principal } from "../security/principal.ts";
import type { KeyRepository, KeyRow } from "./repository.ts";
import type { CreateKey, KeyDocument } from "./schemas.ts";

export class KeyService {
  readonly #repository: KeyRepository;
  /** Makes this isolate notice a revocation at once. */
  readonly #forget: (keyId: string) => void;

  constructor(repository: KeyRepository, forget: (keyId: string) => void) {
    this.#repository = repository;
    this.#forget = forget;
  }

  /**
   * `seed` becomes the key's id. Done again with the same seed, it returns the same key without its
   * secret, which exists nowhere any more. Throws `forbidden` and `validation_failed`.
   */
  async create(
    principal: Principal,
    seed: string,
    body: CreateKey,
    now: number,
  ): Promise<KeyDocument & { key: string | null }> {
    const projects = grantedProjects(principal, body.projects);
    requireGrantable(principal, body.scopes);
    const expiresAt = expiryOf(body, now);
    const minted = mintKey();
    const row: KeyRow = {
      id: seed,
      name: body.name,
      prefix: minted.prefix,
      scopes: JSON.stringify(body.scopes),
      projects: projects === null ? null : JSON.stringify(projects),
      created_by: `${principal.kind}:${principal.id}`,
      created_at: now,
      expires_at: expiresAt,
      revoked_at: null,
    };
    if (await this.#repository.insert({ ...row, hash: minted.hash })) {
      return { ...toDocument(row), key: minted.key };
    }
    return { ...(await this.get(principal, seed)), key: null };
  }

  async get(principal: Principal, id: string): Promise<KeyDocument> {
    const row = await this.#repository.get(principal, id);
    if (row === null) throw notFound("key", id);
    return toDocument(row);
  }

  async list(principal: Principal, page: Page, url: string) {
    const rows = await this.#repository.list(principal, page);
    return toPage(rows, page, url, (row) => row, toDocument);
  }

  async revoke(principal: Principal, id: string, now: number): Promise<void> {
    if (!(await this.#repository.revoke(principal, id, now))) throw notFound("key", id);
    this.#forget(id);
  }
}

function grantedProjects(
  principal: Principal,
  requested: readonly string[] | null | undefined,
): readonly string[] | null {
  const { projects } = principal;
  if (projects === "*") return requested ?? null;
  if (requested === undefined) return [...projects];
  const lacking = requested?.filter((id) => !projects.has(id)) ?? ["all projects"];
  if (lacking.length === 0) return requested;
  throw new ApiError(
    "forbidden",
    `A key cannot reach further than its creator, who lacks: ${lacking.join(", ")}. Leave those out.`,
  );
}

function requireGrantable(principal: Principal, scopes: CreateKey["scopes"]): void {
  const lacking = scopes.filter((scope) => !principal.scopes.has(scope));
  if (lacking.length === 0) return;
  throw new ApiError(
    "forbidden",
    `A key cannot do more than its creator, who lacks: ${lacking.join(", ")}. Leave those out.`,
    { members: { lacking_scopes: lacking } },
  );
}

function expiryOf(body: CreateKey, now: number): number | null {
  if (body.expires_in_seconds !== undefined) return now + body.expires_in_seconds * 1000;
  if (body.expires_at === undefined) return null;
  const expiresAt = Date.parse(body.expires_at);
  if (expiresAt > now) return expiresAt;
  const message = "It lies in the past; name a moment to come.";
  throw new ApiError("validation_failed", "The key would have expired already.", {
    issues: [{ path: "expires_at", message }],
  });
}

const names = z.array(z.string());

function toDocument(row: KeyRow): KeyDocument {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    scopes: names.parse(JSON.parse(row.scopes)).filter(isScope),
    projects: row.projects === null ? null : names.parse(JSON.parse(row.projects)),
    created_by: row.created_by,
    created_at: timestamp(row.created_at),
    expires_at: timestampOrNull(row.expires_at),
    revoked_at: timestampOrNull(row.revoked_at),
  };
}
