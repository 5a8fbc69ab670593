/** Projects of CommandCentral, and the codebases that their repositories become. */
import type { CreateCodebase } from "../codebases/schemas.ts";
import { createCodebaseSchema } from "../codebases/schemas.ts";
import type { Config } from "../config.ts";
import { ApiError } from "../http/errors.ts";
import { toIssues } from "../http/issues.ts";
import { inOurWords } from "../http/wording.ts";
import { maySee, type Principal } from "../security/principal.ts";
import type { Asker, ProjectDirectory } from "./client.ts";
import type { Found } from "./lookups.ts";
import { nameOf, type Project, toFetchUrl } from "./projects.ts";
import type { CreateProjectCodebase } from "./schemas.ts";

export interface ProjectDeps {
  readonly config: Config;
  readonly directory: Pick<ProjectDirectory, "project">;
}

export class ProjectService {
  readonly #deps: ProjectDeps;

  constructor(deps: ProjectDeps) {
    this.#deps = deps;
  }

  /**
   * What is known of a project of the caller's; `token` is the caller's own of CommandCentral, null
   * for none. Throws `not_found`.
   */
  async get(principal: Principal, token: string | null, id: string): Promise<Found<Project>> {
    if (!maySee(principal, id)) throw noSuchProject(id);
    const { config, directory } = this.#deps;
    if (!config.COMMANDCENTRAL_ENABLED) {
      return { source: "unavailable", error: "COMMANDCENTRAL_ENABLED is false." };
    }
    const asker: Asker = {
      token: token ?? config.COMMANDCENTRAL_TOKEN,
      trace: principal.trace ?? null,
    };
    const found = await directory.project(id, asker);
    if (found.source !== "unavailable" && found.value === null) throw noSuchProject(id);
    return found;
  }

  /**
   * What a codebase of the project's repository is created with. Throws `not_found`, `unavailable`
   * when CommandCentral cannot tell the repository, and `validation_failed` when it is none that can
   * be imported.
   */
  async codebaseOf(
    principal: Principal,
    token: string | null,
    id: string,
    body: CreateProjectCodebase,
  ): Promise<CreateCodebase> {
    if (!maySee(principal, id)) throw noSuchProject(id);
    const address = body.repo_url ?? (await this.#repositoryOf(principal, token, id));
    const url = toFetchUrl(address);
    const sent = {
      project_id: id,
      name: body.name ?? nameOf(url) ?? id,
      source: { url, ref: body.ref ?? null, secret: body.secret ?? null },
    };
    const read = createCodebaseSchema.safeParse(sent, { error: inOurWords });
    if (read.success) return read.data;
    const issues = toIssues(read.error).map(({ path, message }) => ({
      path: path === "source.url" ? "repo_url" : path.replace(/^source\./, ""),
      message,
    }));
    throw new ApiError(
      "validation_failed",
      `The repository of the project, ${url.slice(0, 200)}, cannot be imported as it is. Send another repo_url or name.`,
      { issues },
    );
  }

  async #repositoryOf(principal: Principal, token: string | null, id: string): Promise<string> {
    const found = await this.get(principal, token, id);
    if (found.source === "unavailable") {
      throw new ApiError(
        "unavailable",
        `CommandCentral cannot tell the repository of the project: ${found.error} Send repo_url, or try again later.`,
        { headers: { "Retry-After": "5" } },
      );
    }
    const address = found.value?.repo_url ?? "";
    if (address !== "") return address;
    const message = "The project has no repo_url in CommandCentral. Set it there, or send one.";
    throw new ApiError("validation_failed", message, { issues: [{ path: "repo_url", message }] });
  }
}

function noSuchProject(id: string): ApiError {
  return new ApiError(
    "not_found",
    `No project "${id}" is known for this caller. Name one of the caller's projects that CommandCentral has.`,
  );
}
