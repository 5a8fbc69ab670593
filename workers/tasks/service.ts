/** Everything that can be done with tasks. */
import type { Config } from "../config.ts";
import type { Json, TaskType } from "../executors/port.ts";
import type { Match } from "../http/conditional.ts";
import { ApiError, type Issue } from "../http/errors.ts";
import type { Page } from "../http/page.ts";
import { RunAccess } from "../runs/access.ts";
import { readStepTaskId, resourceId } from "../runs/address.ts";
import { artifactPrefix, filesKey } from "../runs/blobs.ts";
import type { RunClient } from "../runs/client.ts";
import { type CodebasePorts, type MountedCodebase, mountPathOf, refOf } from "../runs/codebases.ts";
import type { Explanation } from "../runs/explain.ts";
import type { LogQuery, LogSlice } from "../runs/logs.ts";
import type { Snapshot } from "../runs/store-types.ts";
import type { EventSource } from "../runs/streaming.ts";
import type { AttemptView } from "../runs/views.ts";
import {
  askedBy,
  callerOf,
  type Principal,
  projectFor,
  requireScope,
  visibleProjects,
} from "../security/principal.ts";
import { readDocument, writeDocument } from "./document.ts";
import { type Files, keepFiles } from "./files.ts";
import { TASK_KIND } from "./kind.ts";
import { listTasks, type TaskFilter, type TaskRow } from "./repository.ts";
import { blockingFiles, checkSpec, mountProblem } from "./rules.ts";
import { specSchema, type TaskSpec } from "./schemas.ts";

/** The coordinator keeps a task in one row, which the platform bounds at 2 MB. */
const MAX_DOCUMENT_BYTES = 1_500_000;

export interface CreateTask {
  readonly spec: Omit<TaskSpec, "task_type"> & { readonly task_type?: TaskType | undefined };
  readonly files: Files;
  readonly project_id: string | undefined;
  /** Null creates only; else the longest wait for the end of the run. */
  readonly execute_wait_ms: number | null;
}

/** Members of a task to replace; what is left out stays. */
export type SpecChange = { readonly [Key in keyof TaskSpec]?: TaskSpec[Key] | undefined };

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

export interface TaskServiceDependencies {
  readonly config: Config;
  readonly database: D1Database;
  readonly blobs: R2Bucket;
  readonly runs: RunClient;
  readonly codebases: CodebasePorts;
}

