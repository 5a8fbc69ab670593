/** Codebases in D1: what is listed. What their indexes hold is known by their objects. */
import { z } from "zod";
import { FilterSql } from "../http/filters.ts";
import type { Page } from "../http/page.ts";

/** The projects a caller may see; `*` is all. */
export type Projects = "*" | readonly string[];

const COLUMNS =
  "id, project_id, name, description, labels, source_url, source_ref, source_secret, latest, snapshots, revision, created_by, created_at, updated_at, deleted_at";

const labels = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(z.record(z.string(), z.string()));

const rowSchema = z.object({
  id: z.string(),
  project_id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  labels,
  source_url: z.string().nullable(),
  source_ref: z.string().nullable(),
  /** Names the secret that it is read with. */
  source_secret: z.string().nullable(),
  /** The newest ready snapshot as JSON, for lists. */
  latest: z.string().nullable(),
  snapshots: z.number(),
  /** Raised by every change, for `ETag`. */
  revision: z.number(),
  created_by: z.string(),
  created_at: z.number(),
  updated_at: z.number(),
  /** Its index is being deleted. */
  deleted_at: z.number().nullable(),
});
export type CodebaseRow = z.output<typeof rowSchema>;

export type CodebaseChanges = Partial<
  Pick<
    CodebaseRow,
    "name" | "description" | "labels" | "source_url" | "source_ref" | "source_secret"
  >
>;

export interface CodebaseFilter {
  readonly projects: Projects;
  readonly name: string | null;
}

export type Written = "written" | "exists" | "name_taken";

export class CodebaseRepository {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** Stores a codebase unless its id or its name in the project is there. */
  async insert(row: CodebaseRow): Promise<Written> {
    const { meta } = await this.#db
      .prepare(
        `INSERT INTO codebases (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO NOTHING`,
      )
      .bind(
        row.id,
        row.project_id,
        row.name,
        row.description,
        JSON.stringify(row.labels),
        row.source_url,
        row.source_ref,
        row.source_secret,
        row.latest,
        row.snapshots,
        row.revision,
        row.created_by,
        row.created_at,
        row.updated_at,
        row.deleted_at,
      )
      .run();
    if (meta.changes > 0) return "written";
    return (await this.find("*", row.id)) === null ? "name_taken" : "exists";
  }

  async find(projects: Projects, id: string): Promise<CodebaseRow | null> {
    const within = scope(projects);
    const row = await this.#db
      .prepare(
        `SELECT ${COLUMNS} FROM codebases WHERE id = ? AND deleted_at IS NULL${within.where}`,
      )
      .bind(id, ...within.parameters)
      .first();
    return rowSchema.nullable().parse(row);
  }

  /** Codebases of a project whose id or name is one of these. */
  async called(projectId: string, names: readonly string[]): Promise<CodebaseRow[]> {
    const { results } = await this.#db
      .prepare(
        `SELECT ${COLUMNS} FROM codebases WHERE project_id = ?1 AND deleted_at IS NULL
           AND (id IN (SELECT value FROM json_each(?2)) OR name IN (SELECT value FROM json_each(?2)))`,
      )
      .bind(projectId, JSON.stringify(names))
      .all();
    return z.array(rowSchema).parse(results);
  }

  async idsOf(projectId: string): Promise<string[]> {
    const { results } = await this.#db
      .prepare("SELECT id FROM codebases WHERE project_id = ? AND deleted_at IS NULL")
      .bind(projectId)
      .all();
    return z
      .array(rowSchema.pick({ id: true }))
      .parse(results)
      .map(({ id }) => id);
  }

  /** Up to `limit + 1` rows of a page. */
  async list(filter: CodebaseFilter, page: Page): Promise<CodebaseRow[]> {
    const sql = new FilterSql(page);
    sql.oneOf("project_id", filter.projects === "*" ? null : filter.projects);
    sql.equals("name", filter.name);
    const { results } = await this.#db
      .prepare(
        `SELECT ${COLUMNS} FROM (SELECT * FROM codebases WHERE deleted_at IS NULL) ${sql.clause}`,
      )
      .bind(...sql.parameters)
      .all();
    return z.array(rowSchema).parse(results);
  }

  /** Changes what is given, unless the row is at another revision; null when nothing was changed. */
  async update(
    row: Pick<CodebaseRow, "id" | "revision">,
    changes: CodebaseChanges,
    now: number,
  ): Promise<CodebaseRow | "name_taken" | null> {
    const { labels, ...texts } = changes;
    const values = {
      ...texts,
      ...(labels !== undefined && { labels: JSON.stringify(labels) }),
    };
    const names = Object.keys(values);
    const sets = names.map((name) => `${name} = ?`);
    const found = await this.#db
      .prepare(
        `UPDATE OR IGNORE codebases SET ${[...sets, "revision = revision + 1", "updated_at = ?"].join(", ")}
         WHERE id = ? AND revision = ? AND deleted_at IS NULL RETURNING ${COLUMNS}`,
      )
      .bind(...Object.values(values), now, row.id, row.revision)
      .first();
    if (found !== null) return rowSchema.parse(found);
    const current = await this.find("*", row.id);
    return current?.revision === row.revision ? "name_taken" : null;
  }

  /** What the index says of itself; an older word does not replace a newer one. */
  async project(
    id: string,
    { latest, snapshots, at }: { latest: string | null; snapshots: number; at: number },
  ): Promise<void> {
    await this.#db
      .prepare(
        "UPDATE codebases SET latest = ?, snapshots = ?, updated_at = max(updated_at, ?) WHERE id = ?",
      )
      .bind(latest, snapshots, at, id)
      .run();
  }

  /** Hides it, so that nothing more is begun in it; true when it was there. */
  async hide(id: string, now: number): Promise<boolean> {
    const { meta } = await this.#db
      .prepare("UPDATE codebases SET deleted_at = ?, name = id WHERE id = ? AND deleted_at IS NULL")
      .bind(now, id)
      .run();
    return meta.changes > 0;
  }

  async remove(id: string): Promise<void> {
    await this.#db.prepare("DELETE FROM codebases WHERE id = ?").bind(id).run();
  }

  /** Those whose deletion was begun before a time and did not come to its end. */
  async halfDeleted(
    before: number,
    limit: number,
  ): Promise<Pick<CodebaseRow, "id" | "project_id">[]> {
    const { results } = await this.#db
      .prepare("SELECT id, project_id FROM codebases WHERE deleted_at <= ? LIMIT ?")
      .bind(before, limit)
      .all();
    return z.array(rowSchema.pick({ id: true, project_id: true })).parse(results);
  }
}

function scope(projects: Projects): { where: string; parameters: string[] } {
  if (projects === "*") return { where: "", parameters: [] };
  return {
    where: " AND project_id IN (SELECT value FROM json_each(?))",
    parameters: [JSON.stringify(projects)],
  };
}
