/** The wire shapes of skills: what is sent, and how lists and readers see one. */
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../http/page.ts";
import { idSchema, listOf, orNull, projectIdSchema, timestampSchema } from "../http/schemas.ts";
import { fields, retrySchema } from "../tasks/fields.ts";
import {
  contentFields,
  contentSchema,
  IMPLEMENTATION_TYPES,
  implementationSchema,
} from "./content.ts";
import { skillFilesSchema } from "./files.ts";
import {
  fieldList,
  implementationText,
  originalFields,
  readOriginal,
  readSchema,
} from "./original.ts";
import { FIRST_VERSION, isSemver } from "./semver.ts";
import { slugSchema } from "./slug.ts";

export const CATEGORIES = [
  "codebase",
  "execution",
  "analysis",
  "communication",
  "integration",
  "validation",
  "generation",
  "research",
] as const;
export type Category = (typeof CATEGORIES)[number];

const MAX_TAGS = 50;
const MAX_EXTRA_CHARS = 64 * 1024;
const MAX_QUERY_CHARS = 500;
const MAX_TAG_FILTERS = 10;

const tagSchema = z.string().min(1).max(64);
export const versionSchema = z
  .string()
  .refine(isSemver, "Give a version as Semantic Versioning has it, such as 1.2.0.")
  .openapi({ example: FIRST_VERSION });

/** What a skill says of itself beside its versions. */
export const metadataFields = {
  name: fields.name.openapi({ example: "Find TODOs" }),
  category: z.enum(CATEGORIES),
  tags: z
    .array(tagSchema)
    .max(MAX_TAGS)
    .transform((tags) => [...new Set(tags)]),
  enabled: z.boolean().openapi({ description: "Whether it can be invoked." }),
  cost_estimate: z.number().min(0).max(1e9).openapi({ description: "Of one invocation, in USD." }),
  extra_data: fields.extra_data.refine(
    (data) => JSON.stringify(data).length <= MAX_EXTRA_CHARS,
    `It takes ${MAX_EXTRA_CHARS} characters at most, as JSON.`,
  ),
};
export const noteSchema = z
  .string()
  .min(1)
  .max(10_000)
  .nullish()
  .openapi({ description: "What is new in this version." });

/** A schema, or the list of fields that the original service has in its place. */
const schemaOrFields = (schema: typeof contentFields.inputs) => z.union([schema, fieldList]);
const implementationOrText = z.union([implementationSchema, implementationText, z.null()]);

const createObject = contentSchema
  .extend({
    name: metadataFields.name,
    slug: slugSchema.optional().openapi({ description: "Made of the name unless given." }),
    category: metadataFields.category,
    tags: metadataFields.tags.default([]),
    enabled: metadataFields.enabled.default(true),
    cost_estimate: metadataFields.cost_estimate.default(0),
    extra_data: metadataFields.extra_data.default({}),
    project_id: projectIdSchema.optional(),
    implementation: implementationOrText.default(null),
    inputs: schemaOrFields(contentFields.inputs).default(null),
    outputs: schemaOrFields(contentFields.outputs).default(null),
    permissions: contentFields.permissions.optional(),
    files: skillFilesSchema.default(new Map()),
    version: versionSchema.default(FIRST_VERSION),
    note: noteSchema,
    ...originalFields,
  })
  .openapi("CreateSkill");

export const createSkillSchema = createObject.transform(readOriginal);
export type CreateSkill = z.output<typeof createSkillSchema>;

const patchObject = z
  .strictObject({ ...metadataFields, ...contentFields })
  .partial()
  .extend({
    implementation: implementationOrText.optional().openapi({
      description: "A text replaces the script, command, template or URL alone.",
    }),
    inputs: schemaOrFields(contentFields.inputs).optional(),
    outputs: schemaOrFields(contentFields.outputs).optional(),
    files: skillFilesSchema
      .optional()
      .openapi({ description: "All of its files: they replace the others." }),
    slug: slugSchema.optional().openapi({ description: "It stays as it is." }),
    version: versionSchema.optional().openapi({
      description: "Of the version that changes of content make; the next patch unless given.",
    }),
    note: noteSchema,
  })
  .openapi("PatchSkill");

export const patchSkillSchema = patchObject.transform(({ inputs, outputs, ...rest }) => ({
  ...rest,
  ...(inputs !== undefined && { inputs: readSchema(inputs) }),
  ...(outputs !== undefined && { outputs: readSchema(outputs) }),
}));
export type PatchSkill = z.output<typeof patchSkillSchema>;

