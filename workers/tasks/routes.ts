/** /api/v1/tasks: from HTTP to the service and back. */
import { z } from "@hono/zod-openapi";
import {
  etag,
  freshHeader,
  isFresh,
  matchHeader,
  matchOf,
  notModified,
} from "../http/conditional.ts";
import type { AppContext, Router } from "../http/context.ts";
import { createRouter } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { ApiError } from "../http/errors.ts";
import { readPage, toPage } from "../http/page.ts";
import { preferenceHeaders, preferHeader, readPreference } from "../http/prefer.ts";
import { idSchema } from "../http/schemas.ts";
import { toSlice } from "../http/slice.ts";
import { wantsEvents } from "../http/sse.ts";
import {
  isWanted,
  refuseForSteps,
  stepTaskListSchema,
  toStepTasks,
} from "../pipelines/step-tasks.ts";
import type { Snapshot } from "../runs/store-types.ts";
import { download } from "../runs/streaming.ts";
import {
  artifactListSchema,
  attemptListSchema,
  FILE_RESPONSE,
  pathQuery,
  runQuery,
  toArtifact,
  toAttempt,
} from "../runs/wire.ts";
import { type Principal, requireScope } from "../security/principal.ts";
import {
  createTaskSchema,
  type ListTasksQuery,
  listTasksQuery,
  patchTaskSchema,
  taskListSchema,
  taskSchema,
  whySchema,
} from "./schemas.ts";
import type { FoundTask, TaskService } from "./service.ts";
import { streamTask, taskStreamRoutes } from "./stream.ts";
import { toExplanation, toTask } from "./view.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly tasks: TaskService;
  }
}

const params = z.object({ task_id: idSchema });
const tags = ["Tasks"];
const TASK = { description: "The task.", schema: taskSchema };
const STARTED = {
  description: "Still going; follow `Location` or its `/events`.",
  schema: taskSchema,
  headers: { Location: "The task." },
};

