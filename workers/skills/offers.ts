/** Skills as who looks for a tool or a guide sees them: by one statement, without their code. */
import { z } from "zod";
import { TASK_TYPES } from "../executors/port.ts";
import { FilterSql } from "../http/filters.ts";
import type { Page } from "../http/page.ts";
import { freeObject } from "../tasks/fields.ts";
import { contentFields, IMPLEMENTATION_TYPES } from "./content.ts";

const json = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema);

/** What a skill is called, with what its default version says of itself. */
const guideSchema = z.object({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  created_at: z.number(),
  description: z.string().nullable(),
  inputs: json(freeObject.nullable()),
});
/** A skill with instructions for agents. */
export type SkillGuide = z.output<typeof guideSchema>;

const offerSchema = guideSchema
  .extend({
    type: z.enum(IMPLEMENTATION_TYPES),
    executor: z.enum(TASK_TYPES).nullable(),
    method: z.string().nullable(),
    outputs: json(freeObject.nullable()),
    permissions: json(contentFields.permissions),
    codebase: json(contentFields.codebase),
    requires_approval: z.number().transform((flag) => flag !== 0),
  })
  .transform(({ type, executor, method, ...rest }) => ({
    ...rest,
    implementation: { type, executor, method },
  }));
/** A skill that can be invoked. */
export type OfferedSkill = z.output<typeof offerSchema>;

const GUIDE_COLUMNS =
  "s.id, s.project_id, s.slug, s.name, s.created_at, v.description, v.content -> '$.inputs' AS inputs";
const OFFER_COLUMNS = `${GUIDE_COLUMNS}, v.implementation_type AS type,
  v.content ->> '$.implementation.executor' AS executor,
  v.content ->> '$.implementation.method' AS method,
  v.content -> '$.outputs' AS outputs, v.content -> '$.permissions' AS permissions,
  coalesce(v.content -> '$.codebase', 'null') AS codebase,
  v.content ->> '$.requires_approval' AS requires_approval`;
const ENABLED = `
FROM skills AS s
JOIN skill_versions AS v ON v.skill_id = s.id AND v.number = coalesce(s.default_number, s.latest)
WHERE s.deleted_at IS NULL AND s.enabled`;

/** Up to `limit + 1` of a project that are enabled, from the page's position on. */
export async function listOffers(
  db: D1Database,
  projectId: string,
  page: Page,
): Promise<OfferedSkill[]> {
  const select = `SELECT ${OFFER_COLUMNS} ${ENABLED} AND v.implementation_type IS NOT NULL`;
  return z.array(offerSchema).parse(await rows(db, select, projectId, page));
}

/** As `listOffers`. */
export async function listGuides(
  db: D1Database,
  projectId: string,
  page: Page,
): Promise<SkillGuide[]> {
  const select = `SELECT ${GUIDE_COLUMNS} ${ENABLED} AND v.content ->> '$.instructions' IS NOT NULL`;
  return z.array(guideSchema).parse(await rows(db, select, projectId, page));
}

async function rows(db: D1Database, select: string, projectId: string, page: Page) {
  const sql = new FilterSql(page);
  sql.equals("project_id", projectId);
  const { results } = await db
    .prepare(`SELECT * FROM (${select}) ${sql.clause}`)
    .bind(...sql.parameters)
    .all();
  return results;
}
