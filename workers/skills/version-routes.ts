/** `/api/v1/skills/{skill_id}/versions` and `…/aliases`. */
import { z } from "@hono/zod-openapi";
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { sliceQuery, toSlice } from "../http/slice.ts";
import { isAlias } from "./reference.ts";
import { toVersion, toVersionSummary } from "./render.ts";
import {
  aliasListSchema,
  aliasSchema,
  projectQuery,
  setAliasSchema,
  skillParams,
  skillQuery,
  skillVersionSchema,
  versionListSchema,
} from "./schemas.ts";

const tags = ["Skills"];
const versionParams = skillParams.extend({
  version: z.string().min(1).max(80).openapi({
    description: "A number, a version such as 1.2.0, a digest (sha256:…) or an alias.",
  }),
});
const aliasParams = skillParams.extend({
  alias: z
    .string()
    .refine(isAlias, "An alias is 1 to 63 lower-case letters, digits and hyphens, a letter first."),
});

export function versionRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/skills/{skill_id}/versions",
      operationId: "listSkillVersions",
      tags,
      scope: "skills:read",
      summary: "List a skill's versions, newest first",
      request: { params: skillParams, query: z.strictObject({ ...projectQuery, ...sliceQuery }) },
      responses: { 200: { description: "A page of versions.", schema: versionListSchema } },
    },
    async (c, { params, query: { project_id, limit, cursor = null }, principal }) => {
      const name = { skill: params.skill_id, project_id };
      const { skill, rows } = await c
        .get("services")
        .skillVersions.list(principal, name, cursor, limit);
      const items = rows.slice(0, limit).map((row) => toVersionSummary(skill.id, row));
      const next = rows.length > limit ? (items.at(-1)?.number ?? null) : null;
      return toSlice(c.req.url, items, next);
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/skills/{skill_id}/versions/{version}",
      operationId: "getSkillVersion",
      tags,
      scope: "skills:read",
      summary: "Get a version of a skill",
      request: { params: versionParams, query: skillQuery },
      responses: { 200: { description: "The version.", schema: skillVersionSchema } },
    },
    async (c, { params, query: { project_id }, principal }) => {
      const name = { skill: params.skill_id, project_id };
      const { skill, version } = await c
        .get("services")
        .skillVersions.get(principal, name, params.version);
      return { status: 200, body: toVersion(skill.id, version) };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/skills/{skill_id}/aliases",
      operationId: "listSkillAliases",
      tags,
      scope: "skills:read",
      summary: "List the names of a skill's versions",
      description: "`latest` and `default` first.",
      request: { params: skillParams, query: skillQuery },
      responses: { 200: { description: "All of them.", schema: aliasListSchema } },
    },
    async (c, { params: { skill_id: skill }, query: { project_id }, principal }) => {
      const items = await c.get("services").skillVersions.aliases(principal, { skill, project_id });
      return { status: 200, body: { items } };
    },
  );

  endpoint(
    router,
    {
      method: "put",
      path: "/skills/{skill_id}/aliases/{alias}",
      operationId: "setSkillAlias",
      tags,
      scope: "skills:write",
      summary: "Name a version of a skill",
      description:
        "`default` is the version that is meant when none is named; `latest` is the newest and cannot be set.",
      request: { params: aliasParams, query: skillQuery, body: setAliasSchema },
      responses: { 200: { description: "The alias.", schema: aliasSchema } },
      errors: ["conflict"],
    },
    async (c, { params, query: { project_id }, body: { version }, principal }) => {
      const name = { skill: params.skill_id, project_id };
      const body = await c
        .get("services")
        .skillVersions.setAlias(principal, name, params.alias, version, Date.now());
      return { status: 200, body };
    },
  );

  endpoint(
    router,
    {
      method: "delete",
      path: "/skills/{skill_id}/aliases/{alias}",
      operationId: "deleteSkillAlias",
      tags,
      scope: "skills:write",
      summary: "Delete the name of a version",
      description: "Without the alias `default` the newest version is the default again.",
      request: { params: aliasParams, query: skillQuery },
      responses: { 204: { description: "It is deleted." } },
    },
    async (c, { params, query: { project_id }, principal }) => {
      const name = { skill: params.skill_id, project_id };
      await c.get("services").skillVersions.removeAlias(principal, name, params.alias, Date.now());
      return { status: 204 };
    },
  );
}
