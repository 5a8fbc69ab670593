/** Renders tasks for the wire. */
import type { Json } from "../executors/port.ts";
import { timestamp, timestampOrNull } from "../http/schemas.ts";
import type { Explanation } from "../runs/explain.ts";
import type { Resource, RunSummary, Snapshot } from "../runs/store-types.ts";
import { toArtifact, toLocations, toMounted } from "../runs/wire.ts";
import { readDocument } from "./document.ts";
import { languageOf } from "./rules.ts";
import type { Task, TaskSummary } from "./schemas.ts";

export function toSummary(resource: Resource, run: RunSummary | null): TaskSummary {
  const { spec } = readDocument(resource);
  const changedAt = run
    ? (run.completed_at ?? run.started_at ?? run.created_at)
    : resource.created_at;
  const ended = run?.completed_at ?? null;
  const began = run?.started_at ?? null;
  return {
    id: resource.id,
    project_id: resource.project_id,
    name: spec.name,
    description: spec.description,
    task_type: spec.task_type,
    language: languageOf(spec),
    state: run?.status ?? "pending",
    state_changed_at: timestamp(changedAt),
    run: run?.run ?? 0,
    attempt: run?.attempt ?? 0,
    labels: spec.labels,
    priority: spec.priority,
    pipeline_id: spec.pipeline_id,
    agent_id: spec.agent_id,
    retry_count: resource.retry_count,
    max_retries: spec.max_retries,
    timeout_seconds: spec.timeout_seconds,
    exit_code: run?.exit_code ?? null,
    error: run?.error?.message ?? null,
    error_code: run?.error?.code ?? null,
    created_at: timestamp(resource.created_at),
    updated_at: timestamp(resource.updated_at),
    started_at: timestampOrNull(began),
    completed_at: timestampOrNull(ended),
    cancel_requested_at: timestampOrNull(run?.cancel_requested_at ?? null),
    duration_ms: ended === null || began === null ? null : ended - began,
  };
}

/** `result` is given apart, since a large one is fetched from the blob store first. */
export function toTask(snapshot: Snapshot, result: Json): Task {
  const { spec, files, codebase, created_by } = readDocument(snapshot.resource);
  return {
    ...toSummary(snapshot.resource, snapshot.run),
    command: spec.command,
    script: spec.script,
    inputs: spec.inputs,
    environment: spec.environment,
    secrets: spec.secrets,
    files: [...files.entries],
    working_directory: spec.working_directory,
    codebase: codebase && toMounted(codebase),
    retry: spec.retry,
    outputs: spec.outputs,
    evidence: spec.evidence,
    artifacts: spec.artifacts,
    artifact_files: snapshot.artifacts.map(toArtifact),
    network: spec.network,
    isolation: spec.isolation,
    runs_on: spec.runs_on,
    executors: spec.executors,
    image: spec.image,
    template: spec.template,
    sandbox: spec.sandbox,
    extra_data: spec.extra_data,
    locations: toLocations(snapshot.run?.error ?? null),
    created_by,
    result,
    stdout: snapshot.stdout?.text ?? null,
    stderr: snapshot.stderr?.text ?? null,
    stdout_bytes: snapshot.stdout?.bytes ?? 0,
    stderr_bytes: snapshot.stderr?.bytes ?? 0,
  };
}

export function toExplanation(explanation: Explanation) {
  const { waiting_for: waiting } = explanation;
  return {
    ...explanation,
    waiting_for: waiting && { ...waiting, until: timestampOrNull(waiting.until) },
  };
}
