/** Codebases as entities: created, listed, changed, and deleted with all that they hold. */

import type { Match } from "../http/conditional.ts";
import { ApiError, notFound } from "../http/errors.ts";
import { type Page, toPage } from "../http/page.ts";
import { ExpiringCache } from "../security/expiring-cache.ts";
import { callerOf, type Principal, projectFor, visibleProjects } from "../security/principal.ts";
import { deleteBlobs } from "./archives.ts";
import type { Index } from "./ingest.ts";
import type { CodebaseRepository, CodebaseRow } from "./repository.ts";
import {
  type CodebaseDocument,
  type CreateCodebase,
  type PatchCodebase,
  toCodebase,
} from "./schemas.ts";

export interface CodebaseDeps {
  readonly repository: CodebaseRepository;
  readonly blobs: R2Bucket;
  readonly index: (codebaseId: string) => Index;
  /** Why an address is never asked for anything; null when it is. */
  readonly whyRefused: (url: string) => string | null;
  readonly hasSecret: (projectId: string, name: string) => Promise<boolean>;
}

/** A codebase that the caller may see, and its index. */
export interface OpenCodebase {
  readonly row: CodebaseRow;
  readonly index: Index;
}

/** How long searches go by what a row said. A new name is known to every isolate after so long. */
const KNOWN_MS = 10_000;
const KNOWN_ROWS = 1_000;
/** Deletions that one sweep takes up again. */
const HALF_DELETED = 20;
const DELETING_MS = 60_000;

export class CodebaseService {
  readonly #deps: CodebaseDeps;
  readonly #known = new ExpiringCache<CodebaseRow>(KNOWN_ROWS);

  constructor(deps: CodebaseDeps) {
    this.#deps = deps;
  }

  /**
   * `seed` becomes the id. Throws `conflict` when the project has a codebase of that name, and
   * `validation_failed` when it has no such secret, or nothing is fetched from its address.
   */
  async create(
    principal: Principal,
    seed: string,
    body: CreateCodebase,
    now: number,
  ): Promise<CodebaseRow> {
    const project_id = projectFor(principal, body.project_id);
    this.requireAddress(body.source?.url ?? null, "source.url");
    await this.requireSecret(project_id, body.source?.secret ?? null, "source.secret");
    const row: CodebaseRow = {
      ...{ id: seed, project_id },
      name: body.name,
      description: body.description ?? null,
      labels: body.labels,
      source_url: body.source?.url ?? null,
      source_ref: body.source?.ref ?? null,
      source_secret: body.source?.secret ?? null,
      latest: null,
      snapshots: 0,
      revision: 1,
      created_by: callerOf(principal),
      created_at: now,
      updated_at: now,
      deleted_at: null,
    };
    const written = await this.#deps.repository.insert(row);
    if (written === "name_taken") throw nameTaken(body.name);
    return written === "written" ? row : (await this.open(principal, seed)).row;
  }

  /** Throws `not_found`. */
  async open(principal: Principal, id: string): Promise<OpenCodebase> {
    const row = await this.#deps.repository.find(visibleProjects(principal), id);
    if (row === null) throw notFound("codebase", id);
    return { row, index: this.#deps.index(row.id) };
  }

  /**
   * As `open`, by a row that was read within ten seconds: a codebase stays in its project. One that
   * was deleted since has an index that finds nothing; `open` says why. Throws `not_found`.
   */
  async openKnown(principal: Principal, id: string, now: number): Promise<OpenCodebase> {
    const row = this.#known.get(id, now);
    const projects = visibleProjects(principal);
    if (row !== undefined && (projects === "*" || projects.includes(row.project_id))) {
      return { row, index: this.#deps.index(row.id) };
    }
    const opened = await this.open(principal, id);
    this.#known.set(id, opened.row, now + KNOWN_MS);
    return opened;
  }

  /** Throws `validation_failed`, for the field at `path`, for an address that nothing is fetched from. */
  requireAddress(url: string | null, path: string): void {
    const message = url === null ? null : this.#deps.whyRefused(url);
    if (message === null) return;
    throw new ApiError("validation_failed", message, { issues: [{ path, message }] });
  }

  /** Throws `validation_failed`, for the field at `path`, unless the project has a secret of that name. */
  async requireSecret(projectId: string, name: string | null, path: string): Promise<void> {
    if (name === null || (await this.#deps.hasSecret(projectId, name))) return;
    const message = `The project has no secret "${name}". Store it with POST /api/v1/secrets first.`;
    throw new ApiError("validation_failed", message, { issues: [{ path, message }] });
  }

  async get(
    principal: Principal,
    id: string,
  ): Promise<{ readonly document: CodebaseDocument; readonly revision: number }> {
    const { row, index } = await this.open(principal, id);
    return { document: toCodebase(row, await index.state()), revision: row.revision };
  }

  async list(
    principal: Principal,
    { project_id, name }: { project_id?: string | undefined; name?: string | undefined },
    page: Page,
    url: string,
  ) {
    const projects = visibleProjects(principal, project_id);
    const rows = await this.#deps.repository.list({ projects, name: name ?? null }, page);
    return toPage(
      rows,
      page,
      url,
      (row) => row,
      (row) => toCodebase(row),
    );
  }

  /** Throws `not_found`, `precondition_failed` and `conflict`. */
  async update(
    principal: Principal,
    id: string,
    { source, ...changes }: PatchCodebase,
    match: Match | null,
    now: number,
  ): Promise<{ readonly document: CodebaseDocument; readonly revision: number }> {
    const { row, index } = await this.open(principal, id);
    match?.(row.revision);
    this.requireAddress(source?.url ?? null, "source.url");
    await this.requireSecret(row.project_id, source?.secret ?? null, "source.secret");
    const { name, description, labels } = changes;
    const updated = await this.#deps.repository.update(
      row,
      {
        ...(name !== undefined && { name }),
        ...(description !== undefined && { description }),
        ...(labels !== undefined && { labels }),
        ...(source !== undefined && {
          source_url: source?.url ?? null,
          source_ref: source?.ref ?? null,
          source_secret: source?.secret ?? null,
        }),
      },
      now,
    );
    this.#forget(id);
    if (updated === "name_taken") throw nameTaken(name ?? row.name);
    if (updated === null) {
      throw new ApiError(
        "conflict",
        "Another change came between. Read it again and repeat yours.",
      );
    }
    return { document: toCodebase(updated, await index.state()), revision: updated.revision };
  }

  /** Hidden first, so that a deletion that is cut off is taken up by the sweeper. */
  async remove(principal: Principal, id: string, now: number): Promise<void> {
    const { row } = await this.open(principal, id);
    await this.#deps.repository.hide(row.id, now);
    this.#forget(id);
    await this.#erase(row);
  }

  /** Ends deletions that were cut off. */
  async sweep(now: number): Promise<number> {
    const rows = await this.#deps.repository.halfDeleted(now - DELETING_MS, HALF_DELETED);
    for (const row of rows) await this.#erase(row);
    return rows.length;
  }

  #forget(id: string): void {
    this.#known.forget((row) => row.id === id);
  }

  async #erase(codebase: Pick<CodebaseRow, "id" | "project_id">): Promise<void> {
    await deleteBlobs(this.#deps.blobs, codebase);
    await this.#deps.index(codebase.id).destroy();
    // What the index was still making when it ended.
    await deleteBlobs(this.#deps.blobs, codebase);
    await this.#deps.repository.remove(codebase.id);
  }
}

function nameTaken(name: string): ApiError {
  return new ApiError(
    "conflict",
    `The project has a codebase called "${name}" already. Push to that one, or choose another name.`,
  );
}
