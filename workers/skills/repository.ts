/** Skills in D1, each with what its default version says of itself. Versions are `version-repository.ts`'s. */
import { z } from "zod";
import { FilterSql } from "../http/filters.ts";
import type { Page } from "../http/page.ts";
import { IMPLEMENTATION_TYPES } from "./content.ts";
import { listGuides, listOffers, type OfferedSkill, type SkillGuide } from "./offers.ts";
import { CATEGORIES } from "./schemas.ts";
import { isSkillId } from "./slug.ts";
import { insertVersion, type NewVersion } from "./version-repository.ts";

/** The projects a caller may see; `*` is all. */
export type Projects = "*" | readonly string[];

const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema);

const rowSchema = z.object({
  id: z.string(),
  project_id: z.string(),
  slug: z.string(),
  name: z.string(),
  category: z.enum(CATEGORIES),
  tags: json(z.array(z.string())),
  enabled: z.number().transform((flag) => flag !== 0),
  cost_estimate: z.number(),
  extra_data: json(z.record(z.string(), z.json())),
  /** Number of the newest version. */
  latest: z.number(),
  /** Number of the version that `default` is pinned to; null when it follows the newest. */
  default_number: z.number().nullable(),
  /** Raised by every change, for `ETag`. */
  revision: z.number(),
  created_by: z.string(),
  created_at: z.number(),
  updated_at: z.number(),
  number: z.number(),
  version: z.string(),
  digest: z.string(),
  description: z.string().nullable(),
  implementation_type: z.enum(IMPLEMENTATION_TYPES).nullable(),
  latest_version: z.string(),
  invocation_count: z.number(),
  success_count: z.number(),
  failure_count: z.number(),
  cancelled_count: z.number(),
  duration_count: z.number(),
  sum_duration_ms: z.number(),
});
/** A skill as lists show it: with its default version, and what came of its invocations. */
export type SkillRow = z.output<typeof rowSchema>;

const SELECT = `
SELECT s.id, s.project_id, s.slug, s.name, s.category, s.tags, s.enabled, s.cost_estimate,
  s.extra_data, s.latest, s.default_number, s.search, s.revision, s.created_by, s.created_at,
  s.updated_at, v.number, v.version, v.digest, v.description, v.implementation_type,
  newest.version AS latest_version, f.invocation_count, f.success_count, f.failure_count,
  f.cancelled_count, f.duration_count, f.sum_duration_ms
FROM skills AS s
JOIN skill_versions AS v ON v.skill_id = s.id AND v.number = coalesce(s.default_number, s.latest)
JOIN skill_versions AS newest ON newest.skill_id = s.id AND newest.number = s.latest
JOIN skill_figures AS f ON f.skill_id = s.id
WHERE s.deleted_at IS NULL`;

export type NewSkill = Pick<
  SkillRow,
  | "id"
  | "project_id"
  | "slug"
  | "name"
  | "category"
  | "tags"
  | "enabled"
  | "cost_estimate"
  | "extra_data"
  | "created_by"
  | "created_at"
>;

export type SkillChanges = Partial<
  Pick<
    SkillRow,
    "name" | "category" | "tags" | "enabled" | "cost_estimate" | "extra_data" | "default_number"
  >
>;

/** Changes of one row, with the version that they make. */
export interface Edit {
  readonly changes: SkillChanges;
  readonly version: NewVersion | null;
  /** What searches look through from then on. */
  readonly search: string;
}

export interface SkillFilter {
  readonly projects: Projects;
  readonly category: string | null;
  readonly enabled: boolean | null;
  /** It has them all. */
  readonly tags: readonly string[];
  /** In lower case. */
  readonly words: readonly string[];
}

