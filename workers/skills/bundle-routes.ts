/** `/api/v1/skills/import` and `…/export`: skills as Agent Skills bundles. */
import { z } from "@hono/zod-openapi";
import { readBytes } from "../http/body.ts";
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { projectIdSchema } from "../http/schemas.ts";
import { BUNDLE_FORMATS, MAX_ARCHIVE_BYTES } from "./bundle-archive.ts";
import { CONFLICT_RULES, IMPORT_OUTCOMES } from "./bundle-service.ts";
import { projectQuery, skillParams, skillSchema, versionNameSchema } from "./schemas.ts";
import { shown } from "./shown.ts";

const tags = ["Skills"];
const MEDIA_TYPES = { zip: "application/zip", "tar.gz": "application/gzip" } as const;
const ARCHIVE_TYPE = "application/octet-stream";
const IMPORT_PATH = /\/skills\/import$/;

/** Paths whose bodies are bundles, which have a limit of their own. */
export function isBundlePath(path: string): boolean {
  return IMPORT_PATH.test(path);
}

const importedSchema = z
  .object({ outcome: z.enum(IMPORT_OUTCOMES), skill: skillSchema })
  .openapi("ImportedSkill");
const IMPORTED = {
  description: "The skill, and what the import did.",
  schema: importedSchema,
  headers: { Location: "The skill's path.", ETag: "Its revision." },
};

export function bundleRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "post",
      path: "/skills/import",
      operationId: "importSkill",
      tags,
      scope: "skills:write",
      summary: "Import a skill from an Agent Skills bundle",
      description:
        "The body is a zip, tar or tar.gz of one folder with `SKILL.md`: up to 512 files and 16 MiB, without links. `pipelzr.json` beside it has what `SKILL.md` cannot say; without it the skill is instructions, of the category `generation`, which agents read and nothing invokes. A skill of that slug is given a new version, unless its content is the same already.",
      request: {
        query: z.strictObject({
          project_id: projectIdSchema.optional(),
          on_conflict: z.enum(CONFLICT_RULES).default("version").openapi({
            description: "For a slug that is there: `version` makes one, `reject` is 409.",
          }),
        }),
      },
      raw_body: ARCHIVE_TYPE,
      responses: { 200: IMPORTED, 201: { ...IMPORTED, description: "The skill, which is new." } },
      errors: ["conflict", "payload_too_large"],
    },
    async (c, { query: { project_id, on_conflict }, principal, seed }) => {
      const advice = "Leave out what the skill does not need.";
      const archive = await readBytes(c.req.raw, MAX_ARCHIVE_BYTES, advice);
      const { row, outcome } = await c
        .get("services")
        .bundles.import(principal, seed, archive, project_id, on_conflict, Date.now());
      const { body: skill, headers } = await shown(c, row);
      const answer = {
        body: { outcome, skill },
        headers: { ...headers, Location: `/api/v1/skills/${row.id}` },
      };
      return outcome === "created" ? { status: 201, ...answer } : { status: 200, ...answer };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/skills/{skill_id}/export",
      operationId: "exportSkill",
      tags,
      scope: "skills:read",
      summary: "Export a version of a skill as an Agent Skills bundle",
      description:
        "One folder, named like the skill, with `SKILL.md`, `pipelzr.json` and its files. The same version is always the same bytes, also after it was imported elsewhere.",
      request: {
        params: skillParams,
        query: z.strictObject({
          ...projectQuery,
          format: z.enum(BUNDLE_FORMATS).default("zip"),
          version: versionNameSchema.default("default").openapi({
            type: "string",
            description: "A number, a version, a digest or an alias.",
          }),
        }),
      },
      responses: {
        200: {
          description: "The archive.",
          content: {
            [MEDIA_TYPES.zip]: z.string().openapi({ format: "binary" }),
            [MEDIA_TYPES["tar.gz"]]: z.string().openapi({ format: "binary" }),
          },
        },
      },
    },
    async (c, { params, query: { project_id, format, version }, principal }) => {
      const name = { skill: params.skill_id, project_id };
      const { bytes, filename } = await c
        .get("services")
        .bundles.export(principal, name, version, format);
      return new Response(bytes, {
        headers: {
          "Content-Type": MEDIA_TYPES[format],
          "Content-Disposition": `attachment; filename="${filename}"`,
        },
      });
    },
  );
}
