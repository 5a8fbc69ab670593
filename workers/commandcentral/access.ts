/** Says by CommandCentral which projects a user has whose token names none. */
import type { Config } from "../config.ts";
import { ApiError } from "../http/errors.ts";
import type { Principal } from "../security/principal.ts";
import type { ProjectAccess } from "../security/project-access.ts";
import type { Asker, ProjectDirectory } from "./client.ts";
import type { Found } from "./lookups.ts";
import { isMember, type Project } from "./projects.ts";

/** Projects of one request that are looked up; a request names one, and a path another. */
const MAX_NAMED = 3;

export class MembershipAccess implements ProjectAccess {
  readonly #config: Config;
  readonly #directory: ProjectDirectory;

  constructor(config: Config, directory: ProjectDirectory) {
    this.#config = config;
    this.#directory = directory;
  }

  /**
   * The projects of the user are those that CommandCentral lists for it, those that the request names
   * and that have it as a member, and the configured ones. Throws `unavailable` when CommandCentral
   * has to be asked and cannot be.
   */
  async admit(principal: Principal, token: string, named: readonly string[]): Promise<Principal> {
    const { COMMANDCENTRAL_ENABLED: isEnabled, COMMANDCENTRAL_REQUIRED: isRequired } = this.#config;
    if (!isEnabled || principal.projects === "*") return principal;
    const own = principal.projects;
    const asker = { token, trace: principal.trace ?? null };
    const unknown = named.filter((id) => !own.has(id)).slice(0, MAX_NAMED);
    const [memberships, ...projects] = await Promise.all([
      this.#directory.memberships(principal.id, asker),
      ...unknown.map((id) => this.#lookUp(id, principal.id, asker)),
    ]);
    const found = [memberships, ...projects];
    const ids = found.flatMap((each) => (each.source === "unavailable" ? [] : (each.value ?? [])));
    // What the request is about is known by itself, though the list of all is not to be had.
    const decisive = unknown.length > 0 && projects.every(isKnown) ? projects : found;
    const failure = decisive.find((each) => each.source === "unavailable");
    if (failure?.source === "unavailable" && isRequired) throw cannotTell(failure.error);
    return {
      ...principal,
      projects: new Set([...own, ...ids]),
      projects_from: sourceOf(decisive),
    };
  }

  async #lookUp(id: string, userId: string, asker: Asker): Promise<Found<readonly string[]>> {
    const found: Found<Project> = await this.#directory.project(id, asker);
    if (found.source === "unavailable") return found;
    const isOwn = found.value !== null && isMember(found.value, userId);
    return { ...found, value: isOwn ? [id] : [] };
  }
}

function isKnown({ source }: Found<unknown>): boolean {
  return source !== "unavailable";
}

/** Of several answers the least sure one. */
function sourceOf(found: readonly Found<unknown>[]): Found<unknown>["source"] {
  const order = ["unavailable", "cache", "commandcentral"] as const;
  return order.find((source) => found.some((each) => each.source === source)) ?? "commandcentral";
}

function cannotTell(why: string): ApiError {
  return new ApiError(
    "unavailable",
    `Your token names no projects, and CommandCentral cannot tell them now: ${why} Try again shortly, or use an API key.`,
    { headers: { "Retry-After": "5" } },
  );
}
