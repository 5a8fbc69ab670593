/** Which project a resource is of, by asking the service that has it. */
import type { OwnedResource, ResourceOwners } from "../http/audit.ts";
import type { Services } from "../http/context.ts";
import { logWarning } from "../http/log.ts";
import { asApiError } from "../http/problem.ts";
import type { Principal } from "../security/principal.ts";

type Asked = Pick<
  Services,
  | "tasks"
  | "pipelines"
  | "invocations"
  | "agents"
  | "skills"
  | "codebases"
  | "grammars"
  | "secrets"
  | "runners"
  | "deadLetters"
  | "webhooks"
>;
type Find = (
  principal: Principal,
  id: string,
  projectId: string | undefined,
) => Promise<OwnedResource>;

/** By the first part of the resource's path. What is not listed is of the deployment. */
function findersOf(services: Asked): Readonly<Record<string, Find>> {
  const { tasks, pipelines, invocations, agents, skills } = services;
  const { codebases, grammars, secrets, runners, deadLetters, webhooks } = services;
  return {
    tasks: async (by, id) => (await tasks.get(by, id)).snapshot.resource,
    pipelines: async (by, id) => (await pipelines.get(by, id)).snapshot.resource,
    invocations: async (by, id) => (await invocations.get(by, id)).snapshot.resource,
    agents: (by, id) => agents.get(by, id),
    skills: (by, skill, project_id) => skills.find(by, { skill, project_id }),
    codebases: async (by, id) => (await codebases.open(by, id)).row,
    grammars: (by, id) => grammars.find(by, id),
    secrets: (by, id) => secrets.get(by, id),
    runners: (by, id) => runners.get(by, id),
    "dead-letters": (by, id) => deadLetters.get(by, id),
    webhooks: (by, id) => webhooks.get(by, id),
  };
}

export function createOwners(services: Asked): ResourceOwners {
  const finders = findersOf(services);
  return {
    async find(principal, kind, id, projectId) {
      try {
        const found = await finders[kind]?.(principal, id, projectId ?? undefined);
        return found === undefined ? null : { id: found.id, project_id: found.project_id };
      } catch (error) {
        if (asApiError(error) === null) logWarning("owner_not_found", error, { kind, id });
        return null;
      }
    },
  };
}
