/** Stores secrets encrypted and tells everything about them but their values. */
import type { Config } from "../config.ts";
import { requireMatch } from "../http/conditional.ts";
import { ApiError, notFound } from "../http/errors.ts";
import type { Page } from "../http/page.ts";
import { type SecretCipher, secretCipher } from "../security/crypto.ts";
import { type Principal, projectFor, visibleProjects } from "../security/principal.ts";
import { type SealedRow, SecretRepository, type SecretRow } from "./repository.ts";
import type { CreateSecret, Rotation } from "./schemas.ts";

/** Secrets that one rotation call encrypts anew at most. */
export const ROTATION_BATCH = 100;

/** Who else stores what the master keys encrypt. */
export interface SealedElsewhere {
  /** As `SecretService.rotate`, of its own. */
  reseal(principal: Principal, cipher: SecretCipher): Promise<Rotation>;
}

export class SecretService {
  readonly #repository: SecretRepository;
  readonly #config: Config;
  readonly #elsewhere: SealedElsewhere | null;

  constructor(db: D1Database, config: Config, elsewhere: SealedElsewhere | null = null) {
    this.#repository = new SecretRepository(db);
    this.#config = config;
    this.#elsewhere = elsewhere;
  }

  /**
   * Creates the secret with the id `seed`; the same call again finds it and succeeds.
   * Throws `conflict` when the project has a secret of that name.
   */
  async create(principal: Principal, input: CreateSecret, seed: string): Promise<SecretRow> {
    const cipher = await secretCipher(this.#config);
    const identity = {
      project_id: projectFor(principal, input.project_id),
      name: input.name,
      version: 1,
    };
    const now = Date.now();
    const row = await this.#repository.insert({
      ...identity,
      ...(await cipher.encrypt(identity, input.value)),
      id: seed,
      created_by: `${principal.kind}:${principal.id}`,
      created_at: now,
      updated_at: now,
    });
    if (row.id !== seed) {
      throw new ApiError(
        "conflict",
        `The project "${row.project_id}" has a secret named "${row.name}" already. Give it a new value with PATCH /api/v1/secrets/${row.id}, or choose another name.`,
        { members: { secret_id: row.id } },
      );
    }
    return row;
  }

  /** Returns up to `limit + 1` rows. */
  list(
    principal: Principal,
    filter: { readonly project_id?: string | undefined; readonly name?: string | undefined },
    page: Page,
  ): Promise<readonly SecretRow[]> {
    const projects = visibleProjects(principal, filter.project_id);
    return this.#repository.list(projects, filter.name ?? null, page);
  }

  async get(principal: Principal, id: string): Promise<SecretRow> {
    const row = await this.#repository.find(visibleProjects(principal), id);
    if (row === null) throw notFound("secret", id);
    return row;
  }

  async exists(projectId: string, name: string): Promise<boolean> {
    return (await this.#repository.sealedByName(projectId, [name])).length > 0;
  }

  /** Stores a new value as the next version. Throws `precondition_failed` or `conflict`. */
  async replace(
    principal: Principal,
    id: string,
    value: string,
    ifMatch: string | undefined,
  ): Promise<SecretRow> {
    const current = await this.get(principal, id);
    requireMatch(ifMatch, current.version);
    const cipher = await secretCipher(this.#config);
    const identity = { ...identityOf(current), version: current.version + 1 };
    const sealed = await cipher.encrypt(identity, value);
    const row = await this.#repository.replace(id, identity, sealed, Date.now());
    if (row === null) throw changedMeanwhile(id, ifMatch);
    return row;
  }

  async remove(principal: Principal, id: string, ifMatch: string | undefined): Promise<void> {
    const projects = visibleProjects(principal);
    if (ifMatch === undefined) {
      if (!(await this.#repository.delete(projects, id, null))) throw notFound("secret", id);
      return;
    }
    const { version } = await this.get(principal, id);
    requireMatch(ifMatch, version);
    if (!(await this.#repository.delete(projects, id, version)))
      throw changedMeanwhile(id, ifMatch);
  }

  /**
   * Encrypts up to `ROTATION_BATCH` secrets of the caller's projects with the first master key, and
   * of those that are stored elsewhere as many.
   */
  async rotate(principal: Principal): Promise<Rotation> {
    const cipher = await secretCipher(this.#config);
    const projects = visibleProjects(principal);
    const keyId = cipher.primary_key_id;
    const rows = await this.#repository.sealedByOtherKey(projects, keyId, ROTATION_BATCH);
    const outcomes = await Promise.all(rows.map((row) => reencrypt(cipher, row)));
    const fresh = outcomes.flatMap(({ from, to }) => (to === null ? [] : [{ from, to }]));
    const { stored, remaining } = await this.#repository.reseal(projects, keyId, fresh);
    const unreadable = outcomes
      .filter(({ to }) => to === null)
      .map(({ from: { id, project_id, name } }) => ({ id, project_id, name }));
    const others = await this.#elsewhere?.reseal(principal, cipher);
    return {
      rotated: stored + (others?.rotated ?? 0),
      remaining: remaining + (others?.remaining ?? 0),
      unreadable: [...unreadable, ...(others?.unreadable ?? [])],
    };
  }
}

async function reencrypt(cipher: SecretCipher, from: SealedRow) {
  const identity = identityOf(from);
  try {
    return { from, to: await cipher.encrypt(identity, await cipher.decrypt(identity, from)) };
  } catch (error) {
    // One row that does not decrypt must not keep the others under a key that is to be retired.
    if (error instanceof ApiError && error.code === "misconfigured") return { from, to: null };
    throw error;
  }
}

function identityOf({ project_id, name, version }: SecretRow) {
  return { project_id, name, version };
}

function changedMeanwhile(id: string, ifMatch: string | undefined): ApiError {
  return new ApiError(
    ifMatch === undefined ? "conflict" : "precondition_failed",
    `The secret "${id}" was changed or deleted by another call at the same moment. Read it again and repeat the change.`,
  );
}
