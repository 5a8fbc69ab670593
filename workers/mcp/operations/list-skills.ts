import { z } from "zod";
import { CATEGORIES, skillSummarySchema } from "../../skills/schemas.ts";
import { defineOperation, READS } from "../operation.ts";
import { pageFields, pageOf } from "../paging.ts";

const MAX_WORDS_CHARS = 500;

export const listSkills = defineOperation({
  name: "pipelzr_list_skills",
  title: "List skills",
  description:
    "Lists the skills of the project, those that cannot be called as tools among them: disabled ones, and instructions for agents, which are read as skill://slug/SKILL.md.",
  scope: "skills:read",
  annotations: READS,
  input: z.strictObject({
    query: z
      .string()
      .max(MAX_WORDS_CHARS)
      .default("")
      .describe("Words that slug, name, description and tags hold together."),
    category: z.enum(CATEGORIES).optional(),
    tag: z.string().min(1).max(64).optional(),
    ...pageFields,
  }),
  output: z.object({
    items: z.array(
      skillSummarySchema.pick({
        slug: true,
        name: true,
        description: true,
        category: true,
        tags: true,
        enabled: true,
        implementation_type: true,
        version: true,
        invocation_count: true,
        success_rate: true,
      }),
    ),
    next_cursor: z.string().nullable(),
  }),
  async run({ principal, project_id, services, url }, { query, category, tag, ...page }) {
    const words = query
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    const filter = {
      ...{ project_id, words, category: category ?? null, enabled: null },
      tags: tag === undefined ? [] : [tag],
    };
    const { body } = await services.skills.list(principal, filter, pageOf(page, url), url);
    return { output: body };
  },
});
