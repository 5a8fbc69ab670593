/** Renders invocations for the wire. */
import type { Json } from "../executors/port.ts";
import { timestamp, timestampOrNull } from "../http/schemas.ts";
import type { Resource, RunSummary, Snapshot } from "../runs/store-types.ts";
import { readDocument } from "./invocation-document.ts";
import type { Invocation, InvocationSummary } from "./invocation-schemas.ts";

export function toSummary(resource: Resource, run: RunSummary | null): InvocationSummary {
  const { skill, invoked_by, parent } = readDocument(resource);
  const { implementation, requires_approval } = skill.content;
  const began = run?.started_at ?? null;
  const ended = run?.completed_at ?? null;
  return {
    id: resource.id,
    project_id: resource.project_id,
    skill_id: skill.skill_id,
    slug: skill.slug,
    name: skill.name,
    version: skill.version,
    version_number: skill.number,
    digest: skill.digest,
    implementation_type: implementation.type,
    state: run?.status ?? "pending",
    waiting_for: requires_approval && (run?.counts.waiting ?? 0) > 0 ? "approval" : null,
    run: run?.run ?? 0,
    attempt: run?.attempt ?? 0,
    invoked_by,
    parent,
    error: run?.error?.message ?? null,
    error_code: run?.error?.code ?? null,
    created_at: timestamp(resource.created_at),
    updated_at: timestamp(resource.updated_at),
    started_at: timestampOrNull(began),
    completed_at: timestampOrNull(ended),
    duration_ms: ended === null || began === null ? null : ended - began,
  };
}

/** `outputs` are given apart, since large ones are fetched from the blob store first. */
export function toInvocation(
  { resource, run, stdout, stderr }: Snapshot,
  outputs: Json,
): Invocation {
  const summary = toSummary(resource, run);
  const { inputs, context } = readDocument(resource);
  return {
    ...summary,
    success: summary.completed_at === null ? null : summary.state === "completed",
    inputs,
    outputs,
    context,
    stdout: stdout?.text ?? null,
    stderr: stderr?.text ?? null,
  };
}
