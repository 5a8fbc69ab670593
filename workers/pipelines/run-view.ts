/** Renders runs of pipelines for the wire. */
import type { Json } from "../executors/port.ts";
import { timestamp, timestampOrNull } from "../http/schemas.ts";
import { durationOf, type RunGraph } from "../runs/graph.ts";
import type { CacheLookUp, RunInspection, RunSummary, StepDetail } from "../runs/store-types.ts";
import type { StepState } from "../runs/types.ts";
import type { AttemptView } from "../runs/views.ts";
import { toArtifact, toAttempt, toLocations } from "../runs/wire.ts";
import type { PipelineRun } from "./run-schemas.ts";
import type { ListedStep } from "./step-page.ts";
import type { RunExplanation } from "./why.ts";

export function toRun(run: RunSummary): PipelineRun {
  const { started_at, completed_at, parent } = run;
  return {
    run: run.run,
    state: run.status,
    trigger: run.trigger,
    triggered_by: run.triggered_by,
    retry_of: run.retry_of,
    version: run.version,
    parent: parent && { pipeline_id: parent.resource_id, run: parent.run },
    counts: { ...run.counts },
    ...progressOf(run.counts),
    reused_tasks: run.reused,
    failed_steps: [...run.failed_steps],
    error: run.error?.message ?? null,
    error_code: run.error?.code ?? null,
    created_at: timestamp(run.created_at),
    started_at: timestampOrNull(started_at),
    completed_at: timestampOrNull(completed_at),
    cancel_requested_at: timestampOrNull(run.cancel_requested_at),
    duration_ms: started_at === null || completed_at === null ? null : completed_at - started_at,
  };
}

/** How far a run is. What was skipped or cancelled is over too, so that an ended run is at 100. */
export function progressOf(counts: RunSummary["counts"]) {
  const { completed, failed, cancelled, skipped } = counts;
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const ended = completed + failed + cancelled + skipped;
  return {
    progress_percent: total === 0 ? 0 : Math.floor((ended / total) * 1000) / 10,
    total_tasks: total,
    completed_tasks: completed,
    failed_tasks: failed,
    skipped_tasks: skipped,
  };
}

export function toStepSummary({ state, name, group }: ListedStep, now: number) {
  return summaryOf(state, name, group, now);
}

function summaryOf(step: StepState, name: string, group: string | null, now: number) {
  return {
    name,
    state: step.status,
    group,
    items: step.items?.count ?? null,
    attempt: step.attempt,
    reused_from: step.reused_from?.run ?? null,
    started_at: timestampOrNull(step.started_at),
    completed_at: timestampOrNull(step.completed_at),
    duration_ms: durationOf(step, now),
    exit_code: step.exit_code,
    error: step.error?.message ?? null,
    error_code: step.error?.code ?? null,
  };
}

/** `result` is given apart, since a large one is fetched from the blob store first. */
export function toStep(
  detail: StepDetail,
  result: Json,
  attempts: readonly AttemptView[],
  now: number,
) {
  // An item is named after its group: `group[2]`.
  const group = detail.state.group === null ? null : detail.name.replace(/\[\d+\]$/, "");
  const matrix: unknown = detail.matrix === null ? null : JSON.parse(detail.matrix);
  return {
    ...summaryOf(detail.state, detail.name, group, now),
    matrix,
    result,
    stdout: detail.stdout?.text ?? null,
    stderr: detail.stderr?.text ?? null,
    stdout_bytes: detail.stdout?.bytes ?? 0,
    stderr_bytes: detail.stderr?.bytes ?? 0,
    artifacts: detail.artifacts.map(toArtifact),
    locations: toLocations(detail.state.error),
    cache: detail.cache && toCache(detail.cache),
    attempts: attempts.filter(({ step }) => step === detail.name).map(toAttempt),
  };
}

function toCache(found: CacheLookUp) {
  if (!found.hit) {
    const differs = found.differs && [...found.differs];
    return { hit: false, pipeline_id: null, run: null, step: null, differs };
  }
  const { resource_id, run, step } = found.from;
  return { hit: true, pipeline_id: resource_id, run, step, differs: null };
}

export function toGraph({ summary, names }: RunInspection, graph: RunGraph) {
  const nameOf = (index: number) => names[index] ?? "";
  const nodes = graph.nodes.map((node) => ({
    name: node.name,
    state: node.status,
    group: node.group === null ? null : nameOf(node.group),
    items: node.items,
    attempt: node.attempt,
    reused_from: node.reused_from,
    started_at: timestampOrNull(node.started_at),
    completed_at: timestampOrNull(node.completed_at),
    duration_ms: node.duration_ms,
    critical: node.critical,
  }));
  const { duration_ms, steps } = graph.critical_path;
  return {
    run: summary.run,
    state: summary.status,
    nodes,
    edges: graph.edges.map(({ from, to }) => ({ from: nameOf(from), to: nameOf(to) })),
    critical_path: { duration_ms, steps: steps.map(nameOf) },
  };
}

export function toExplanation(explanation: RunExplanation) {
  const { allowed, waiting } = explanation;
  const steps = explanation.steps.map(({ waiting_for, ...rest }) => ({
    ...rest,
    waiting_for: {
      ...waiting_for,
      until: timestampOrNull(waiting_for.until),
      needs: [...waiting_for.needs],
    },
  }));
  return { ...explanation, allowed: [...allowed], waiting: { ...waiting }, steps };
}
