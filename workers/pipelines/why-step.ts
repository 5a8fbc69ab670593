/** What one open step of a run waits for. */

import type { RunInspection } from "../runs/store-types.ts";
import type { StepPlan, StepState, StepStatus } from "../runs/types.ts";
import { agentId } from "./children.ts";

/** Needs that are named; `open_needs` counts them all. */
const MAX_NEEDS = 10;
const ENDED: ReadonlySet<StepStatus> = new Set(["completed", "failed", "cancelled", "skipped"]);

export function isOpen(step: StepState | undefined): boolean {
  return step !== undefined && !ENDED.has(step.status);
}

export type WaitType =
  | "needs"
  | "slot"
  | "retry"
  | "approval"
  | "signal"
  | "duration"
  | "attempt"
  | "quarantine"
  | "stop"
  | "pipeline"
  | "agent"
  | "group"
  | "max_parallel"
  | "resume"
  | "pipeline_slot"
  | "decision";

/** A call that ends the wait. */
export interface Remedy {
  readonly method: "POST";
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface WaitingFor {
  readonly type: WaitType;
  /** When it ends by itself, ms since 1970; null when that depends on the work or on people. */
  readonly until: number | null;
  /** Place in the queue, from 1. */
  readonly position: number | null;
  /** Names of steps, or items, that must end first; some of them when there are many. */
  readonly needs: readonly string[];
  readonly open_needs: number;
  /** Name of the signal that is awaited. */
  readonly signal: string | null;
  /** Id of the pipeline whose run is awaited. */
  readonly pipeline_id: string | null;
  /** Id of the agent that is awaited. */
  readonly agent_id: string | null;
  readonly remedy: Remedy | null;
}

export interface Explained {
  /** One sentence for a person. */
  readonly reason: string;
  readonly waiting_for: WaitingFor;
}

/** What only the definition says. */
export interface Facts {
  /** Id of the pipeline that a step runs; null for other steps. */
  pipelineOf(step: number): string | null;
  /** Whether a step is an agent. */
  isAgent(step: number): boolean;
}

export function explainStep(
  inspection: RunInspection,
  index: number,
  facts: Facts,
  now: number,
): Explained {
  const { plan, state, queued, slot_position: place } = inspection;
  const step = state.steps[index];
  const its = plan.steps[step?.group ?? index];
  if (!step || !its) return waits("decision", "It is not part of the run any more.");
  if (step.stopping) {
    const reason = `It is being stopped (${step.stopping.reason}); the backend has yet to confirm.`;
    return waits("stop", reason, { until: step.stopping.give_up_at });
  }
  if (step.retry_at !== null) return retry(step, step.retry_at, now);
  if (step.items) return group(inspection, index, step.items);
  if (isGate(its, step)) return gate(inspection, index, its, step, now);
  if (step.status === "running") {
    const planned = step.group ?? index;
    if (facts.isAgent(planned)) return agent(inspection, index, step);
    return running(step, facts.pipelineOf(planned));
  }
  if (step.status === "queued") {
    const position = queued[index]?.position ?? null;
    if (!step.alone) {
      return waits("slot", queued[index]?.reason ?? "It is about to start.", { position });
    }
    const reason =
      "It was in flight when its process died, so it is tried again with no other suspect beside it.";
    return waits("quarantine", reason, { position });
  }
  if (step.open_needs > 0) return needs(inspection, its, step);
  if (state.pause_requested || state.status === "paused") {
    const reason = "It is ready, and the run is paused.";
    return waits("resume", reason, { remedy: remedy(inspection, "resume", {}) });
  }
  if (step.deciding) return waits("decision", "Its condition and values are being worked out.");
  if (state.slot === "asked") {
    const text = place === null ? "." : `, as number ${place} in the queue.`;
    const reason = `It is ready, and the run waits for a pipeline slot of the deployment${text}`;
    return waits("pipeline_slot", reason, { position: place });
  }
  return crowded(inspection, its, step);
}

function isGate(plan: StepPlan, step: StepState): boolean {
  return plan.gate !== null && (step.status === "waiting" || step.status === "running");
}

function retry(step: StepState, at: number, now: number): Explained {
  const seconds = Math.max(0, (at - now) / 1000).toFixed(1);
  const why = step.error?.message ?? "it failed";
  const reason = `Attempt ${step.attempt} failed (${why}); the next one starts in ${seconds} s.`;
  return waits("retry", reason, { until: at });
}

function gate(
  inspection: RunInspection,
  index: number,
  plan: StepPlan,
  step: StepState,
  now: number,
): Explained {
  const until = step.gate_until;
  const name = inspection.names[index] ?? plan.name;
  const limit = until === null ? "" : ` It fails ${inTime(until, now)} without one.`;
  switch (plan.gate?.type) {
    case "approval": {
      const question = inspection.questions[index];
      const asks = question === undefined ? "" : ` It asks: ${question}`;
      return waits("approval", `It waits for somebody to approve or refuse it.${limit}${asks}`, {
        until,
        remedy: remedy(inspection, "approve", { step: name, approved: true }),
      });
    }
    case "signal": {
      const { signal } = plan.gate;
      return waits("signal", `It waits for the signal "${signal ?? ""}".${limit}`, {
        until,
        signal,
        remedy: remedy(inspection, "signal", { name: signal, payload: null }),
      });
    }
    default: {
      const when = until === null ? "when its time is over" : inTime(until, now);
      return waits("duration", `It only lets time pass, and ends ${when}.`, { until });
    }
  }
}

function running(step: StepState, pipelineId: string | null): Explained {
  const until = step.deadline_at;
  if (pipelineId === null) {
    return waits("attempt", `Attempt ${step.attempt} is running.`, { until });
  }
  const reason = `It waits for its run of the pipeline ${pipelineId}; that one's /why says more.`;
  return waits("pipeline", reason, { until, pipeline_id: pipelineId });
}

function agent(
  { resource, summary }: RunInspection,
  index: number,
  { epoch, deadline_at: until }: StepState,
): Explained {
  const agent_id = agentId(resource, { run: summary.run, index, epoch });
  const reason = `Its agent ${agent_id} is at work, or waits itself; /api/v1/agents/${agent_id} says which.`;
  return waits("agent", reason, { until, agent_id });
}

function group(
  { state, names }: RunInspection,
  index: number,
  items: NonNullable<StepState["items"]>,
): Explained {
  const open: string[] = [];
  for (let item = items.first; item < items.first + items.count; item += 1) {
    if (open.length === MAX_NEEDS) break;
    if (isOpen(state.steps[item])) open.push(names[item] ?? `${index}[${item}]`);
  }
  const reason = `${items.open} of its ${items.count} items have not ended; ${items.active} have begun.`;
  return waits("group", reason, { needs: open, open_needs: items.open });
}

function needs({ state, names }: RunInspection, plan: StepPlan, step: StepState): Explained {
  const open = plan.needs.filter((need) => isOpen(state.steps[need]));
  const shown = open.slice(0, MAX_NEEDS).map((need) => names[need] ?? "");
  const rest = step.open_needs - shown.length;
  const more = rest > 0 ? ` and ${rest} more` : "";
  const reason = `It starts when ${shown.join(", ")}${more} ${step.open_needs === 1 ? "has" : "have"} ended.`;
  return waits("needs", reason, { needs: shown, open_needs: step.open_needs });
}

/** A ready step that is not dispatched: what it shares a bound with is at that bound. */
function crowded({ plan, state }: RunInspection, its: StepPlan, step: StepState): Explained {
  const items = step.group === null ? null : (state.steps[step.group]?.items ?? null);
  const bound = its.matrix?.max_parallel ?? null;
  if (items && bound !== null && items.active >= bound) {
    const reason = `Its matrix has ${items.active} items under way, and its max_parallel is ${bound}.`;
    return waits("max_parallel", reason);
  }
  if (state.in_flight >= plan.max_parallel) {
    const reason = `The run has ${state.in_flight} steps under way, and its max_parallel is ${plan.max_parallel}.`;
    return waits("max_parallel", reason);
  }
  if (state.suspects > 0) {
    const reason = "A step that was in flight when the process died is tried alone first.";
    return waits("quarantine", reason);
  }
  return waits("slot", "It is about to start.");
}

function remedy(
  { resource, summary }: RunInspection,
  action: string,
  body: Remedy["body"],
): Remedy {
  const run = `/api/v1/pipelines/${resource.id}/runs/${summary.run}`;
  // Resuming is asked of the pipeline, answers of the run.
  const path =
    action === "resume"
      ? `/api/v1/pipelines/${resource.id}/resume?run=${summary.run}`
      : `${run}/${action}`;
  return { method: "POST", path, body };
}

function inTime(until: number, now: number): string {
  return `in ${Math.max(0, (until - now) / 1000).toFixed(1)} s`;
}

function waits(type: WaitType, reason: string, more: Partial<WaitingFor> = {}): Explained {
  const nothing = { until: null, position: null, needs: [], open_needs: 0 };
  const rest = { signal: null, pipeline_id: null, agent_id: null, remedy: null };
  return { reason, waiting_for: { type, ...nothing, ...rest, ...more } };
}
