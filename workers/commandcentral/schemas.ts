/** The wire shapes of CommandCentral's projects as they are seen here. */
import { z } from "@hono/zod-openapi";
import { sourceSchema } from "../codebases/schemas.ts";
import { projectIdSchema, timestampSchema } from "../http/schemas.ts";
import { shownProjectSchema } from "./projects.ts";

export const projectParams = z.object({ project_id: projectIdSchema });

export const projectDocumentSchema = z
  .object({
    id: z.string(),
    source: z.enum(["commandcentral", "cache", "unavailable"]).openapi({
      description: "`cache` is what it said last, `unavailable` that nothing is known.",
    }),
    as_of: timestampSchema.nullable().openapi({ description: "When CommandCentral said it." }),
    error: z
      .string()
      .nullable()
      .openapi({ description: "Why it was not asked, or did not answer, this time." }),
    project: shownProjectSchema
      .nullable()
      .openapi({ description: "As CommandCentral has it; null when nothing is known." }),
  })
  .openapi("Project");

const { url, ref, secret } = sourceSchema.shape;
export const createProjectCodebaseSchema = z
  .strictObject({
    repo_url: url.optional().openapi({
      description: "In place of the project's own, which CommandCentral may be unable to tell.",
    }),
    name: z.string().min(1).max(200).optional().openapi({
      description: "The end of the address unless said, such as `acme/shop`.",
    }),
    ref,
    secret,
  })
  .openapi("CreateProjectCodebase");
export type CreateProjectCodebase = z.output<typeof createProjectCodebaseSchema>;
