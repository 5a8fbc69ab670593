/** What callers see of a run: summaries, attempts, tails of output, and why it is where it is. */
import { type Usage, usageSchema } from "../executors/detached.ts";
import { type Json, TASK_TYPES, type TaskType } from "../executors/port.ts";
import { readData } from "./events.ts";
import { readTail } from "./logs.ts";
import type { RunRecord } from "./record.ts";
import { nameOf } from "./state.ts";
import type {
  ArtifactSummary,
  CacheLookUp,
  Resource,
  RunHead,
  RunSummary,
  Snapshot,
} from "./store-types.ts";
import type { RunPlan, StepStatus, StoredResult } from "./types.ts";

const NO_STEPS: Readonly<Record<StepStatus, number>> = {
  pending: 0,
  waiting: 0,
  queued: 0,
  running: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  skipped: 0,
};
const MAX_FAILED_STEPS = 10;

/** `plan` gives failed steps their names. */
export function summarise(stored: RunHead, plan: RunPlan | null): RunSummary {
  const { state } = stored;
  const step = state.steps[0];
  const single = state.steps.length === 1;
  return {
    run: stored.run,
    status: state.status,
    trigger: stored.trigger,
    triggered_by: stored.triggered_by,
    retry_of: stored.retry_of,
    created_at: stored.created_at,
    started_at: state.started_at,
    completed_at: state.completed_at,
    cancel_requested_at: state.cancel_requested_at,
    attempt: single ? (step?.attempt ?? 0) : 0,
    exit_code: single ? (step?.exit_code ?? null) : null,
    error: state.error ?? (single ? (step?.error ?? null) : null),
    version: stored.version,
    parent: stored.parent,
    ...tally(stored, plan),
  };
}

/** Counts the steps; a group that has items stands for nothing but them. */
function tally({ state }: RunHead, plan: RunPlan | null) {
  const counts = { ...NO_STEPS };
  const failed: string[] = [];
  let reused = 0;
  state.steps.forEach((step, index) => {
    if (step.items && step.items.count > 0) return;
    counts[step.status] += 1;
    if (step.reused_from) reused += 1;
    if (step.status === "failed" && plan && failed.length < MAX_FAILED_STEPS) {
      failed.push(nameOf(plan, state, index));
    }
  });
  return { counts, reused, failed_steps: failed };
}

/** A resource before its first run. */
export function bareSnapshot(resource: Resource): Snapshot {
  return { resource, run: null, result: null, stdout: null, stderr: null, artifacts: [] };
}

export function snapshot(
  resource: Resource,
  run: RunHead,
  plan: RunPlan,
  record: RunRecord,
  result: StoredResult | null,
): Snapshot {
  const { steps } = run.state;
  const summary = summarise(run, plan);
  if (plan.steps.length > 1 || steps.length > 1) {
    const artifacts = keptArtifacts(record, newestOf(run, plan));
    return { resource, run: summary, result, stdout: null, stderr: null, artifacts };
  }
  const epoch = steps[0]?.epoch ?? 0;
  return {
    resource,
    run: summary,
    result,
    stdout: readTail(record, "stdout", { epoch }),
    stderr: readTail(record, "stderr", { epoch }),
    artifacts: keptArtifacts(record, (_, by) => by === epoch),
  };
}

/** Tells the newest dispatch of each step, by its name. */
function newestOf({ state }: RunHead, plan: RunPlan): (step: string, epoch: number) => boolean {
  const epochs = new Map(
    state.steps.map(({ epoch }, index) => [nameOf(plan, state, index), epoch] as const),
  );
  return (step, epoch) => epochs.get(step) === epoch;
}

/** Files kept by the dispatches that count; a path that a step stored twice is the later one. */
export function keptArtifacts(
  record: RunRecord,
  counts: (step: string, epoch: number) => boolean,
): ArtifactSummary[] {
  const found = new Map<string, ArtifactSummary>();
  for (const event of record.events(["artifact.stored"])) {
    const { step, path, bytes, epoch, sha256 } = readData(event);
    if (typeof step !== "string" || typeof path !== "string") continue;
    if (typeof bytes !== "number" || typeof epoch !== "number" || !counts(step, epoch)) continue;
    const digest = typeof sha256 === "string" ? sha256 : null;
    found.set(`${step}/${path}`, { step, path, bytes, sha256: digest, epoch });
  }
  return [...found.values()];
}

/** What the newest look-up in the cache found for a step; `counts` says which dispatch is meant. */
export function cacheLookUp(
  record: RunRecord,
  counts: (step: string, epoch: number) => boolean,
): CacheLookUp | null {
  const event = record.events(["cache.looked_up"]).findLast(({ data }) => {
    const { step, epoch } = readData({ data });
    return typeof step === "string" && typeof epoch === "number" && counts(step, epoch);
  });
  if (!event) return null;
  const found: CacheLookUp = JSON.parse(event.data);
  return found.hit ? { hit: true, from: found.from } : { hit: false, differs: found.differs };
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
  /** Null where nothing ran: a cached result, or a pipeline of its own. */
  readonly executor: TaskType | null;
  /** The runner that carried it out; null where none did. */
  readonly runner_id: string | null;
  /** Null of one that used nothing that somebody pays for, or has not ended. */
  readonly usage: Usage | null;
}

const ATTEMPT_EVENTS = ["attempt.started", "attempt.finished", "attempt.lost", "attempt.spent"];

/** The attempts of a run, oldest first. */
export function attempts(run: number, record: RunRecord): AttemptView[] {
  const views = new Map<string, AttemptView>();
  for (const event of record.events(ATTEMPT_EVENTS)) {
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
        usage: null,
        ...carrierIn(data),
      });
    } else if (known) {
      const usage = usageSchema.safeParse(data.usage).data ?? null;
      if (event.type === "attempt.spent") views.set(key, { ...known, usage });
      else {
        const ended = { ...known, completed_at: event.at, ...ending(event.type, data), usage };
        views.set(key, { ...ended, ...carrierIn(data) });
      }
    }
  }
  return [...views.values()];
}

/** Of events of earlier versions nothing is known. */
function carrierIn(
  data: Readonly<Record<string, Json>>,
): Pick<AttemptView, "executor" | "runner_id"> {
  const executor = TASK_TYPES.find((type) => type === data.executor);
  if (executor === undefined || data.cached_from) return { executor: null, runner_id: null };
  return { executor, runner_id: typeof data.runner_id === "string" ? data.runner_id : null };
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
