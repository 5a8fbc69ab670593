/** Users' grammars as entities: tried, stored, and told to the indexes of their project. */
import type { Match } from "../../http/conditional.ts";
import { ApiError, notFound } from "../../http/errors.ts";
import { logWarning } from "../../http/log.ts";
import { type Page, toPage } from "../../http/page.ts";
import { callerOf, type Principal, projectFor, visibleProjects } from "../../security/principal.ts";
import type { IndexJob } from "../index/intake/jobs.ts";
import type { GrammarRepository, GrammarRow } from "./repository.ts";
import { type GrammarCheck, toGrammar } from "./schemas.ts";
import { type GrammarStore, versionOf } from "./store.ts";
import { tryGrammar } from "./trial.ts";
import type { Upload } from "./upload.ts";

export interface GrammarDeps {
  readonly repository: GrammarRepository;
  readonly store: GrammarStore;
  readonly loader: WorkerLoader;
  readonly codebasesOf: (projectId: string) => Promise<string[]>;
  readonly send: (jobs: readonly IndexJob[]) => Promise<void>;
}

export interface CheckedGrammar {
  readonly row: GrammarRow;
  readonly check: GrammarCheck;
}

const MAX_PER_PROJECT = 50;
/** Changes that one sweep takes up again. */
const UNTOLD = 20;
const TELLING_MS = 60_000;

export class GrammarService {
  readonly #deps: GrammarDeps;

  constructor(deps: GrammarDeps) {
    this.#deps = deps;
  }

  /** `seed` becomes the id. Throws `validation_failed` and `conflict`. */
  async create(
    principal: Principal,
    seed: string,
    upload: Upload,
    now: number,
  ): Promise<CheckedGrammar> {
    const { repository, store } = this.#deps;
    const projectId = projectFor(principal, upload.projectId);
    const check = await this.#try(projectId, upload);
    const row: GrammarRow = {
      ...{ id: seed, project_id: projectId, revision: 1, deleted_at: null },
      ...contentOf(upload, seed),
      created_by: callerOf(principal),
      created_at: now,
      updated_at: now,
      untold_at: now,
    };
    await store.put(row, seed, upload);
    const written = await repository.insert(row, MAX_PER_PROJECT);
    if (written === "exists") return { row: await this.find(principal, seed), check };
    if (written !== "written") {
      await store.remove(row);
      throw written === "name_taken" ? nameTaken(upload.name) : tooMany();
    }
    await this.#tell(row);
    return { row, check };
  }

  /** Throws `not_found`. */
  async find(principal: Principal, id: string): Promise<GrammarRow> {
    const row = await this.#deps.repository.find(visibleProjects(principal), id);
    if (row === null) throw notFound("grammar", id);
    return row;
  }

  async list(principal: Principal, projectId: string | undefined, page: Page, url: string) {
    const rows = await this.#deps.repository.list(visibleProjects(principal, projectId), page);
    return toPage(rows, page, url, (row) => row, toGrammar);
  }

  /**
   * Puts another version in its place, which is read once the grammar is found; `seed` names its blobs. Throws `not_found`,
   * `precondition_failed`, `validation_failed` and `conflict`.
   */
  async replace(
    principal: Principal,
    id: string,
    seed: string,
    read: () => Promise<Upload>,
    match: Match | null,
    now: number,
  ): Promise<CheckedGrammar> {
    const { repository, store } = this.#deps;
    const current = await this.find(principal, id);
    match?.(current.revision);
    const upload = await read();
    if (upload.projectId !== undefined && upload.projectId !== current.project_id) {
      const message = "A grammar stays in its project. Leave it out, or create it in the other.";
      throw new ApiError("validation_failed", message, {
        issues: [{ path: "project_id", message }],
      });
    }
    const check = await this.#try(current.project_id, upload);
    if (versionOf(upload) === current.version) return { row: current, check };
    await store.put(current, seed, upload);
    const updated = await repository.update(current, contentOf(upload, seed), now);
    if (updated === null || updated === "name_taken") {
      await store.drop(current, seed);
      if (updated === "name_taken") throw nameTaken(upload.name);
      throw new ApiError(
        "conflict",
        "Another change came between. Read it again and repeat yours.",
      );
    }
    await store.drop(current, current.content);
    await this.#tell(updated);
    return { row: updated, check };
  }

  /** Hidden first, so that a deletion that is cut off is taken up by the sweeper. */
  async remove(principal: Principal, id: string, now: number): Promise<void> {
    const row = await this.find(principal, id);
    await this.#deps.repository.hide(row.id, now);
    await this.#tell({ ...row, deleted_at: now });
  }

  /** Tells of changes whose telling was cut off. */
  async sweep(now: number): Promise<number> {
    const rows = await this.#deps.repository.untold(now - TELLING_MS, UNTOLD);
    for (const row of rows) await this.#tell(row);
    return rows.length;
  }

  #try(projectId: string, upload: Upload): Promise<GrammarCheck> {
    return tryGrammar(this.#deps.loader, projectId, upload, upload.sample);
  }

  /** Has each index of the project read its languages again. What fails is told again by the sweeper. */
  async #tell(row: GrammarRow): Promise<void> {
    const { repository, store, codebasesOf, send } = this.#deps;
    try {
      const ids = await codebasesOf(row.project_id);
      await send(ids.map((id) => ({ kind: "languages", codebase_id: id })));
      if (row.deleted_at === null) return await repository.setTold(row);
      await store.remove(row);
      await repository.remove(row.id);
    } catch (error) {
      logWarning("grammar_untold", error, { id: row.id });
    }
  }
}

function contentOf(upload: Upload, content: string) {
  const { name, traits, wasm } = upload;
  return { name, traits, version: versionOf(upload), content, wasm_bytes: wasm.byteLength };
}

function nameTaken(name: string): ApiError {
  return new ApiError(
    "conflict",
    `The project has a grammar called "${name}" already. PUT the new version to that one, or choose another name.`,
  );
}

function tooMany(): ApiError {
  return new ApiError(
    "conflict",
    `A project has at most ${MAX_PER_PROJECT} grammars. Delete one that is not used.`,
  );
}