export function taskRoutes(): Router {
  const router = createRouter();

  endpoint(
    router,
    {
      method: "post",
      path: "/tasks",
      operationId: "createTask",
      tags,
      summary: "Create a task, and run it at once if asked",
      description:
        "With `execute: true` the answer comes when the run has ended, or after `Prefer: wait=N` seconds (30 unless said, 60 at most).",
      scope: "tasks:write",
      yaml: true,
      request: { headers: preferHeader, body: createTaskSchema },
      responses: {
        201: { ...TASK, headers: { Location: "The task.", ETag: "Its revision." } },
      },
      errors: ["executor_unavailable", "payload_too_large"],
    },
    async (c, { principal, seed, headers, body }) => {
      const { files, project_id, execute, ...spec } = body;
      const preference = readPreference(headers.prefer);
      const wait = execute ? preference.wait_seconds * 1000 : null;
      const input = { spec, files, project_id, execute_wait_ms: wait };
      const task = await c.get("services").tasks.create(principal, seed, input);
      const applied = execute ? preferenceHeaders(preference) : {};
      const headersOut = {
        ...headersOf(task.snapshot),
        Location: location(task.snapshot),
        ...applied,
      };
      return { status: 201, body: render(task), headers: headersOut };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/tasks",
      operationId: "listTasks",
      tags,
      summary: "List tasks, newest first, or the steps of a pipeline",
      description:
        "Served from an index that follows the tasks within about a tenth of a second. With `pipeline_id` the items are the steps of that pipeline's newest run, or of `run`, as they stand now: none before the first run. That needs the scope `pipelines:read` too. The `pipeline_id` that a task was created with is a note of its creator and makes it no step; `linked_pipeline_id` finds such tasks.",
      scope: "tasks:read",
      request: { query: listTasksQuery },
      errors: ["not_found"],
      responses: {
        200: {
          description: "A page of tasks.",
          schema: z.union([taskListSchema, stepTaskListSchema]),
        },
      },
    },
    async (c, { principal, query }) => {
      if (query.pipeline_id !== undefined) return listSteps(c, principal, query);
      if (query.run !== undefined) throw runWithoutPipeline();
      const page = readPage(query, c.req.url);
      const filter = {
        project_id: query.project_id ?? null,
        states: query.state ?? null,
        task_types: query.task_type ?? null,
        name: query.name ?? null,
        linked_pipeline_id: query.linked_pipeline_id ?? null,
        agent_id: query.agent_id ?? null,
        labels: query.label ?? [],
      };
      const rows = await c.get("services").tasks.list(principal, filter, page);
      const { body, headers } = toPage(
        rows,
        page,
        c.req.url,
        (row) => row,
        (row) => row.summary,
      );
      return { status: 200, body, headers };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/tasks/{task_id}",
      operationId: "getTask",
      tags,
      summary: "Read a task with its newest run",
      scope: "tasks:read",
      request: { params, headers: freshHeader },
      responses: {
        200: { ...TASK, headers: { ETag: "Its revision." } },
        304: { description: "Not changed since the given revision." },
      },
    },
    async (c, { principal, params: { task_id }, headers }) => {
      const task = await c.get("services").tasks.get(principal, task_id);
      const { resource, run } = task.snapshot;
      const settled = !run || run.completed_at !== null;
      if (settled && isFresh(headers["if-none-match"], resource.changed_seq)) {
        return notModified(resource.changed_seq);
      }
      return { status: 200, body: render(task), headers: headersOf(task.snapshot) };
    },
  );

  endpoint(
    router,
    {
      method: "patch",
      path: "/tasks/{task_id}",
      operationId: "patchTask",
      tags,
      summary: "Change a task that is not running",
      scope: "tasks:write",
      yaml: true,
      request: { params, headers: matchHeader, body: patchTaskSchema },
      responses: { 200: { ...TASK, headers: { ETag: "Its revision." } } },
      errors: [
        "illegal_transition",
        "precondition_failed",
        "executor_unavailable",
        "payload_too_large",
      ],
    },
    async (c, { principal, params: { task_id }, headers, body }) => {
      const { files, ...change } = body;
      const match = matchOf(headers["if-match"]);
      const task = await c.get("services").tasks.patch(principal, task_id, change, files, match);
      return { status: 200, body: render(task), headers: headersOf(task.snapshot) };
    },
  );

  endpoint(
    router,
    {
      method: "delete",
      path: "/tasks/{task_id}",
      operationId: "deleteTask",
      tags,
      summary: "Delete a task that is not running, with its runs, logs and artifacts",
      scope: "tasks:write",
      request: { params, headers: matchHeader },
      responses: { 204: { description: "Deleted." } },
      errors: ["illegal_transition", "precondition_failed"],
    },
    async (c, { principal, params: { task_id }, headers }) => {
      const match = matchOf(headers["if-match"]);
      await c.get("services").tasks.remove(principal, task_id, match);
      return { status: 204 };
    },
  );

  const actions = [
    ["execute", "executeTask", "Run a task again, or for the first time"],
    ["retry", "retryTask", "Run a failed or cancelled task again, within max_retries"],
  ] as const;
  for (const [action, operationId, summary] of actions) {
    endpoint(
      router,
      {
        method: "post",
        path: `/tasks/{task_id}/${action}`,
        operationId,
        tags,
        summary,
        description:
          "Answers 200 when the run has ended, whatever it came to, and 202 when it is still going after `Prefer: wait=N` seconds (30 unless said, 60 at most). With `Accept: text/event-stream` the answer is the run's events.",
        scope: "tasks:execute",
        request: { params, headers: preferHeader },
        responses: { 200: TASK, 202: STARTED },
        errors: ["illegal_transition"],
      },
      async (c, { principal, seed, params: { task_id }, headers }) => {
        const preference = readPreference(headers.prefer);
        const events = wantsEvents(c);
        const wait = events ? 0 : preference.wait_seconds * 1000;
        const task = await c.get("services").tasks[action](principal, task_id, seed, wait);
        if (events) return streamTask(c, principal, task_id, task.snapshot.run?.run ?? null, 0);
        return started(task, preferenceHeaders(preference));
      },
    );
  }

  endpoint(
    router,
    {
      method: "post",
      path: "/tasks/{task_id}/cancel",
      operationId: "cancelTask",
      tags,
      summary: "Cancel a task; nothing of it starts any more, and what runs is stopped",
      description:
        "Answers 200 once the code has stopped, or 202 when that is yet to be confirmed.",
      scope: "tasks:execute",
      request: { params },
      responses: { 200: TASK, 202: STARTED },
      errors: ["illegal_transition"],
    },
    async (c, { principal, params: { task_id } }) =>
      started(await c.get("services").tasks.cancel(principal, task_id), {}),
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/tasks/{task_id}/attempts",
      operationId: "listTaskAttempts",
      tags,
      summary: "List the attempts of a run, oldest first",
      scope: "tasks:read",
      request: { params, query: runQuery },
      responses: { 200: { description: "The attempts.", schema: attemptListSchema } },
    },
    async (c, { principal, params: { task_id }, query }) => {
      const attempts = await c
        .get("services")
        .tasks.attempts(principal, task_id, query.run ?? null);
      return { status: 200, body: { items: attempts.map(toAttempt) } };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/tasks/{task_id}/why",
      operationId: "explainTask",
      tags,
      summary: "Say why a task is in its state, and what can be done",
      scope: "tasks:read",
      request: { params },
      responses: { 200: { description: "The explanation.", schema: whySchema } },
    },
    async (c, { principal, params: { task_id } }) => {
      const explanation = await c.get("services").tasks.why(principal, task_id);
      return { status: 200, body: toExplanation(explanation) };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/tasks/{task_id}/artifacts",
      operationId: "listTaskArtifacts",
      tags,
      summary: "List the files that the newest run kept",
      scope: "tasks:read",
      request: { params },
      responses: { 200: { description: "The files.", schema: artifactListSchema } },
    },
    async (c, { principal, params: { task_id } }) => {
      const { snapshot } = await c.get("services").tasks.get(principal, task_id);
      const items = snapshot.artifacts.map(toArtifact);
      return { status: 200, body: { items } };
    },
  );

  endpoint(
    router,
    {
      method: "get",
      path: "/tasks/{task_id}/artifacts/content",
      operationId: "downloadTaskArtifact",
      tags,
      summary: "Download a file that the newest run kept",
      scope: "tasks:read",
      request: { params, query: pathQuery },
      responses: { 200: FILE_RESPONSE },
    },
    async (c, { principal, params: { task_id }, query }) => {
      return download(await c.get("services").tasks.artifact(principal, task_id, query.path));
    },
  );

  taskStreamRoutes(router);
  return router;
}

