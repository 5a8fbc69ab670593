/** Skills that can be invoked, as who looks for a tool sees them: by one statement, without their code. */
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

const offerSchema = z
  .object({
    id: z.string(),
    slug: z.string(),
    name: z.string(),
    created_at: z.number(),
    description: z.string().nullable(),
    type: z.enum(IMPLEMENTATION_TYPES),
    executor: z.enum(TASK_TYPES).nullable(),
    method: z.string().nullable(),
    inputs: json(freeObject.nullable()),
    outputs: json(freeObject.nullable()),
    permissions: json(contentFields.permissions),
    requires_approval: z.number().transform((flag) => flag !== 0),
  })
  .transform(({ type, executor, method, ...rest }) => ({
    ...rest,
    implementation: { type, executor, method },
  }));
/** With the content of its default version. */
export type OfferedSkill = z.output<typeof offerSchema>;

const SELECT = `
SELECT s.id, s.project_id, s.slug, s.name, s.created_at, v.description,
  v.implementation_type AS type,
  v.content ->> '$.implementation.executor' AS executor,
  v.content ->> '$.implementation.method' AS method,
  v.content -> '$.inputs' AS inputs, v.content -> '$.outputs' AS outputs,
  v.content -> '$.permissions' AS permissions,
  v.content ->> '$.requires_approval' AS requires_approval
FROM skills AS s
JOIN skill_versions AS v ON v.skill_id = s.id AND v.number = coalesce(s.default_number, s.latest)
WHERE s.deleted_at IS NULL AND s.enabled AND v.implementation_type IS NOT NULL`;

/** Up to `limit + 1` of a project, from the page's position on. */
export async function listOffers(
  db: D1Database,
  projectId: string,
  page: Page,
): Promise<OfferedSkill[]> {
  const sql = new FilterSql(page);
  sql.equals("project_id", projectId);
  const { results } = await db
    .prepare(`SELECT * FROM (${SELECT}) ${sql.clause}`)
    .bind(...sql.parameters)
    .all();
  return z.array(offerSchema).parse(results);
}
