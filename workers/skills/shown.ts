/** A skill as the answer of a request. */
import { etag } from "../http/conditional.ts";
import type { AppContext } from "../http/context.ts";
import { toSkill } from "./render.ts";
import type { SkillRow } from "./repository.ts";

/** The skill with the content of its default version. */
export async function shown(c: AppContext, row: SkillRow) {
  const { skills, skillVersions } = c.get("services");
  const [version, aliases] = await Promise.all([skills.shown(row), skillVersions.aliasesOf(row)]);
  return { body: toSkill(row, version, aliases), headers: { ETag: etag(row.revision) } };
}
