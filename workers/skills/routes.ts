/** `/api/v1/skills`. */
import { matchHeader, matchOf } from "../http/conditional.ts";
import { createRouter, type Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { readPage } from "../http/page.ts";
import { bundleRoutes } from "./bundle-routes.ts";
import type { BundleService } from "./bundle-service.ts";
import {
  createSkillSchema,
  listSkillsQuery,
  patchSkillSchema,
  skillListSchema,
  skillParams,
  skillQuery,
  skillSchema,
} from "./schemas.ts";
import type { SkillService } from "./service.ts";
import { shown } from "./shown.ts";
import { versionRoutes } from "./version-routes.ts";
import type { SkillVersionService } from "./version-service.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly skills: SkillService;
    readonly skillVersions: SkillVersionService;
    readonly bundles: BundleService;
  }
}

const tags = ["Skills"];
const VERSION = { ETag: "Its revision." };
const SKILL = { description: "The skill.", schema: skillSchema, headers: VERSION };
const request = { params: skillParams, query: skillQuery };

export function skillRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "post",
      path: "/skills",
      operationId: "createSkill",
      tags,
      scope: "skills:write",
      summary: "Create a skill",
      description:
        "Its first version is what is sent. The form of the original service is taken too: `implementation` as a text with `implementation_type`, `inputs` and `outputs` as lists of fields, `dependencies`, `changelog`.",
      request: { body: createSkillSchema },
      yaml: true,
      responses: {
        201: { ...SKILL, headers: { Location: "The skill's path.", ...VERSION } },
      },
      errors: ["conflict"],
    },
    async (c, { body, principal, seed }) => {
      const row = await c.get("services").skills.create(principal, seed, body, Date.now());
      const { body: skill, headers } = await shown(c, row);
      return {
        status: 201,
        body: skill,
        headers: { ...headers, Location: `/api/v1/skills/${row.id}` },
      };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/skills",
      operationId: "listSkills",
      tags,
      scope: "skills:read",
      summary: "List skills, or search for some",
      request: { query: listSkillsQuery },
      responses: { 200: { description: "A page of skills.", schema: skillListSchema } },
    },
    async (c, { query, principal }) => {
      const { url } = c.req;
      const { category = null, enabled = null, tag = [], q = [], project_id } = query;
      const filter = { category, enabled, tags: tag, words: q, project_id };
      const page = await c
        .get("services")
        .skills.list(principal, filter, readPage(query, url), url);
      return { status: 200, ...page };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/skills/{skill_id}",
      operationId: "getSkill",
      tags,
      scope: "skills:read",
      summary: "Get a skill, by id or slug",
      description: "With the content of its default version, which is the newest unless pinned.",
      request,
      responses: { 200: SKILL },
    },
    async (c, { params: { skill_id: skill }, query: { project_id }, principal }) => {
      const row = await c.get("services").skills.find(principal, { skill, project_id });
      return { status: 200, ...(await shown(c, row)) };
    },
  );

  endpoint(
    router,
    {
      method: "patch",
      path: "/skills/{skill_id}",
      operationId: "updateSkill",
      tags,
      scope: "skills:write",
      summary: "Change a skill",
      description:
        "A change of its content or files makes a new version, on the newest one; name, tags, category, `enabled`, `cost_estimate` and `extra_data` are of no version. Content that is the newest's already makes none.",
      request: { ...request, headers: matchHeader, body: patchSkillSchema },
      yaml: true,
      responses: { 200: SKILL },
      errors: ["conflict", "precondition_failed"],
    },
    async (c, { params, query: { project_id }, headers, body, principal }) => {
      const name = { skill: params.skill_id, project_id };
      const match = matchOf(headers["if-match"]);
      const row = await c
        .get("services")
        .skills.update(principal, name, { body, known: "refuse" }, match, Date.now());
      return { status: 200, ...(await shown(c, row)) };
    },
  );

  endpoint(
    router,
    {
      method: "delete",
      path: "/skills/{skill_id}",
      operationId: "deleteSkill",
      tags,
      scope: "skills:write",
      summary: "Delete a skill with its versions, aliases, files and history",
      request: { ...request, headers: matchHeader },
      responses: { 204: { description: "It is deleted." } },
      errors: ["precondition_failed"],
    },
    async (c, { params: { skill_id: skill }, query: { project_id }, headers, principal }) => {
      const match = matchOf(headers["if-match"]);
      await c.get("services").skills.remove(principal, { skill, project_id }, match, Date.now());
      return { status: 204 };
    },
  );

  for (const [verb, enabled] of [
    ["enable", true],
    ["disable", false],
  ] as const) {
    endpoint(
      router,
      {
        method: "post",
        path: `/skills/{skill_id}/${verb}`,
        operationId: `${verb}Skill`,
        tags,
        scope: "skills:write",
        summary: enabled ? "Let a skill be invoked" : "Keep a skill from being invoked",
        request,
        responses: { 200: SKILL },
      },
      async (c, { params: { skill_id: skill }, query: { project_id }, principal }) => {
        const row = await c
          .get("services")
          .skills.setEnabled(principal, { skill, project_id }, enabled, Date.now());
        return { status: 200, ...(await shown(c, row)) };
      },
    );
  }

  versionRoutes(router);
  bundleRoutes(router);
  return router;
}
