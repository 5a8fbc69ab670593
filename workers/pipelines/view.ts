/** Renders pipelines for the wire. */
import type { Json } from "../executors/port.ts";
import { timestamp, timestampOrNull } from "../http/schemas.ts";
import type { Resource, RunSummary, Snapshot } from "../runs/store-types.ts";
import { headOf, type PipelineDocument, readDocument } from "./document.ts";
import { progressOf, toRun } from "./run-view.ts";
import type { Pipeline, PipelineSummary } from "./schemas.ts";

export function toSummary(resource: Resource, run: RunSummary | null): PipelineSummary {
  const { definition, steps, triggered_by } = headOf(resource);
  const changedAt = run
    ? (run.completed_at ?? run.started_at ?? run.created_at)
    : resource.created_at;
  const ended = run?.completed_at ?? null;
  const began = run?.started_at ?? null;
  return {
    id: resource.id,
    project_id: resource.project_id,
    name: definition.name,
    description: definition.description,
    pipeline_type: definition.pipeline_type,
    state: run?.status ?? "draft",
    state_changed_at: timestamp(changedAt),
    version: resource.version,
    run: run?.run ?? 0,
    labels: definition.labels,
    priority: definition.priority,
    triggered_by: triggered_by ?? run?.triggered_by ?? null,
    max_parallel: definition.max_parallel,
    stop_on_failure: definition.stop_on_failure,
    timeout_seconds: definition.timeout_seconds,
    ...(run ? progressOf(run.counts) : notBegun(steps)),
    failed_steps: [...(run?.failed_steps ?? [])],
    error: run?.error?.message ?? null,
    error_code: run?.error?.code ?? null,
    retry_count: resource.retry_count,
    created_at: timestamp(resource.created_at),
    updated_at: timestamp(resource.updated_at),
    started_at: timestampOrNull(began),
    completed_at: timestampOrNull(ended),
    cancel_requested_at: timestampOrNull(run?.cancel_requested_at ?? null),
    duration_ms: ended === null || began === null ? null : ended - began,
  };
}

/** `outputs` is given apart, since large ones are fetched from the blob store first. */
export function toPipeline({ resource, run }: Snapshot, outputs: Json): Pipeline {
  const document = readDocument(resource.document);
  return {
    ...toSummary(resource, run),
    definition: shownDefinition(document),
    newest_run: run && toRun(run),
    outputs,
    extra_data: document.definition.extra_data,
    created_by: document.created_by,
  };
}

/** The definition with the sizes of files that are kept elsewhere. */
function shownDefinition({ definition, files }: PipelineDocument): Record<string, unknown> {
  if (Object.keys(files).length === 0) return definition;
  const tasks = definition.tasks.map((step) => {
    const kept = Object.hasOwn(files, step.name) ? files[step.name] : undefined;
    if (!kept) return step;
    return {
      ...step,
      files: Object.fromEntries(kept.entries.map(({ path, bytes }) => [path, { bytes }])),
    };
  });
  return { ...definition, tasks };
}

function notBegun(steps: number) {
  return {
    progress_percent: 0,
    total_tasks: steps,
    completed_tasks: 0,
    failed_tasks: 0,
    skipped_tasks: 0,
  };
}
