/** Versions of skills, and their aliases, in D1. */
import { z } from "zod";
import type { KeptFiles } from "../tasks/files.ts";
import { contentSchema, IMPLEMENTATION_TYPES, type SkillContent } from "./content.ts";
import type { VersionName } from "./reference.ts";

export interface NewVersion {
  readonly number: number;
  readonly version: string;
  readonly digest: string;
  readonly content: SkillContent;
  readonly files: KeptFiles;
  readonly files_digest: string;
  readonly note: string | null;
  readonly created_by: string;
  readonly created_at: number;
}

const SUMMARY =
  "number, version, digest, description, implementation_type, note, created_by, created_at";

const summarySchema = z.object({
  number: z.number(),
  version: z.string(),
  digest: z.string(),
  description: z.string().nullable(),
  implementation_type: z.enum(IMPLEMENTATION_TYPES).nullable(),
  note: z.string().nullable(),
  created_by: z.string(),
  created_at: z.number(),
});
export type VersionRow = z.output<typeof summarySchema>;

const stored = <Output>(parse: (value: unknown) => Output) =>
  z.string().transform((text) => parse(JSON.parse(text)));
const keptFiles = z.custom<KeptFiles>((value) => typeof value === "object" && value !== null);

const fullSchema = summarySchema.extend({
  content: stored((value) => contentSchema.parse(value)),
  files: stored((value) => keptFiles.parse(value)),
  files_digest: z.string(),
});
export type FullVersion = z.output<typeof fullSchema>;

const aliasSchema = z.object({ alias: z.string(), number: z.number(), version: z.string() });
export type AliasRow = z.output<typeof aliasSchema>;

/** Adds a version to a skill that names it as its newest, once. */
export function insertVersion(
  db: D1Database,
  skillId: string,
  version: NewVersion,
): D1PreparedStatement {
  const { number, content } = version;
  return db
    .prepare(
      `INSERT INTO skill_versions (skill_id, number, version, digest, description,
         implementation_type, content, files, files_digest, note, created_by, created_at)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12
       WHERE EXISTS (SELECT 1 FROM skills WHERE id = ?1 AND latest = ?2)
       ON CONFLICT (skill_id, number) DO NOTHING`,
    )
    .bind(
      ...[skillId, number, version.version, version.digest, content.description],
      ...[content.implementation?.type ?? null, JSON.stringify(content)],
      ...[JSON.stringify(version.files), version.files_digest, version.note],
      ...[version.created_by, version.created_at],
    );
}

export class VersionRepository {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  async get(skillId: string, version: VersionName): Promise<FullVersion | null> {
    const chosen = numberSql(version);
    const row = await this.#db
      .prepare(
        `SELECT v.${SUMMARY.replaceAll(", ", ", v.")}, v.content, v.files, v.files_digest
         FROM skills AS s JOIN skill_versions AS v ON v.skill_id = s.id AND v.number = ${chosen.sql}
         WHERE s.id = ? AND s.deleted_at IS NULL`,
      )
      .bind(...chosen.parameters, skillId)
      .first();
    return fullSchema.nullable().parse(row);
  }

  /** Newest first, those numbered below `below`; one more than `limit` tells that there are more. */
  async list(skillId: string, below: number | null, limit: number): Promise<VersionRow[]> {
    const { results } = await this.#db
      .prepare(
        `SELECT ${SUMMARY} FROM skill_versions WHERE skill_id = ? AND number < ?
         ORDER BY number DESC LIMIT ?`,
      )
      .bind(skillId, below ?? Number.MAX_SAFE_INTEGER, limit + 1)
      .all();
    return z.array(summarySchema).parse(results);
  }

  /** The digest of the version that is called so; null when there is none. */
  async digestOf(skillId: string, version: string): Promise<string | null> {
    const row = await this.#db
      .prepare("SELECT digest FROM skill_versions WHERE skill_id = ? AND version = ?")
      .bind(skillId, version)
      .first();
    return summarySchema.pick({ digest: true }).nullable().parse(row)?.digest ?? null;
  }

  /** Aliases in their order, without `latest` and `default`. */
  async aliases(skillId: string): Promise<AliasRow[]> {
    const { results } = await this.#db
      .prepare(
        `SELECT alias, number, version FROM skill_aliases JOIN skill_versions USING (skill_id, number)
         WHERE skill_id = ? ORDER BY alias`,
      )
      .bind(skillId)
      .all();
    return z.array(aliasSchema).parse(results);
  }

  /** False when the skill is gone, or has `max` aliases already. */
  async setAlias(
    skillId: string,
    { alias, number }: Pick<AliasRow, "alias" | "number">,
    max: number,
    now: number,
  ): Promise<boolean> {
    const [set] = await this.#db.batch([
      this.#db
        .prepare(
          `INSERT INTO skill_aliases (skill_id, alias, number) SELECT ?1, ?2, ?3
           WHERE EXISTS (SELECT 1 FROM skills WHERE id = ?1 AND deleted_at IS NULL)
             AND (SELECT count(*) FROM skill_aliases WHERE skill_id = ?1 AND alias <> ?2) < ?4
           ON CONFLICT (skill_id, alias) DO UPDATE SET number = excluded.number`,
        )
        .bind(skillId, alias, number, max),
      this.#touch(skillId, now),
    ]);
    return set !== undefined && set.meta.changes > 0;
  }

  /** False when there is none of that name. */
  async removeAlias(skillId: string, alias: string, now: number): Promise<boolean> {
    const [removed] = await this.#db.batch([
      this.#db
        .prepare("DELETE FROM skill_aliases WHERE skill_id = ? AND alias = ?")
        .bind(skillId, alias),
      this.#touch(skillId, now),
    ]);
    return removed !== undefined && removed.meta.changes > 0;
  }

  #touch(skillId: string, now: number): D1PreparedStatement {
    return this.#db
      .prepare("UPDATE skills SET revision = revision + 1, updated_at = ? WHERE id = ?")
      .bind(now, skillId);
  }
}

/** The number of the version that is named so, of the skill `s`. */
export function numberSql(version: VersionName): {
  readonly sql: string;
  readonly parameters: readonly (string | number)[];
} {
  switch (version.kind) {
    case "default":
      return { sql: "coalesce(s.default_number, s.latest)", parameters: [] };
    case "latest":
      return { sql: "s.latest", parameters: [] };
    case "number":
      return { sql: "?", parameters: [version.number] };
    case "version":
      return {
        sql: "(SELECT number FROM skill_versions WHERE skill_id = s.id AND version = ?)",
        parameters: [version.text],
      };
    case "digest":
      return {
        sql: "(SELECT max(number) FROM skill_versions WHERE skill_id = s.id AND digest = ?)",
        parameters: [version.text],
      };
    case "alias":
      return {
        sql: "(SELECT number FROM skill_aliases WHERE skill_id = s.id AND alias = ?)",
        parameters: [version.text],
      };
  }
}
