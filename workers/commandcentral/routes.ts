/** `/api/v1/projects`: what CommandCentral says of a project, and its repository as a codebase. */
import { codebaseSchema, toCodebase } from "../codebases/schemas.ts";
import { etag } from "../http/conditional.ts";
import { type AppContext, createRouter, type Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { timestamp } from "../http/schemas.ts";
import { readCredential } from "../security/credentials.ts";
import type { Principal } from "../security/principal.ts";
import { shownProjectSchema } from "./projects.ts";
import { createProjectCodebaseSchema, projectDocumentSchema, projectParams } from "./schemas.ts";
import type { ProjectService } from "./service.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly projects: ProjectService;
  }
}

const tags = ["Projects"];

export function projectRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "get",
      path: "/projects/{project_id}",
      operationId: "getProject",
      tags,
      scope: "codebases:read",
      summary: "Get a project as CommandCentral knows it",
      description: "While CommandCentral cannot be asked, what it said last is answered.",
      request: { params: projectParams },
      responses: { 200: { description: "What is known.", schema: projectDocumentSchema } },
    },
    async (c, { principal, params: { project_id: id } }) => {
      const found = await c.get("services").projects.get(principal, tokenOf(c, principal), id);
      const isKnown = found.source !== "unavailable";
      const body = {
        ...{ id, source: found.source, error: found.error },
        as_of: isKnown ? timestamp(found.as_of) : null,
        project: isKnown ? shownProjectSchema.parse(found.value) : null,
      };
      return { status: 200, body };
    },
  );

  endpoint(
    router,
    {
      method: "post",
      path: "/projects/{project_id}/codebase",
      operationId: "createProjectCodebase",
      tags,
      scope: "codebases:write",
      summary: "Make a codebase of the project's repository, and begin to import it",
      description:
        "The address is the project's `repo_url`, unless one is sent. `GET /codebases/{id}/events` follows the import.",
      request: { params: projectParams, body: createProjectCodebaseSchema },
      responses: {
        201: {
          description: "The codebase.",
          schema: codebaseSchema,
          headers: { Location: "The codebase's path.", ETag: "Its version." },
        },
      },
      errors: ["conflict", "unavailable"],
    },
    async (c, { principal, seed, params: { project_id: id }, body }) => {
      const { projects, codebases, snapshots } = c.get("services");
      const created = await projects.codebaseOf(principal, tokenOf(c, principal), id, body);
      codebases.requireAddress(created.source?.url ?? null, "repo_url");
      await codebases.requireSecret(id, created.source?.secret ?? null, "secret");
      const row = await codebases.create(principal, seed, created, Date.now());
      await snapshots.import(principal, row.id, seed, { url: null, ref: null, secret: null });
      const headers = { Location: `/api/v1/codebases/${row.id}`, ETag: etag(row.revision) };
      return { status: 201, body: toCodebase(row), headers };
    },
  );

  return router;
}

/** A user calls by a token of CommandCentral's, which is good there too. */
function tokenOf(c: AppContext, { kind }: Principal): string | null {
  return kind === "user" ? readCredential(c.req.raw.headers) : null;
}
