/** Steps in the shape of tasks, for callers that list the tasks of a pipeline. */
import { z } from "@hono/zod-openapi";
import { ApiError } from "../http/errors.ts";
import type { Label } from "../http/filters.ts";
import { listOf, timestamp, timestampOrNull } from "../http/schemas.ts";
import { stepTaskId } from "../runs/address.ts";
import { STEP_STATUSES, type StepStatus } from "../runs/types.ts";
import { languageOf } from "../tasks/rules.ts";
import { type ListTasksQuery, type TaskSummary, taskSummarySchema } from "../tasks/schemas.ts";
import { kindOf, STEP_KINDS, type StepDefinition, taskTypeOf } from "./definition-schema.ts";
import type { ListedStep, StepPage } from "./step-page.ts";

/** What is asked of tasks that were created by themselves, and has no meaning for steps. */
const NOT_OF_STEPS = [
  "agent_id",
  "linked_pipeline_id",
  "order",
  "created_after",
  "created_before",
] as const;

export const stepTaskSchema = taskSummarySchema
  .extend({
    id: z.string().openapi({ description: "Of the list alone; `step.path` reads the step." }),
    task_type: taskSummarySchema.shape.task_type.nullable().openapi({
      description: "Null for a step that executes no code.",
    }),
    language: taskSummarySchema.shape.language.nullable(),
    timeout_seconds: z.number().nullable().openapi({
      description: "Of a step that waits: how long at most; null for no limit.",
    }),
    step: z.object({
      kind: z.enum(STEP_KINDS),
      state: z.enum(STEP_STATUSES).openapi({
        description: "The task's state is `running` for waiting, `cancelled` for skipped.",
      }),
      group: z.string().nullable().openapi({ description: "Of an item: the step of the matrix." }),
      items: z.int().nullable().openapi({ description: "Of a matrix that was expanded." }),
      reused_from: z.int().nullable().openapi({ description: "Run that the result was made by." }),
      path: z.string().openapi({ description: "GET it for the step's result and output." }),
    }),
  })
  .openapi("StepTask");
export type StepTask = z.output<typeof stepTaskSchema>;

export const stepTaskListSchema = listOf(stepTaskSchema).openapi("StepTaskList");

/** A task waits between two tries as a running one, and what was not to run is over. */
const TASK_STATES: Readonly<Record<StepStatus, TaskSummary["state"]>> = {
  pending: "pending",
  queued: "queued",
  waiting: "running",
  running: "running",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
  skipped: "cancelled",
};

/** Throws `validation_failed` for what was sent and has no meaning for steps. */
export function refuseForSteps(url: string): void {
  const { searchParams } = new URL(url);
  const issues = NOT_OF_STEPS.filter((name) => searchParams.has(name)).map((name) => ({
    path: `query.${name}`,
    message: `Leave it out, or leave out pipeline_id: steps are listed in the order of their pipeline, by ${ALLOWED}.`,
  }));
  if (issues.length === 0) return;
  const detail = "Some filters have no meaning for the steps of a pipeline; they are listed.";
  throw new ApiError("validation_failed", detail, { issues });
}

const ALLOWED = "run, state, task_type, name and label";

/** Whether a step is what a list of tasks asks for. */
export function isWanted(
  query: Pick<ListTasksQuery, "state" | "task_type" | "name" | "label">,
): (step: ListedStep) => boolean {
  return ({ name, state, definition }) => {
    const type = codeTypeOf(definition);
    return (
      (query.state?.includes(TASK_STATES[state.status]) ?? true) &&
      (query.task_type === undefined || (type !== null && query.task_type.includes(type))) &&
      (query.name === undefined || query.name === name) &&
      hasLabels(definition, query.label ?? [])
    );
  };
}

export function toStepTasks(page: StepPage): StepTask[] {
  return page.steps.map((step) => toStepTask(page, step));
}

function toStepTask({ inspection, definition: whole }: StepPage, step: ListedStep): StepTask {
  const { resource, summary } = inspection;
  const { name, group, plan, definition } = step;
  const { status, attempt, items, reused_from, exit_code, error, ...times } = step.state;
  const { started_at, completed_at } = times;
  const { run, created_at, cancel_requested_at: cancelledAt } = summary;
  const changedAt = timestamp(completed_at ?? started_at ?? created_at);
  const isOver = completed_at !== null && cancelledAt !== null && completed_at < cancelledAt;
  const type = codeTypeOf(definition);
  const limit = plan.gate ? plan.gate.ms : plan.timeout_ms;
  const { command = null, language = null } = definition;
  const at = `/api/v1/pipelines/${resource.id}/runs/${run}/steps/${encodeURIComponent(name)}`;
  return {
    id: stepTaskId(resource.id, run, name),
    project_id: resource.project_id,
    name,
    description: definition.description ?? null,
    task_type: type,
    language: type === null ? null : languageOf({ command, language }),
    state: TASK_STATES[status],
    state_changed_at: changedAt,
    run,
    attempt,
    labels: definition.labels ?? {},
    priority: whole.priority,
    pipeline_id: resource.id,
    agent_id: null,
    retry_count: 0,
    max_retries: 0,
    timeout_seconds: limit === null ? null : limit / 1000,
    exit_code,
    error: error?.message ?? null,
    error_code: error?.code ?? null,
    created_at: timestamp(created_at),
    updated_at: changedAt,
    started_at: timestampOrNull(started_at),
    completed_at: timestampOrNull(completed_at),
    cancel_requested_at: timestampOrNull(isOver ? null : cancelledAt),
    duration_ms: completed_at === null || started_at === null ? null : completed_at - started_at,
    step: {
      kind: kindOf(definition),
      state: status,
      group,
      items: items?.count ?? null,
      reused_from: reused_from?.run ?? null,
      path: at,
    },
  };
}

/** Null for a step that executes no code of its own. */
function codeTypeOf(definition: StepDefinition): TaskSummary["task_type"] | null {
  return kindOf(definition) === "work" ? taskTypeOf(definition) : null;
}

function hasLabels({ labels }: StepDefinition, wanted: readonly Label[]): boolean {
  const own = labels ?? {};
  return wanted.every(({ key, value }) => Object.hasOwn(own, key) && own[key] === value);
}
