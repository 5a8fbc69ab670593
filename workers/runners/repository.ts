/** Runners in D1. Shared ones, of no project, are for callers of all projects. */
import { z } from "zod";
import { type Page, pageSql } from "../http/page.ts";

/** The projects a caller may see; `*` is all, and the shared runners. */
export type Projects = "*" | readonly string[];

const COLUMNS =
  "id, project_id, name, token_expires_at, public_key, machine, created_by, created_at, registered_at, revoked_at";

const rowSchema = z.object({
  id: z.string(),
  project_id: z.string().nullable(),
  name: z.string(),
  token_expires_at: z.number(),
  public_key: z.string().nullable(),
  machine: z.string().nullable(),
  created_by: z.string(),
  created_at: z.number(),
  registered_at: z.number().nullable(),
  revoked_at: z.number().nullable(),
});
export type RunnerRow = z.output<typeof rowSchema>;

export class RunnerRepository {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** Stores a runner; false when its id exists already. */
  async insert(row: RunnerRow, tokenHash: string): Promise<boolean> {
    const { meta } = await this.#db
      .prepare(
        `INSERT INTO runners (${COLUMNS}, token_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO NOTHING`,
      )
      .bind(
        row.id,
        row.project_id,
        row.name,
        row.token_expires_at,
        row.public_key,
        row.machine,
        row.created_by,
        row.created_at,
        row.registered_at,
        row.revoked_at,
        tokenHash,
      )
      .run();
    return meta.changes > 0;
  }

  async find(projects: Projects, id: string): Promise<RunnerRow | null> {
    const { where, parameters } = within(projects);
    const found = await this.#db
      .prepare(`SELECT ${COLUMNS} FROM runners WHERE id = ?${where}`)
      .bind(id, ...parameters)
      .first();
    return rowSchema.nullable().parse(found);
  }

  /** Up to `limit + 1` rows of a page. */
  async list(projects: Projects, page: Page): Promise<RunnerRow[]> {
    const scope = within(projects);
    const paging = pageSql(page);
    const conditions = ["TRUE", ...paging.where].join(" AND ");
    const { results } = await this.#db
      .prepare(`SELECT ${COLUMNS} FROM runners WHERE ${conditions}${scope.where} ${paging.tail}`)
      .bind(...paging.parameters, ...scope.parameters)
      .all();
    return z.array(rowSchema).parse(results);
  }

  /**
   * Gives the runner of a token its key, once; the same key again changes nothing. Null when the
   * token is unknown, used with another key, expired, or its runner revoked.
   */
  async register(
    tokenHash: string,
    key: { readonly public_key: string; readonly machine: string },
    now: number,
  ): Promise<RunnerRow | null> {
    const found = await this.#db
      .prepare(
        `UPDATE runners SET public_key = ?2, machine = ?3, registered_at = coalesce(registered_at, ?4)
         WHERE token_hash = ?1 AND revoked_at IS NULL AND token_expires_at > ?4
           AND (public_key IS NULL OR public_key = ?2) RETURNING ${COLUMNS}`,
      )
      .bind(tokenHash, key.public_key, key.machine, now)
      .first();
    return rowSchema.nullable().parse(found);
  }

  /** Revokes a runner, keeping the moment of an earlier revocation; null when there is none. */
  async revoke(projects: Projects, id: string, now: number): Promise<RunnerRow | null> {
    const { where, parameters } = within(projects);
    const found = await this.#db
      .prepare(
        `UPDATE runners SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?${where} RETURNING ${COLUMNS}`,
      )
      .bind(now, id, ...parameters)
      .first();
    return rowSchema.nullable().parse(found);
  }
}

function within(projects: Projects): { where: string; parameters: string[] } {
  if (projects === "*") return { where: "", parameters: [] };
  return {
    where: " AND project_id IN (SELECT value FROM json_each(?))",
    parameters: [JSON.stringify(projects)],
  };
}
