/** What callers see of a run: summaries, attempts, tails of output, and why it is where it is. */
import type { Json } from "../executors/port.ts";
import { readData } from "./events.ts";
import { readTail } from "./logs.ts";
import type { RunRecord } from "./record.ts";
import type { ArtifactSummary, Resource, RunHead, RunSummary, Snapshot } from "./store-types.ts";
import type { StoredResult } from "./types.ts";

export function summarise(stored: RunHead): RunSummary {
  const { state } = stored;
  const step = state.steps[0];
  const single = state.steps.length === 1;
  return {
    run: stored.run,
    status: state.status,
    trigger: stored.trigger,
    retry_of: stored.retry_of,
    created_at: stored.created_at,
    started_at: state.started_at,
    completed_at: state.completed_at,
    cancel_requested_at: state.cancel_requested_at,
    attempt: single ? (step?.attempt ?? 0) : 0,
    exit_code: single ? (step?.exit_code ?? null) : null,
    error: state.error ?? (single ? (step?.error ?? null) : null),
  };
}

/** A resource before its first run. */
export function bareSnapshot(resource: Resource): Snapshot {
  return { resource, run: null, result: null, stdout: null, stderr: null, artifacts: [] };
}

export function snapshot(
  resource: Resource,
  run: RunHead,
  record: RunRecord,
  result: StoredResult | null,
): Snapshot {
  const epoch = run.state.steps.length === 1 ? (run.state.steps[0]?.epoch ?? 0) : null;
  return {
    resource,
    run: summarise(run),
    result,
    stdout: readTail(record, "stdout", epoch),
    stderr: readTail(record, "stderr", epoch),
    artifacts: artifacts(record, epoch),
  };
}

/** Files kept by the newest dispatch; a path stored twice is the later one. */
function artifacts(record: RunRecord, epoch: number | null): ArtifactSummary[] {
  const byPath = new Map<string, ArtifactSummary>();
  for (const event of record.events(["artifact.stored"])) {
    const { path, bytes, epoch: storedBy } = readData(event);
    if (typeof path !== "string" || typeof bytes !== "number" || typeof storedBy !== "number")
      continue;
    if (epoch === null || storedBy === epoch) byPath.set(path, { path, bytes, epoch: storedBy });
  }
  return [...byPath.values()];
}

/** One dispatch that began, as the event log tells it. */
export interface AttemptView {
  readonly run: number;
  readonly step: string;
  readonly attempt: number;
  readonly epoch: number;
  readonly state: "running" | "completed" | "failed" | "cancelled" | "lost";
  readonly started_at: number;
  readonly completed_at: number | null;
  readonly exit_code: number | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** The attempts of a run, oldest first. */
export function attempts(run: number, record: RunRecord): AttemptView[] {
  const views = new Map<string, AttemptView>();
  for (const event of record.events(["attempt.started", "attempt.finished", "attempt.lost"])) {
    const data = readData(event);
    const { step, attempt, epoch } = data;
    if (typeof step !== "string" || typeof attempt !== "number" || typeof epoch !== "number") {
      continue;
    }
    const key = `${step}/${epoch}`;
    const known = views.get(key);
    if (event.type === "attempt.started") {
      views.set(key, {
        run,
        step,
        attempt,
        epoch,
        state: "running",
        started_at: event.at,
        completed_at: null,
        exit_code: null,
        error: null,
      });
    } else if (known) {
      views.set(key, { ...known, completed_at: event.at, ...ending(event.type, data) });
    }
  }
  return [...views.values()];
}

function ending(
  type: string,
  data: Readonly<Record<string, Json>>,
): Pick<AttemptView, "state" | "exit_code" | "error"> {
  if (type === "attempt.lost") {
    const message = `The infrastructure lost this attempt (${String(data.cause)}); it was dispatched again.`;
    return { state: "lost", exit_code: null, error: { code: "lost", message } };
  }
  const exitCode = typeof data.exit_code === "number" ? data.exit_code : null;
  if (data.status === "failed") {
    const error = { code: String(data.code), message: String(data.message) };
    return { state: "failed", exit_code: exitCode, error };
  }
  return {
    state: data.status === "cancelled" ? "cancelled" : "completed",
    exit_code: exitCode,
    error: null,
  };
}
