/**
 * The graph of a run: the run, its steps, the groups of its matrices and their items, what contains
 * what and what depends on what. While it lives, the run and its groups alone. Pure.
 */
import type { Json } from "../http/json.ts";
import {
  kindOf,
  type PipelineDefinition,
  type StepDefinition,
  taskTypeOf,
} from "../pipelines/definition-schema.ts";
import { readDocument } from "../pipelines/document.ts";
import type { RunInspection } from "../runs/store-types.ts";
import type { StepState, StepStatus } from "../runs/types.ts";
import { toDescription, toError, toLabel, toTimes, urlOf, withoutNulls } from "./nodes.ts";
import { runName, stepName, type WantedEdge, type WantedNode } from "./wanted.ts";

export interface RunGraph {
  readonly run: WantedNode;
  /** External id of what contains the run beside its pipeline: the run that it is a step of. */
  readonly container: string | null;
  readonly is_over: boolean;
  /** Groups of matrices that were expanded. */
  readonly groups: readonly WantedNode[];
  /** Steps, groups among them, then items, in the order of the run; none before it is over. */
  readonly steps: readonly WantedNode[];
  /** What relates the steps, and the run to them; none before it is over. */
  readonly edges: readonly WantedEdge[];
}

const ENDED: ReadonlySet<StepStatus> = new Set(["completed", "failed", "cancelled", "skipped"]);

export function runGraph(inspection: RunInspection, publicUrl: string): RunGraph {
  const { summary, plan, state, names } = inspection;
  const { definition } = readDocument(inspection.document);
  const builder = new Builder(inspection, definition, publicUrl);
  const isOver = summary.completed_at !== null;
  const expanded = plan.steps.flatMap((_, index) => (state.steps[index]?.items ? [index] : []));
  return {
    run: builder.run(),
    container:
      summary.parent === null ? null : runName(summary.parent.resource_id, summary.parent.run),
    is_over: isOver,
    groups: expanded.map((index) => builder.step(index)),
    steps: isOver ? names.map((_, index) => builder.step(index)) : [],
    edges: isOver ? edgesOf(inspection) : [],
  };
}

/** A run contains the groups of its matrices. */
export function containment(group: WantedNode, run: WantedNode): WantedEdge {
  return { source: run.external_id, target: group.external_id, type: "contains" };
}

function edgesOf({ resource, summary, plan, state, names }: RunInspection): WantedEdge[] {
  const run = runName(resource.id, summary.run);
  const nameOf = (index: number) => stepName(resource.id, summary.run, names[index] ?? "");
  const contains = state.steps.map(({ group }, index): WantedEdge => {
    const source = group === null ? run : nameOf(group);
    return { source, target: nameOf(index), type: "contains" };
  });
  const needs = plan.steps.flatMap((step, index) =>
    step.needs.map((need): WantedEdge => {
      return { source: nameOf(index), target: nameOf(need), type: "depends_on" };
    }),
  );
  return [...contains, ...needs];
}

class Builder {
  readonly #inspection: RunInspection;
  readonly #definition: PipelineDefinition;
  readonly #url: string;

  constructor(inspection: RunInspection, definition: PipelineDefinition, publicUrl: string) {
    const { resource, summary } = inspection;
    this.#inspection = inspection;
    this.#definition = definition;
    this.#url = urlOf(publicUrl, `pipelines/${resource.id}/runs/${summary.run}`);
  }

  run(): WantedNode {
    const { resource, summary } = this.#inspection;
    return {
      external_id: runName(resource.id, summary.run),
      label: toLabel(`${this.#definition.name} #${summary.run}`),
      node_type: "event",
      description: "",
      properties: withoutNulls({
        ...{ kind: "run", state: summary.status, run: summary.run, trigger: summary.trigger },
        ...{ project_id: resource.project_id, version: summary.version },
        ...{ retry_of: summary.retry_of, triggered_by: summary.triggered_by },
        progress: progressOf(summary.counts),
        failed_steps: summary.failed_steps,
        ...toTimes(summary),
        error: toError(summary.error?.message),
        url: this.#url,
      }),
    };
  }

  step(index: number): WantedNode {
    const { resource, summary, plan, state, names } = this.#inspection;
    const name = names[index] ?? "";
    const step = state.steps[index];
    const at = step?.group ?? index;
    const isGroup = step?.group === null && (plan.steps[at]?.matrix ?? null) !== null;
    return {
      external_id: stepName(resource.id, summary.run, name),
      label: toLabel(name),
      node_type: "task",
      description: toDescription(this.#definition.tasks[at]?.description),
      properties: withoutNulls({
        ...ofDefinition(this.#definition.tasks[at], isGroup),
        ...(step && ofState(step)),
        ...(step?.items && { progress: progressOf(countsOf(step.items, state.steps)) }),
        ...{ project_id: resource.project_id, run: summary.run },
        url: `${this.#url}/steps/${encodeURIComponent(name)}`,
      }),
    };
  }
}

function ofDefinition(definition: StepDefinition | undefined, isGroup: boolean) {
  const kind = definition === undefined ? "work" : kindOf(definition);
  return {
    kind: isGroup ? "group" : "step",
    does: kind,
    executor: definition !== undefined && kind === "work" ? taskTypeOf(definition) : null,
    labels: definition?.labels ?? null,
  };
}

function ofState(step: StepState): Readonly<Record<string, Json>> {
  return {
    ...{ state: step.status, attempts: step.attempt, revision: step.epoch },
    ...toTimes(step),
    exit_code: step.exit_code,
    reused_from: step.reused_from?.run ?? null,
    error: toError(step.error?.message),
  };
}

function countsOf(
  { first, count }: { readonly first: number; readonly count: number },
  steps: readonly StepState[],
): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { status } of steps.slice(first, first + count)) {
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

/** Done of total, and how many there are in each state that there are any in. */
function progressOf(counts: Readonly<Record<string, number>>) {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  const total = some.reduce((sum, [, count]) => sum + count, 0);
  const ended = some.filter(([state]) => [...ENDED].some((each) => each === state));
  const done = ended.reduce((sum, [, count]) => sum + count, 0);
  return {
    ...{ total, done, percent: total === 0 ? 100 : Math.floor((done / total) * 100) },
    by_state: Object.fromEntries(some),
  };
}
