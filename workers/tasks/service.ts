/** Everything that can be done with tasks. */
import type { Config } from "../config.ts";
import type { Json } from "../executors/port.ts";
import { ApiError, notFound } from "../http/errors.ts";
import type { Page } from "../http/page.ts";
import { isResourceId, mayBelong, resourceId } from "../runs/address.ts";
import { artifactPrefix, filesKey } from "../runs/blobs.ts";
import type { RunClient } from "../runs/client.ts";
import type { Explanation } from "../runs/explain.ts";
import type { LogQuery, LogSlice } from "../runs/logs.ts";
import type { EventRow, Snapshot } from "../runs/store-types.ts";
import type { AttemptView } from "../runs/views.ts";
import { maySee, type Principal, projectFor, visibleProjects } from "../security/principal.ts";
import { readDocument, writeDocument } from "./document.ts";
import { type Files, keepFiles } from "./files.ts";
import { TASK_KIND } from "./kind.ts";
import { listTasks, type TaskFilter, type TaskRow } from "./repository.ts";
import { checkSpec } from "./rules.ts";
import { specSchema, type TaskSpec } from "./schemas.ts";

/** The coordinator keeps a task in one row, which the platform bounds at 2 MB. */
const MAX_DOCUMENT_BYTES = 1_500_000;

export interface CreateTask {
  readonly spec: TaskSpec;
  readonly files: Files;
  readonly project_id: string | undefined;
  /** Null creates only; else the longest wait for the end of the run. */
  readonly execute_wait_ms: number | null;
}

/** Members of a task to replace; what is left out stays. */
export type SpecChange = { readonly [Key in keyof TaskSpec]?: TaskSpec[Key] | undefined };

/** Throws when the revision is not the one that the caller means. */
export type Match = (revision: number) => void;

/** A task with its result, wherever that lay. */
export interface FoundTask {
  readonly snapshot: Snapshot;
  readonly result: Json;
}

export interface TaskService {
  create(principal: Principal, seed: string, input: CreateTask): Promise<FoundTask>;
  get(principal: Principal, id: string): Promise<FoundTask>;
  list(
    principal: Principal,
    filter: Omit<TaskFilter, "projects"> & { project_id: string | null },
    page: Page,
  ): Promise<TaskRow[]>;
  patch(
    principal: Principal,
    id: string,
    change: SpecChange,
    files: Files | undefined,
    match: Match | null,
  ): Promise<FoundTask>;
  remove(principal: Principal, id: string, match: Match | null): Promise<void>;
  execute(principal: Principal, id: string, seed: string, waitMs: number): Promise<FoundTask>;
  retry(principal: Principal, id: string, seed: string, waitMs: number): Promise<FoundTask>;
  cancel(principal: Principal, id: string): Promise<FoundTask>;
  attempts(principal: Principal, id: string, run: number | null): Promise<readonly AttemptView[]>;
  why(principal: Principal, id: string): Promise<Explanation>;
  log(principal: Principal, id: string, query: LogQuery): Promise<LogSlice>;
  /** The events of a run after `after`; null when it has ended and nothing is left to tell. */
  events(
    principal: Principal,
    id: string,
    run: number | null,
    after: number,
  ): Promise<EventSource | null>;
  artifact(principal: Principal, id: string, path: string): Promise<R2ObjectBody>;
}

export interface EventSource {
  readonly run: number;
  follow(signal: AbortSignal): AsyncGenerator<EventRow>;
}

export interface TaskServiceDependencies {
  readonly config: Config;
  readonly database: D1Database;
  readonly blobs: R2Bucket;
  readonly runs: RunClient;
}