export function createTaskService({
  config,
  database,
  blobs,
  runs,
  codebases,
}: TaskServiceDependencies): TaskService {
  const access = new RunAccess(runs, blobs, TASK_KIND, whereStepIs);
  const found = async (snapshot: Snapshot): Promise<FoundTask> => ({
    snapshot,
    result: await access.result(snapshot.result),
  });
  /** What the task mounts from now on. Throws `forbidden` and `validation_failed`. */
  const mounted = async (principal: Principal, projectId: string, spec: TaskSpec) => {
    if (spec.codebase === null) return null;
    requireScope(principal, "codebases:read");
    const [answer] = await codebases.pin(projectId, [refOf(spec.codebase)]);
    const pinned = answer?.pinned ?? null;
    if (pinned === null) throw notMounted(answer?.problem?.message ?? "It is not to be had.");
    const problem = mountProblem(spec, pinned);
    if (problem !== null) throw notMounted(problem);
    return { ...pinned, path: mountPathOf(spec.codebase) };
  };
  const seal = (
    spec: TaskSpec,
    files: Awaited<ReturnType<typeof keepFiles>>,
    codebase: MountedCodebase | null,
    createdBy: string,
  ) => {
    const issues = codebase === null ? [] : blockingFiles(codebase.path, files.entries);
    if (issues.length > 0) throw invalid(issues);
    const document = writeDocument({ spec, files, codebase, created_by: createdBy });
    const bytes = Buffer.byteLength(document);
    if (bytes > MAX_DOCUMENT_BYTES) throw tooLarge(bytes);
    return document;
  };

  return {
    async create(principal, seed, input) {
      const projectId = projectFor(principal, input.project_id);
      const spec = { ...input.spec, task_type: typeOf(input.spec) ?? "local" };
      checkSpec(spec, config);
      const codebase = await mounted(principal, projectId, spec);
      const id = resourceId(seed, projectId);
      const keyOf = (sha256: string) => filesKey({ id, project_id: projectId }, sha256);
      const files = await keepFiles(input.files, blobs, keyOf);
      const document = seal(spec, files, codebase, callerOf(principal));
      const start =
        input.execute_wait_ms === null
          ? null
          : {
              wait_ms: input.execute_wait_ms,
              request_id: seed,
              ...askedBy(principal),
            };
      return found(
        await runs.create({ id, kind: TASK_KIND, project_id: projectId, document, start }),
      );
    },

    async get(principal, id) {
      return found(await access.read(principal, id));
    },

    list(principal, { project_id, ...filter }, page) {
      return listTasks(
        database,
        { ...filter, projects: visibleProjects(principal, project_id) },
        page,
      );
    },

    async patch(principal, id, change, files, match) {
      const { resource } = await access.read(principal, id);
      match?.(resource.changed_seq);
      const before = readDocument(resource);
      const task_type = typeOf(change) ?? before.spec.task_type;
      const spec = specSchema.parse({ ...before.spec, ...change, task_type });
      checkSpec(spec, config);
      // What is not named anew stays as it was found when it was.
      const codebase =
        change.codebase === undefined
          ? before.codebase
          : await mounted(principal, resource.project_id, spec);
      const kept = files
        ? await keepFiles(files, blobs, (sha256) => filesKey(resource, sha256))
        : before.files;
      const document = seal(spec, kept, codebase, before.created_by);
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
      const { resource } = await access.read(principal, id);
      match?.(resource.changed_seq);
      await runs.remove(id, match ? resource.changed_seq : null);
    },

    async execute(principal, id, seed, waitMs) {
      await access.permit(principal, id);
      const asked = { wait_ms: waitMs, request_id: seed, ...askedBy(principal) };
      return found(await runs.execute(id, asked));
    },

    async retry(principal, id, seed, waitMs) {
      await access.permit(principal, id);
      const asked = { wait_ms: waitMs, request_id: seed, ...askedBy(principal) };
      return found(await runs.retry(id, asked));
    },

    async cancel(principal, id) {
      await access.permit(principal, id);
      return found(await runs.cancel(id, null, callerOf(principal)));
    },

    attempts: (principal, id, run) => access.attempts(principal, id, run),

    async why(principal, id) {
      await access.permit(principal, id);
      return runs.why(id);
    },

    log: (principal, id, query) => access.log(principal, id, query),

    events: (principal, id, run, after) => access.events(principal, id, run, after),

    async artifact(principal, id, path) {
      const snapshot = await access.read(principal, id);
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

/** A list of a pipeline's tasks shows names of steps; what asks for one as a task is told its place. */
function whereStepIs(id: string): string | null {
  const named = readStepTaskId(id);
  if (!named) return null;
  const { resource_id, run, step } = named;
  const at = `/api/v1/pipelines/${resource_id}/runs/${run}`;
  return `This is the name of a step of a pipeline. GET ${at}/steps/${encodeURIComponent(step)} reads it, and POST /api/v1/pipelines/${resource_id}/retry runs it again.`;
}

function notMounted(message: string): ApiError {
  return invalid([{ path: "codebase", message }]);
}

function invalid(issues: readonly Issue[]): ApiError {
  return new ApiError("validation_failed", "The task is not valid; correct what is listed.", {
    issues,
  });
}

function tooLarge(bytes: number): ApiError {
  return new ApiError(
    "payload_too_large",
    `The task's definition takes ${bytes} bytes of JSON, and ${MAX_DOCUMENT_BYTES} is the limit. Put large content into files.`,
  );
}

/** A list of executors says the type, so that it need not be said twice. */
function typeOf({
  task_type,
  executors,
}: Pick<SpecChange, "task_type" | "executors">): TaskType | undefined {
  return task_type ?? executors?.[0];
}
