import { z } from "zod";
import { defineOperation, READS } from "../operation.ts";
import { pageFields, pageOf } from "../paging.ts";

export const listCodebases = defineOperation({
  name: "pipelzr_list_codebases",
  title: "List codebases",
  description: "Lists the codebases of the project, each with its newest snapshot that is ready.",
  scope: "codebases:read",
  annotations: READS,
  input: z.strictObject({
    name: z.string().max(200).optional().describe("The exact name."),
    ...pageFields,
  }),
  output: z.object({
    items: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        description: z.string().nullable(),
        latest: z
          .object({
            number: z.int(),
            ref: z.string().nullable(),
            commit: z.string().nullable(),
            files: z.int().nullable(),
          })
          .nullable(),
      }),
    ),
    next_cursor: z.string().nullable(),
  }),
  async run({ principal, project_id, services, url }, { name, ...page }) {
    const filter = { project_id, name };
    const { body } = await services.codebases.list(principal, filter, pageOf(page, url), url);
    const items = body.items.map(({ id, name, description, latest }) => ({
      ...{ id, name, description },
      latest: latest && {
        ...{ number: latest.number, ref: latest.ref, commit: latest.commit },
        files: latest.counts?.files ?? null,
      },
    }));
    return { output: { items, next_cursor: body.next_cursor } };
  },
});
