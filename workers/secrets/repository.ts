/** The secrets table. Every statement is bound to the projects of its caller. */
import { z } from "zod";
import { type Page, pageSql } from "../http/page.ts";
import type { SealedSecret, SecretIdentity } from "../security/crypto.ts";

/** The projects a caller may see; `*` is all. */
export type Projects = "*" | readonly string[];

const METADATA = "id, project_id, name, version, created_by, created_at, updated_at";
const SEALED = `${METADATA}, key_id, nonce, ciphertext`;

const metadataSchema = z.object({
  id: z.string(),
  project_id: z.string(),
  name: z.string(),
  version: z.number(),
  created_by: z.string(),
  created_at: z.number(),
  updated_at: z.number(),
});
const sealedSchema = metadataSchema.extend({
  key_id: z.string(),
  nonce: z.string(),
  ciphertext: z.string(),
});

export type SecretRow = z.output<typeof metadataSchema>;
export type SealedRow = z.output<typeof sealedSchema>;

/** One statement never carries more than this; D1 takes parameters of 2 MB. */
const MAX_BATCH_CHARACTERS = 1024 * 1024;

export class SecretRepository {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** Inserts the row, or returns the one that has its id or its name already. */
  async insert(row: SealedRow): Promise<SecretRow> {
    const found = await this.#db
      .prepare(
        `INSERT INTO secrets (${SEALED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET id = secrets.id RETURNING ${METADATA}`,
      )
      .bind(
        row.id,
        row.project_id,
        row.name,
        row.version,
        row.created_by,
        row.created_at,
        row.updated_at,
        row.key_id,
        row.nonce,
        row.ciphertext,
      )
      .first();
    return metadataSchema.parse(found);
  }

  /** Returns up to `limit + 1` rows of the page. */
  async list(projects: Projects, name: string | null, page: Page): Promise<readonly SecretRow[]> {
    const scope = inProjects(projects);
    const { where, parameters, tail } = pageSql(page);
    const named = name === null ? [] : ["name = ?"];
    const conditions = [...scope.where, ...named, ...where];
    const { results } = await this.#db
      .prepare(`SELECT ${METADATA} FROM secrets ${whereClause(conditions)} ${tail}`)
      .bind(...scope.parameters, ...(name === null ? [] : [name]), ...parameters)
      .all();
    return z.array(metadataSchema).parse(results);
  }

  async find(projects: Projects, id: string): Promise<SecretRow | null> {
    const scope = inProjects(projects);
    const found = await this.#db
      .prepare(`SELECT ${METADATA} FROM secrets ${whereClause([...scope.where, "id = ?"])}`)
      .bind(...scope.parameters, id)
      .first();
    return metadataSchema.nullable().parse(found);
  }

  /** Stores version `identity.version` over the one before it; null when that is not the current one. */
  async replace(
    id: string,
    identity: SecretIdentity,
    sealed: SealedSecret,
    now: number,
  ): Promise<SecretRow | null> {
    const found = await this.#db
      .prepare(
        `UPDATE secrets SET version = ?, key_id = ?, nonce = ?, ciphertext = ?, updated_at = ?
         WHERE id = ? AND project_id = ? AND version = ? RETURNING ${METADATA}`,
      )
      .bind(
        identity.version,
        sealed.key_id,
        sealed.nonce,
        sealed.ciphertext,
        now,
        id,
        identity.project_id,
        identity.version - 1,
      )
      .first();
    return metadataSchema.nullable().parse(found);
  }

  /** Deletes the row, if it is at `version` when one is given; says whether it did. */
  async delete(projects: Projects, id: string, version: number | null): Promise<boolean> {
    const scope = inProjects(projects);
    const conditions = [...scope.where, "id = ?", ...(version === null ? [] : ["version = ?"])];
    const { meta } = await this.#db
      .prepare(`DELETE FROM secrets ${whereClause(conditions)}`)
      .bind(...scope.parameters, id, ...(version === null ? [] : [version]))
      .run();
    return meta.changes > 0;
  }

  /** The encrypted rows of a project's secrets with these names. */
  async sealedByName(projectId: string, names: readonly string[]): Promise<readonly SealedRow[]> {
    const { results } = await this.#db
      .prepare(
        `SELECT ${SEALED} FROM secrets
         WHERE project_id = ? AND name IN (SELECT value FROM json_each(?))`,
      )
      .bind(projectId, JSON.stringify(names))
      .all();
    return z.array(sealedSchema).parse(results);
  }

  /** Rows that another master key than `keyId` encrypts. */
  async sealedByOtherKey(
    projects: Projects,
    keyId: string,
    limit: number,
  ): Promise<readonly SealedRow[]> {
    const scope = inProjects(projects);
    const { results } = await this.#db
      .prepare(
        `SELECT ${SEALED} FROM secrets ${whereClause([...scope.where, "key_id <> ?"])}
         ORDER BY id LIMIT ?`,
      )
      .bind(...scope.parameters, keyId, limit)
      .all();
    return z.array(sealedSchema).parse(results);
  }

  /**
   * Stores rows that were encrypted anew, leaving those that changed since they were read.
   * Answers how many it stored and how many rows are left under another key than `keyId`.
   */
  async reseal(
    projects: Projects,
    keyId: string,
    rows: readonly { readonly from: SealedRow; readonly to: SealedSecret }[],
  ): Promise<{ stored: number; remaining: number }> {
    const updates = chunk(
      rows.map(({ from, to }) =>
        JSON.stringify({ ...to, id: from.id, version: from.version, old: from.key_id }),
      ),
    ).map((items) => this.#db.prepare(RESEAL_SQL).bind(`[${items.join(",")}]`));
    const scope = inProjects(projects);
    const count = this.#db
      .prepare(
        `SELECT COUNT(*) AS remaining FROM secrets ${whereClause([...scope.where, "key_id <> ?"])}`,
      )
      .bind(...scope.parameters, keyId);
    const results = await this.#db.batch([...updates, count]);
    const { remaining } = z.object({ remaining: z.number() }).parse(results.at(-1)?.results[0]);
    const stored = results.slice(0, -1).reduce((sum, { meta }) => sum + meta.changes, 0);
    return { stored, remaining };
  }
}

const RESEAL_SQL = `
UPDATE secrets SET key_id = fresh.key_id, nonce = fresh.nonce, ciphertext = fresh.ciphertext
FROM (
  SELECT value ->> 'id' AS id, value ->> 'version' AS version, value ->> 'old' AS old,
    value ->> 'key_id' AS key_id, value ->> 'nonce' AS nonce, value ->> 'ciphertext' AS ciphertext
  FROM json_each(?)
) AS fresh
WHERE secrets.id = fresh.id AND secrets.version = fresh.version AND secrets.key_id = fresh.old`;

function inProjects(projects: Projects): { where: string[]; parameters: string[] } {
  if (projects === "*") return { where: [], parameters: [] };
  return {
    where: ["project_id IN (SELECT value FROM json_each(?))"],
    parameters: [JSON.stringify(projects)],
  };
}

function whereClause(conditions: readonly string[]): string {
  return conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
}

function chunk(items: readonly string[]): string[][] {
  const chunks: string[][] = [];
  let size = MAX_BATCH_CHARACTERS;
  for (const item of items) {
    size += item.length;
    if (size > MAX_BATCH_CHARACTERS) {
      chunks.push([]);
      size = item.length;
    }
    chunks.at(-1)?.push(item);
  }
  return chunks;
}