export function createTaskService({
  config,
  database,
  blobs,
  runs,
}: TaskServiceDependencies): TaskService {
  /** Throws `not_found` for an id that cannot be the caller's, before any object is touched. */
  const guard = (principal: Principal, id: string): void => {
    const { projects } = principal;
    const possible =
      projects === "*" ? isResourceId(id) : [...projects].some((project) => mayBelong(id, project));
    if (!possible) throw notFound(TASK_KIND, id);
  };
  const read = async (
    principal: Principal,
    id: string,
    run: number | null = null,
  ): Promise<Snapshot> => {
    guard(principal, id);
    const snapshot = await runs.read(id, run).catch(async (error: unknown) => {
      if (run === null || !(error instanceof ApiError) || error.code !== "not_found") throw error;
      const { resource } = await read(principal, id);
      throw noSuchRun(id, run, resource.run);
    });
    if (!maySee(principal, snapshot.resource.project_id)) throw notFound(TASK_KIND, id);
    return snapshot;
  };
  /** An action is open to whoever sees the task; the id's project hash is checked, then the project. */
  const permit = async (principal: Principal, id: string): Promise<void> => {
    guard(principal, id);
    if (principal.projects !== "*") await read(principal, id);
  };
  const found = async (snapshot: Snapshot): Promise<FoundTask> => ({
    snapshot,
    result: await loadResult(blobs, snapshot),
  });
  const seal = (
    spec: TaskSpec,
    files: Awaited<ReturnType<typeof keepFiles>>,
    createdBy: string,
  ) => {
    const document = writeDocument({ spec, files, created_by: createdBy });
    const bytes = Buffer.byteLength(document);
    if (bytes > MAX_DOCUMENT_BYTES) throw tooLarge(bytes);
    return document;
  };

  return {
    async create(principal, seed, input) {
      const projectId = projectFor(principal, input.project_id);
      checkSpec(input.spec, config);
      const id = resourceId(seed, projectId);
      const keyOf = (sha256: string) => filesKey({ id, project_id: projectId }, sha256);
      const files = await keepFiles(input.files, blobs, keyOf);
      const document = seal(input.spec, files, `${principal.kind}:${principal.id}`);
      const start =
        input.execute_wait_ms === null
          ? null
          : { wait_ms: input.execute_wait_ms, request_id: seed };
      return found(
        await runs.create({ id, kind: TASK_KIND, project_id: projectId, document, start }),
      );
    },

    async get(principal, id) {
      return found(await read(principal, id));
    },

    list(principal, { project_id, ...filter }, page) {
      return listTasks(
        database,
        { ...filter, projects: visibleProjects(principal, project_id) },
        page,
      );
    },

    async patch(principal, id, change, files, match) {
      const { resource } = await read(principal, id);
      match?.(resource.changed_seq);
      const before = readDocument(resource);
      const spec = specSchema.parse({ ...before.spec, ...change });
      checkSpec(spec, config);
      const kept = files
        ? await keepFiles(files, blobs, (sha256) => filesKey(resource, sha256))
        : before.files;
      const document = seal(spec, kept, before.created_by);
      const revision = match ? resource.changed_seq : null;
      try {
        return await found(await runs.edit(id, document, resource.version, revision));
      } catch (error) {
        const overtaken = error instanceof ApiError && error.code === "precondition_failed";
        if (match || !overtaken) throw error;
        return this.patch(principal, id, change, files, match);
      }
    },

    async remove(principal, id, match) {
      const { resource } = await read(principal, id);
      match?.(resource.changed_seq);
      await runs.remove(id, match ? resource.changed_seq : null);
    },

    async execute(principal, id, seed, waitMs) {
      await permit(principal, id);
      return found(await runs.execute(id, { wait_ms: waitMs, request_id: seed }));
    },

    async retry(principal, id, seed, waitMs) {
      await permit(principal, id);
      return found(await runs.retry(id, { wait_ms: waitMs, request_id: seed }));
    },

    async cancel(principal, id) {
      await permit(principal, id);
      return found(await runs.cancel(id));
    },

    async attempts(principal, id, run) {
      const { resource } = await read(principal, id, run);
      return resource.run === 0 ? [] : runs.attempts(id, run);
    },

    async why(principal, id) {
      await permit(principal, id);
      return runs.why(id);
    },

    async log(principal, id, query) {
      const { resource } = await read(principal, id, query.run);
      if (resource.run === 0) return { body: new Uint8Array(), from: 0, total: 0 };
      return runs.log(id, query);
    },

    async events(principal, id, run, after) {
      const { resource } = await read(principal, id, run);
      const chosen = run ?? Math.max(1, resource.run);
      const { events, ended } = await runs.events(id, chosen, after);
      if (ended && !events.some((event) => event.run === chosen)) return null;
      return { run: chosen, follow: (signal) => runs.follow(id, chosen, after, signal) };
    },

    async artifact(principal, id, path) {
      const snapshot = await read(principal, id);
      const stored = snapshot.artifacts.find((artifact) => artifact.path === path);
      const object =
        stored && snapshot.run
          ? await blobs.get(
              `${artifactPrefix({ resource: snapshot.resource, run: snapshot.run.run, step: null, epoch: stored.epoch })}${path}`,
            )
          : null;
      if (object) return object;
      throw new ApiError(
        "not_found",
        `The newest run kept no artifact "${path.slice(0, 200)}". GET /api/v1/tasks/${id}/artifacts lists those that it kept.`,
      );
    },
  };
}

async function loadResult(blobs: R2Bucket, snapshot: Snapshot): Promise<Json> {
  const { result } = snapshot;
  if (result === null) return null;
  if (result.kind === "inline") return JSON.parse(result.json);
  const object = await blobs.get(result.key);
  if (object) return object.json();
  throw new ApiError(
    "unavailable",
    "The result is not to be had from the blob store now. Try again.",
  );
}

function noSuchRun(id: string, run: number, newest: number): ApiError {
  const runs = newest === 0 ? "It has not been run yet." : `Its newest run is ${newest}.`;
  return new ApiError("not_found", `The task ${id} has no run ${run}. ${runs}`, {
    members: { newest_run: newest },
  });
}

function tooLarge(bytes: number): ApiError {
  return new ApiError(
    "payload_too_large",
    `The task's definition takes ${bytes} bytes of JSON, and ${MAX_DOCUMENT_BYTES} is the limit. Put large content into files.`,
  );
}