const fileSchema = z.object({ path: z.string(), bytes: z.int() });

const figureFields = {
  invocation_count: z.int(),
  success_count: z.int(),
  failure_count: z.int(),
  cancelled_count: z.int(),
  success_rate: z
    .number()
    .openapi({ description: "Of those that completed or failed; 1 of none." }),
  avg_duration_ms: z.number(),
};

const summaryFields = {
  id: z.string(),
  project_id: z.string(),
  slug: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  category: z.enum(CATEGORIES),
  tags: z.array(z.string()),
  enabled: z.boolean(),
  implementation_type: z.enum(IMPLEMENTATION_TYPES).nullable(),
  version: z.string().openapi({ description: "Of `default`, whose content this is." }),
  version_number: z.int(),
  digest: z.string(),
  latest_version: z.string(),
  cost_estimate: z.number(),
  ...figureFields,
  created_by: z.string(),
  created_at: timestampSchema,
  updated_at: timestampSchema,
};

/** Content as it is shown. */
const shownContent = {
  ...contentFields,
  implementation: orNull(implementationSchema),
  retry: orNull(retrySchema),
};

export const skillSummarySchema = z.object(summaryFields).openapi("SkillSummary");
export type SkillSummary = z.output<typeof skillSummarySchema>;

/** A skill with the content of its default version. */
export const skillSchema = z
  .object({
    ...summaryFields,
    ...shownContent,
    files: z.array(fileSchema),
    note: z.string().nullable(),
    aliases: z
      .record(z.string(), z.int())
      .openapi({ description: "Numbers of versions by name, `latest` and `default` among them." }),
    default_pinned: z
      .boolean()
      .openapi({ description: "Whether `default` is kept from following `latest`." }),
    extra_data: metadataFields.extra_data,
  })
  .openapi("Skill");
export type Skill = z.output<typeof skillSchema>;
export const skillListSchema = listOf(skillSummarySchema).openapi("SkillList");

const versionFields = {
  skill_id: z.string(),
  number: z.int(),
  version: z.string(),
  digest: z.string(),
  description: z.string().nullable(),
  implementation_type: z.enum(IMPLEMENTATION_TYPES).nullable(),
  note: z.string().nullable(),
  created_by: z.string(),
  created_at: timestampSchema,
};
export const versionSummarySchema = z.object(versionFields).openapi("SkillVersionSummary");
export type VersionSummary = z.output<typeof versionSummarySchema>;
export const skillVersionSchema = z
  .object({ ...versionFields, ...shownContent, files: z.array(fileSchema) })
  .openapi("SkillVersion");
export type SkillVersion = z.output<typeof skillVersionSchema>;
export const versionListSchema = listOf(versionSummarySchema).openapi("SkillVersionList");

export const aliasSchema = z
  .object({ alias: z.string(), number: z.int(), version: z.string() })
  .openapi("SkillAlias");
export const aliasListSchema = z.object({ items: z.array(aliasSchema) }).openapi("SkillAliasList");

/** A number may be sent as one. */
export const versionNameSchema = z
  .union([z.string().min(1).max(80), z.int().min(1)])
  .transform(String);
export const setAliasSchema = z
  .strictObject({
    version: versionNameSchema.openapi({
      type: ["string", "integer"],
      description: "A number, a version, a digest, or another alias.",
    }),
  })
  .openapi("SetSkillAlias");

export const skillParams = z.object({
  skill_id: idSchema.openapi({ description: "Id or slug." }),
});
/** Says which skill a slug means, for callers of several projects. */
export const projectQuery = { project_id: projectIdSchema.optional() };
export const skillQuery = z.strictObject(projectQuery);

const words = z
  .string()
  .max(MAX_QUERY_CHARS)
  .transform((text) =>
    text
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== ""),
  );
const tagFilter = z
  .union([z.string(), z.array(z.string()).max(MAX_TAG_FILTERS)])
  .transform((sent) => [sent].flat())
  .openapi({ type: "string", description: "Repeat it for those that have them all." });

export const listSkillsQuery = z.strictObject({
  ...pageQuery,
  ...projectQuery,
  category: z.enum(CATEGORIES).optional(),
  enabled: z
    .enum(["true", "false"])
    .transform((text) => text === "true")
    .optional()
    .openapi({ type: "boolean" }),
  tag: tagFilter.optional(),
  q: words.optional().openapi({
    type: "string",
    description: "Words that slug, name, description and tags hold together, in any case.",
  }),
});
export type ListSkillsQuery = z.output<typeof listSkillsQuery>;
