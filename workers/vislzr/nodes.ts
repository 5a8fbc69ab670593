/** The nodes of pipelines, tasks and agents that stand by themselves. Pure. */
import type { SessionSnapshot } from "../agents/session-port.ts";
import type { Json } from "../http/json.ts";
import { timestampOrNull } from "../http/schemas.ts";
import { headOf } from "../pipelines/document.ts";
import type { Resource, RunSummary, Snapshot } from "../runs/store-types.ts";
import { readDocument } from "../tasks/document.ts";
import { runName, type WantedNode } from "./wanted.ts";

const MAX_LABEL_CHARS = 255;
const MAX_TEXT_CHARS = 2_000;

/** Where a resource is read, by the path below `/api/v1`. */
export function urlOf(publicUrl: string, path: string): string {
  return `${publicUrl.replace(/\/+$/, "")}/api/v1/${path}`;
}

export function toLabel(name: string): string {
  return name.slice(0, MAX_LABEL_CHARS).toWellFormed();
}

/** The start of a message that went wrong, for a person. */
export function toError(message: string | undefined): string | null {
  return message === undefined ? null : message.slice(0, MAX_TEXT_CHARS).toWellFormed();
}

export function toDescription(text: string | null | undefined): string {
  return (text ?? "").slice(0, MAX_TEXT_CHARS).toWellFormed();
}

export interface Times {
  /** ms since 1970; null for not yet. */
  readonly started_at: number | null;
  readonly completed_at: number | null;
}

/** How long something took is said when it is over: until then it would change by itself. */
export function toTimes({ started_at, completed_at }: Times) {
  const isTimed = started_at !== null && completed_at !== null;
  return {
    started_at: timestampOrNull(started_at),
    completed_at: timestampOrNull(completed_at),
    duration_ms: isTimed ? completed_at - started_at : null,
  };
}

export function withoutNulls(
  members: Readonly<Record<string, Json>>,
): Readonly<Record<string, Json>> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
}

export function pipelineNode({ resource, run }: Snapshot, publicUrl: string): WantedNode {
  const { definition, steps } = headOf(resource);
  return {
    external_id: resource.id,
    label: toLabel(definition.name),
    node_type: "pipeline",
    description: toDescription(definition.description),
    properties: withoutNulls({
      ...{ kind: "pipeline", state: run?.status ?? "draft", steps, labels: definition.labels },
      ...ofResource(resource, run),
      url: urlOf(publicUrl, `pipelines/${resource.id}`),
    }),
  };
}

export function taskNode({ resource, run }: Snapshot, publicUrl: string): WantedNode {
  const { spec } = readDocument(resource);
  return {
    external_id: resource.id,
    label: toLabel(spec.name),
    node_type: "task",
    description: toDescription(spec.description),
    properties: withoutNulls({
      ...{ kind: "task", state: run?.status ?? "pending", executor: spec.task_type },
      ...{ attempts: run?.attempt ?? 0, exit_code: run?.exit_code ?? null, labels: spec.labels },
      ...ofResource(resource, run),
      url: urlOf(publicUrl, `tasks/${resource.id}`),
    }),
  };
}

function ofResource(resource: Resource, run: RunSummary | null) {
  const { project_id, version, changed_seq, created_at } = resource;
  return {
    ...{ project_id, version, run: run?.run ?? 0, revision: changed_seq },
    created_at: timestampOrNull(created_at),
    ...toTimes(run ?? { started_at: null, completed_at: null }),
    error: toError(run?.error?.message),
  };
}

export function agentNode(session: SessionSnapshot, publicUrl: string): WantedNode {
  const { id, spec, project_id, state, waiting_for, usage, seq } = session;
  return {
    external_id: id,
    label: toLabel(spec.name),
    node_type: "entity",
    description: toDescription(spec.description),
    properties: withoutNulls({
      ...{ kind: "agent", state, waiting_for, project_id, model: session.model },
      ...{ turns: session.turns, iterations: session.iteration_count, usd: usage.usd },
      ...{ input_tokens: usage.input_tokens, output_tokens: usage.output_tokens },
      stop_reason: session.stop_reason,
      created_at: timestampOrNull(session.created_at),
      ...toTimes({ started_at: session.started_at, completed_at: session.terminated_at }),
      error: toError(session.error?.message),
      revision: seq,
      url: urlOf(publicUrl, `agents/${id}`),
    }),
  };
}

/** External id of what contains an agent: the run that it is a step of, or the agent that made it. */
export function containerOfAgent({ run_step, parent }: SessionSnapshot): string | null {
  if (run_step !== null) return runName(run_step.resource_id, run_step.run);
  return parent?.id ?? null;
}