function render({ snapshot, result }: FoundTask) {
  return toTask(snapshot, result);
}

/** The steps of a run as tasks, from the pipeline's own object. */
async function listSteps(c: AppContext, principal: Principal, query: ListTasksQuery) {
  requireScope(principal, "pipelines:read");
  refuseForSteps(c.req.url);
  const { pipeline_id: id = "", run = null, project_id } = query;
  const { pipelineRuns } = c.get("services");
  const page = await pipelineRuns.steps(principal, { id, run, project_id }, query, isWanted(query));
  return toSlice(c.req.url, page ? toStepTasks(page) : [], page?.next_cursor ?? null);
}

function runWithoutPipeline(): ApiError {
  return new ApiError("validation_failed", "The filter `run` says too little by itself.", {
    issues: [{ path: "query.run", message: "Send it with pipeline_id, or leave it out." }],
  });
}

function location({ resource }: Snapshot): string {
  return `/api/v1/tasks/${resource.id}`;
}

function headersOf({ resource }: Snapshot): Record<string, string> {
  return { ETag: etag(resource.changed_seq) };
}

/** 200 with a run that has ended, 202 with one that has not. */
function started(task: FoundTask, headers: Record<string, string>) {
  const { snapshot } = task;
  const all = { ...headersOf(snapshot), ...headers };
  if (snapshot.run?.completed_at !== null) {
    return { status: 200, body: render(task), headers: all } as const;
  }
  const withLocation = { ...all, Location: location(snapshot) };
  return { status: 202, body: render(task), headers: withLocation } as const;
}
