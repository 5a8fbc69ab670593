/** API keys in D1. Every statement is limited to the keys that a caller may manage. */
import { z } from "zod";
import { type Page, pageSql } from "../http/page.ts";
import type { Principal } from "../security/principal.ts";

const rowSchema = z.object({
  id: z.string(),
  name: z.string(),
  prefix: z.string(),
  scopes: z.string(),
  projects: z.string().nullable(),
  created_by: z.string(),
  created_at: z.number(),
  expires_at: z.number().nullable(),
  revoked_at: z.number().nullable(),
});
export type KeyRow = z.output<typeof rowSchema>;

const COLUMNS =
  "id, name, prefix, scopes, projects, created_by, created_at, expires_at, revoked_at";
/** A caller of some projects manages the keys that reach no other project. */
const WITHIN_PROJECTS =
  "projects IS NOT NULL AND NOT EXISTS (SELECT 1 FROM json_each(api_keys.projects) AS owned WHERE owned.value NOT IN (SELECT value FROM json_each(?)))";

export class KeyRepository {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** Stores a key; false when its id exists already. */
  async insert(row: KeyRow & { readonly hash: string }): Promise<boolean> {
    const result = await this.#db
      .prepare(
        `INSERT INTO api_keys (${COLUMNS}, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
      )
      .bind(
        row.id,
        row.name,
        row.prefix,
        row.scopes,
        row.projects,
        row.created_by,
        row.created_at,
        row.expires_at,
        row.revoked_at,
        row.hash,
      )
      .run();
    return result.meta.changes > 0;
  }

  async get(principal: Principal, id: string): Promise<KeyRow | null> {
    const { where, parameters } = manageable(principal);
    const row = await this.#db
      .prepare(`SELECT ${COLUMNS} FROM api_keys WHERE id = ?${where}`)
      .bind(id, ...parameters)
      .first();
    return row === null ? null : rowSchema.parse(row);
  }

  /** Up to `limit + 1` rows of a page. */
  async list(principal: Principal, page: Page): Promise<KeyRow[]> {
    const scope = manageable(principal);
    const paging = pageSql(page);
    const where = ["TRUE", ...paging.where].join(" AND ");
    const { results } = await this.#db
      .prepare(`SELECT ${COLUMNS} FROM api_keys WHERE ${where}${scope.where} ${paging.tail}`)
      .bind(...paging.parameters, ...scope.parameters)
      .all();
    return results.map((row) => rowSchema.parse(row));
  }

  /** Revokes a key, keeping the moment of an earlier revocation; false when there is none. */
  async revoke(principal: Principal, id: string, now: number): Promise<boolean> {
    const { where, parameters } = manageable(principal);
    const result = await this.#db
      .prepare(
        `UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?${where} RETURNING id`,
      )
      .bind(now, id, ...parameters)
      .all();
    return result.results.length > 0;
  }
}

function manageable(principal: Principal): { where: string; parameters: string[] } {
  if (principal.projects === "*") return { where: "", parameters: [] };
  return {
    where: ` AND ${WITHIN_PROJECTS}`,
    parameters: [JSON.stringify([...principal.projects])],
  };
}