export class SkillRepository {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** Stores a skill with its first version, unless its id, its slug or its name in the project is there. */
  async insert(
    skill: NewSkill,
    version: NewVersion,
    search: string,
  ): Promise<"written" | "exists" | "slug_taken" | "name_taken"> {
    const { id, project_id, slug, name, category, tags, created_by, created_at } = skill;
    const [written] = await this.#db.batch([
      this.#db
        .prepare(
          `INSERT INTO skills (id, project_id, slug, name, category, tags, enabled, cost_estimate,
             extra_data, latest, default_number, search, revision, created_by, created_at, updated_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, 1, ?, ?, ?) ON CONFLICT DO NOTHING`,
        )
        .bind(
          ...[id, project_id, slug, name, category, JSON.stringify(tags), skill.enabled ? 1 : 0],
          ...[skill.cost_estimate, JSON.stringify(skill.extra_data), version.number, search],
          ...[created_by, created_at, created_at],
        ),
      insertVersion(this.#db, id, version),
      this.#db
        .prepare(
          `INSERT INTO skill_figures SELECT id, 0, 0, 0, 0, 0, 0 FROM skills WHERE id = ?
           ON CONFLICT DO NOTHING`,
        )
        .bind(id),
    ]);
    if (written !== undefined && written.meta.changes > 0) return "written";
    const { results } = await this.#db
      .prepare(
        "SELECT id, slug FROM skills WHERE id = ?1 OR (project_id = ?2 AND (slug = ?3 OR name = ?4))",
      )
      .bind(id, project_id, slug, name)
      .all();
    const taken = z.array(rowSchema.pick({ id: true, slug: true })).parse(results);
    if (taken.some((row) => row.id === id)) return "exists";
    return taken.some((row) => row.slug === slug) ? "slug_taken" : "name_taken";
  }

  /** Those that are called so, by id or by slug: several where the caller has several projects. */
  async find(projects: Projects, skill: string): Promise<SkillRow[]> {
    const within = scope(projects);
    const { results } = await this.#db
      .prepare(`${SELECT} AND s.${isSkillId(skill) ? "id" : "slug"} = ?${within.where} LIMIT 2`)
      .bind(skill, ...within.parameters)
      .all();
    return z.array(rowSchema).parse(results);
  }

  /** Up to `limit + 1` rows of a page. */
  async list(filter: SkillFilter, page: Page): Promise<SkillRow[]> {
    const sql = new FilterSql(page);
    sql.oneOf("project_id", filter.projects === "*" ? null : filter.projects);
    sql.equals("category", filter.category);
    sql.isSet("enabled", filter.enabled);
    sql.holdsAll("tags", filter.tags);
    sql.mentions("search", filter.words);
    const { results } = await this.#db
      .prepare(`SELECT * FROM (${SELECT}) ${sql.clause}`)
      .bind(...sql.parameters)
      .all();
    return z.array(rowSchema).parse(results);
  }

  listOffers(projectId: string, page: Page): Promise<OfferedSkill[]> {
    return listOffers(this.#db, projectId, page);
  }

  listGuides(projectId: string, page: Page): Promise<SkillGuide[]> {
    return listGuides(this.#db, projectId, page);
  }

  /** Null when the row is at another revision by now, or gone. */
  async update(
    { id, revision, project_id }: Pick<SkillRow, "id" | "revision" | "project_id">,
    { changes, version, search }: Edit,
    now: number,
  ): Promise<"written" | "name_taken" | null> {
    const { tags, extra_data, enabled, ...plain } = changes;
    const values = {
      ...plain,
      ...(tags !== undefined && { tags: JSON.stringify(tags) }),
      ...(extra_data !== undefined && { extra_data: JSON.stringify(extra_data) }),
      ...(enabled !== undefined && { enabled: enabled ? 1 : 0 }),
      ...(version !== null && { latest: version.number }),
      search,
      updated_at: now,
    };
    const sets = Object.keys(values).map((name) => `${name} = ?`);
    const update = this.#db
      .prepare(
        `UPDATE OR IGNORE skills SET ${sets.join(", ")}, revision = revision + 1
         WHERE id = ? AND revision = ? AND deleted_at IS NULL`,
      )
      .bind(...Object.values(values), id, revision);
    const insert = version === null ? [] : [insertVersion(this.#db, id, version)];
    const [written] = await this.#db.batch([update, ...insert]);
    if (written !== undefined && written.meta.changes > 0) return "written";
    const taken = await this.#db
      .prepare(
        "SELECT 1 FROM skills WHERE project_id = ? AND name = ? AND id <> ? AND deleted_at IS NULL",
      )
      .bind(project_id, changes.name ?? null, id)
      .first();
    return taken === null ? null : "name_taken";
  }

  /** Hides it, and frees its names; false when it is at another revision. */
  async hide(id: string, revision: number, now: number): Promise<boolean> {
    const { meta } = await this.#db
      .prepare(
        `UPDATE skills SET deleted_at = ?, slug = id, name = id, revision = revision + 1
         WHERE id = ? AND revision = ? AND deleted_at IS NULL`,
      )
      .bind(now, id, revision)
      .run();
    return meta.changes > 0;
  }

  async remove(id: string): Promise<void> {
    const tables = ["skill_aliases", "skill_versions", "skill_figures"];
    await this.#db.batch([
      ...tables.map((table) =>
        this.#db.prepare(`DELETE FROM ${table} WHERE skill_id = ?`).bind(id),
      ),
      this.#db.prepare("DELETE FROM skills WHERE id = ?").bind(id),
    ]);
  }

  /** Those whose deletion was begun before a time and did not come to its end. */
  async halfDeleted(before: number, limit: number): Promise<Pick<SkillRow, "id" | "project_id">[]> {
    const { results } = await this.#db
      .prepare("SELECT id, project_id FROM skills WHERE deleted_at <= ? LIMIT ?")
      .bind(before, limit)
      .all();
    return z.array(rowSchema.pick({ id: true, project_id: true })).parse(results);
  }
}

/** A condition on the projects of `s`. */
export function scope(projects: Projects): { where: string; parameters: string[] } {
  if (projects === "*") return { where: "", parameters: [] };
  return {
    where: " AND s.project_id IN (SELECT value FROM json_each(?))",
    parameters: [JSON.stringify(projects)],
  };
}
