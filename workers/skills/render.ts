/** Renders skills and their versions for the wire. */
import { timestamp } from "../http/schemas.ts";
import type { SkillRow } from "./repository.ts";
import type { Skill, SkillSummary, SkillVersion, VersionSummary } from "./schemas.ts";
import type { AliasRow, FullVersion, VersionRow } from "./version-repository.ts";

export function toSummary(row: SkillRow): SkillSummary {
  const { id, project_id, slug, name, description, category, tags, enabled, created_by } = row;
  const { implementation_type, version, number, digest, latest_version, cost_estimate } = row;
  const { invocation_count, success_count, failure_count, cancelled_count } = row;
  const ended = success_count + failure_count;
  return {
    ...{ id, project_id, slug, name, description, category, tags, enabled, implementation_type },
    ...{ version, version_number: number, digest, latest_version, cost_estimate },
    ...{ invocation_count, success_count, failure_count, cancelled_count },
    success_rate: ended === 0 ? 1 : success_count / ended,
    avg_duration_ms: row.duration_count === 0 ? 0 : row.sum_duration_ms / row.duration_count,
    created_by,
    created_at: timestamp(row.created_at),
    updated_at: timestamp(row.updated_at),
  };
}

/** `shown` is the default version of the skill. */
export function toSkill(row: SkillRow, shown: FullVersion, aliases: readonly AliasRow[]): Skill {
  return {
    ...toSummary(row),
    ...shown.content,
    files: [...shown.files.entries],
    note: shown.note,
    aliases: {
      latest: row.latest,
      default: row.default_number ?? row.latest,
      ...Object.fromEntries(aliases.map(({ alias, number }) => [alias, number])),
    },
    default_pinned: row.default_number !== null,
    extra_data: row.extra_data,
  };
}

export function toVersionSummary(skillId: string, row: VersionRow): VersionSummary {
  const { number, version, digest, description, implementation_type, note, created_by } = row;
  return {
    skill_id: skillId,
    ...{ number, version, digest, description, implementation_type, note, created_by },
    created_at: timestamp(row.created_at),
  };
}

export function toVersion(skillId: string, row: FullVersion): SkillVersion {
  return {
    ...toVersionSummary(skillId, row),
    ...row.content,
    files: [...row.files.entries],
  };
}
