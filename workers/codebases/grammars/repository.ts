/** Users' grammars in D1. */
import { z } from "zod";
import { FilterSql } from "../../http/filters.ts";
import type { Page } from "../../http/page.ts";
import type { Projects, Written } from "../repository.ts";
import { grammarTraits } from "./schemas.ts";

const COLUMNS =
  "id, project_id, name, traits, version, content, wasm_bytes, revision, created_by, created_at, updated_at, deleted_at, untold_at";

const rowSchema = z.object({
  id: z.string(),
  project_id: z.string(),
  name: z.string(),
  traits: z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(grammarTraits),
  version: z.string(),
  /** Names the blobs of this version. */
  content: z.string(),
  wasm_bytes: z.number(),
  /** Raised by every change, for `ETag`. */
  revision: z.number(),
  created_by: z.string(),
  created_at: z.number(),
  updated_at: z.number(),
  deleted_at: z.number().nullable(),
  /** Since when indexes may not know of the last change. */
  untold_at: z.number().nullable(),
});
export type GrammarRow = z.output<typeof rowSchema>;

export type GrammarChanges = Pick<
  GrammarRow,
  "name" | "traits" | "version" | "content" | "wasm_bytes"
>;

export class GrammarRepository {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** Stores a grammar unless its id or its name in the project is there, or the project has `max`. */
  async insert(row: GrammarRow, max: number): Promise<Written | "too_many"> {
    const { meta } = await this.#db
      .prepare(
        `INSERT INTO grammars (${COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
         WHERE (SELECT count(*) FROM grammars WHERE project_id = ?2) < ?14 ON CONFLICT DO NOTHING`,
      )
      .bind(
        row.id,
        row.project_id,
        row.name,
        JSON.stringify(row.traits),
        row.version,
        row.content,
        row.wasm_bytes,
        row.revision,
        row.created_by,
        row.created_at,
        row.updated_at,
        row.deleted_at,
        row.untold_at,
        max,
      )
      .run();
    if (meta.changes > 0) return "written";
    if ((await this.find("*", row.id)) !== null) return "exists";
    return (await this.named(row.project_id, row.name)) === null ? "too_many" : "name_taken";
  }

  async find(projects: Projects, id: string): Promise<GrammarRow | null> {
    const [where, parameters] =
      projects === "*"
        ? ["", []]
        : [" AND project_id IN (SELECT value FROM json_each(?))", [JSON.stringify(projects)]];
    return this.#first(`id = ? AND deleted_at IS NULL${where}`, id, ...parameters);
  }

  named(projectId: string, name: string): Promise<GrammarRow | null> {
    return this.#first("project_id = ? AND name = ? AND deleted_at IS NULL", projectId, name);
  }

  /** All of the project that a codebase is in. */
  async ofCodebase(codebaseId: string): Promise<GrammarRow[]> {
    const { results } = await this.#db
      .prepare(
        `SELECT ${COLUMNS} FROM grammars WHERE deleted_at IS NULL
         AND project_id = (SELECT project_id FROM codebases WHERE id = ?)`,
      )
      .bind(codebaseId)
      .all();
    return z.array(rowSchema).parse(results);
  }

  /** Up to `limit + 1` rows of a page. */
  async list(projects: Projects, page: Page): Promise<GrammarRow[]> {
    const sql = new FilterSql(page);
    sql.oneOf("project_id", projects === "*" ? null : projects);
    const { results } = await this.#db
      .prepare(
        `SELECT ${COLUMNS} FROM (SELECT * FROM grammars WHERE deleted_at IS NULL) ${sql.clause}`,
      )
      .bind(...sql.parameters)
      .all();
    return z.array(rowSchema).parse(results);
  }

  /** Null when the row is at another revision by now. */
  async update(
    { id, revision }: Pick<GrammarRow, "id" | "revision">,
    { name, traits, version, content, wasm_bytes }: GrammarChanges,
    now: number,
  ): Promise<GrammarRow | "name_taken" | null> {
    const row = await this.#db
      .prepare(
        `UPDATE OR IGNORE grammars SET name = ?, traits = ?, version = ?, content = ?,
           wasm_bytes = ?, revision = revision + 1, updated_at = ?, untold_at = ?
         WHERE id = ? AND revision = ? AND deleted_at IS NULL RETURNING ${COLUMNS}`,
      )
      .bind(name, JSON.stringify(traits), version, content, wasm_bytes, now, now, id, revision)
      .first();
    if (row !== null) return rowSchema.parse(row);
    const current = await this.find("*", id);
    return current?.revision === revision ? "name_taken" : null;
  }

  /** Hides it, and frees its name. */
  async hide(id: string, now: number): Promise<void> {
    await this.#db
      .prepare(
        `UPDATE grammars SET deleted_at = ?1, untold_at = ?1, name = id, revision = revision + 1
         WHERE id = ?2 AND deleted_at IS NULL`,
      )
      .bind(now, id)
      .run();
  }

  /** Those whose last change was made before a time and not told to its end, deleted ones too. */
  async untold(before: number, limit: number): Promise<GrammarRow[]> {
    const { results } = await this.#db
      .prepare(`SELECT ${COLUMNS} FROM grammars WHERE untold_at <= ? LIMIT ?`)
      .bind(before, limit)
      .all();
    return z.array(rowSchema).parse(results);
  }

  /** Unless it has changed again. */
  async setTold({ id, revision }: Pick<GrammarRow, "id" | "revision">): Promise<void> {
    await this.#db
      .prepare("UPDATE grammars SET untold_at = NULL WHERE id = ? AND revision = ?")
      .bind(id, revision)
      .run();
  }

  async remove(id: string): Promise<void> {
    await this.#db.prepare("DELETE FROM grammars WHERE id = ?").bind(id).run();
  }

  async #first(where: string, ...parameters: string[]): Promise<GrammarRow | null> {
    const row = await this.#db
      .prepare(`SELECT ${COLUMNS} FROM grammars WHERE ${where}`)
      .bind(...parameters)
      .first();
    return rowSchema.nullable().parse(row);
  }
}
