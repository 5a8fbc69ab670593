/**
 * Finds the version that a reference means: one statement, whatever is known. Which version that is
 * can change; what a version holds cannot, and is kept in the isolate.
 */
import { z } from "zod";
import type { KeptFiles } from "../tasks/files.ts";
import { contentSchema, type PinnedSkill, type SkillContent } from "./content.ts";
import { formatReference, type SkillReference } from "./reference.ts";
import { type Projects, scope } from "./repository.ts";
import { isSkillId } from "./slug.ts";
import { numberSql } from "./version-repository.ts";

const MAX_KEPT = 500;
const MAX_KEPT_CHARS = 8 * 1024 * 1024;

/** A pinned skill, and whether it may be invoked now. */
export interface ResolvedSkill extends PinnedSkill {
  readonly enabled: boolean;
}

const foundSchema = z.object({
  skill_id: z.string(),
  project_id: z.string(),
  slug: z.string(),
  name: z.string(),
  enabled: z.number(),
  number: z.number().nullable(),
  version: z.string().nullable(),
  digest: z.string().nullable(),
  content: z.string().nullable(),
  files: z.string().nullable(),
});
const keptFiles = z.custom<KeptFiles>((value) => typeof value === "object" && value !== null);

/** What of a version never changes. */
interface Kept {
  readonly skill_id: string;
  readonly number: number;
  readonly content: SkillContent;
  readonly files: KeptFiles;
  readonly chars: number;
}

/** A skill that is called so; `found` is null when it has no version that is called so. */
export interface Candidate {
  readonly slug: string;
  readonly project_id: string;
  readonly found: ResolvedSkill | null;
}

export class SkillResolver {
  readonly #db: D1Database;
  /** By what was asked for last time, in the order of last use. */
  readonly #kept = new Map<string, Kept>();
  #chars = 0;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /**
   * The skills that are called so, with the version that is named. Several where a slug is looked for
   * in several projects.
   */
  async find(projects: Projects, reference: SkillReference): Promise<readonly Candidate[]> {
    const key = JSON.stringify([projects, formatReference(reference)]);
    const kept = this.#kept.get(key) ?? null;
    const chosen = numberSql(reference.version);
    const within = scope(projects);
    const { results } = await this.#db
      .prepare(
        `SELECT s.id AS skill_id, s.project_id, s.slug, s.name, s.enabled, v.number, v.version, v.digest,
           iif(v.skill_id = ? AND v.number = ?, NULL, v.content) AS content,
           iif(v.skill_id = ? AND v.number = ?, NULL, v.files) AS files
         FROM skills AS s
         LEFT JOIN skill_versions AS v ON v.skill_id = s.id AND v.number = ${chosen.sql}
         WHERE s.deleted_at IS NULL AND s.${isSkillId(reference.skill) ? "id" : "slug"} = ?${within.where}
         LIMIT 2`,
      )
      .bind(
        ...[kept?.skill_id ?? "", kept?.number ?? 0, kept?.skill_id ?? "", kept?.number ?? 0],
        ...[...chosen.parameters, reference.skill, ...within.parameters],
      )
      .all();
    const rows = z.array(foundSchema).parse(results);
    return rows.map((row) => ({
      slug: row.slug,
      project_id: row.project_id,
      found: this.#pinned(key, kept, row),
    }));
  }

  #pinned(key: string, kept: Kept | null, row: z.output<typeof foundSchema>): ResolvedSkill | null {
    const { skill_id, project_id, slug, name, number, version, digest, content, files } = row;
    if (number === null || version === null || digest === null) return null;
    const held =
      content === null || files === null
        ? kept
        : {
            ...{ skill_id, number, chars: content.length + files.length },
            content: contentSchema.parse(JSON.parse(content)),
            files: keptFiles.parse(JSON.parse(files)),
          };
    if (held === null) return null;
    this.#keep(key, held);
    return {
      ...{ skill_id, project_id, slug, name, number, version, digest },
      ...{ content: held.content, files: held.files, enabled: row.enabled !== 0 },
    };
  }

  #keep(key: string, kept: Kept): void {
    this.#drop(key);
    this.#kept.set(key, kept);
    this.#chars += kept.chars;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT && this.#chars <= MAX_KEPT_CHARS) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#chars -= this.#kept.get(key)?.chars ?? 0;
    this.#kept.delete(key);
  }
}
