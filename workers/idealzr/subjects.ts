/** Reads what evidence is about, from those that keep tasks, pipelines and agents. */
import type { SessionSnapshot } from "../agents/session-port.ts";
import { headOf } from "../pipelines/document.ts";
import { isNotFound, readResult } from "../runs/access.ts";
import type { RunClient } from "../runs/client.ts";
import type { Snapshot } from "../runs/store-types.ts";
import { readDocument } from "../tasks/document.ts";
import { OUTCOMES, type Outcome } from "./evidence.ts";
import type { EvidenceKind, Subject } from "./mapping.ts";

export interface SubjectPorts {
  readonly blobs: R2Bucket;
  readonly tasks: Pick<RunClient, "read">;
  readonly pipelines: Pick<RunClient, "read">;
  readonly agents: { read(id: string): Promise<SessionSnapshot> };
}

/** What is there of a run, the newest for null; null for what is there no more. */
export async function readSubject(
  ports: SubjectPorts,
  kind: EvidenceKind,
  id: string,
  run: number | null,
): Promise<Subject | null> {
  try {
    if (kind === "agent") return ofAgent(await ports.agents.read(id));
    const client = kind === "task" ? ports.tasks : ports.pipelines;
    const snapshot = await client.read(id, run);
    return ofRun(kind, snapshot, await readResult(ports.blobs, snapshot.result));
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

function ofRun(
  kind: "task" | "pipeline",
  { resource, run }: Snapshot,
  result: Subject["result"],
): Subject {
  const { name, evidence } =
    kind === "task" ? readDocument(resource).spec : headOf(resource).definition;
  const { started_at = null, completed_at = null } = run ?? {};
  const isTimed = started_at !== null && completed_at !== null;
  return {
    ...{ kind, id: resource.id, name, project_id: resource.project_id, run: run?.run ?? 0 },
    outcome: outcomeOf(run?.status ?? ""),
    error: run?.error?.message ?? null,
    duration_ms: isTimed ? completed_at - started_at : null,
    result,
    // Definitions that are older than the member say nothing of it.
    evidence: evidence ?? null,
  };
}

function outcomeOf(status: string): Outcome | null {
  return OUTCOMES.find((outcome) => outcome === status) ?? null;
}

function ofAgent(session: SessionSnapshot): Subject {
  const { spec, error, started_at, terminated_at } = session;
  const isTimed = started_at !== null && terminated_at !== null;
  return {
    ...{ kind: "agent", id: session.id, name: spec.name, project_id: session.project_id, run: 0 },
    outcome: agentOutcome(session),
    error: error?.message ?? null,
    duration_ms: isTimed ? terminated_at - started_at : null,
    result: null,
    evidence: spec.evidence ?? null,
  };
}

/** What an agent has come to is what its last turn did; one that never had a turn was called off. */
function agentOutcome({ state, turns, stop_reason, error }: SessionSnapshot): Outcome | null {
  if (state !== "terminated") return null;
  if (error !== null || stop_reason === "error") return "failed";
  return turns === 0 ? "cancelled" : "completed";
}
