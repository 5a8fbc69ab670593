/** Why a run is where it is: for each open step one sentence, what it waits for, and what can be done. */
import type { RunInspection } from "../runs/store-types.ts";
import type { RunStatus, StepStatus } from "../runs/types.ts";
import { type Explained, explainStep, type Facts, isOpen, type WaitType } from "./why-step.ts";

/** Steps that are listed; the counts cover the rest. */
export const MAX_EXPLAINED = 200;

export interface ExplainedStep extends Explained {
  readonly step: string;
  readonly state: StepStatus;
}

export interface RunExplanation {
  readonly run: number;
  readonly state: RunStatus;
  readonly reason: string;
  readonly allowed: readonly string[];
  /** What people and clocks can end comes first, then what is at work, then what merely waits its turn. */
  readonly steps: readonly ExplainedStep[];
  readonly open_steps: number;
  /** Open steps by what they wait for. */
  readonly waiting: Readonly<Partial<Record<WaitType, number>>>;
}

const ORDER: readonly WaitType[] = [
  "approval",
  "signal",
  "retry",
  "duration",
  "quarantine",
  "stop",
  "pipeline",
  "agent",
  "attempt",
  "group",
  "pipeline_slot",
  "resume",
  "slot",
  "decision",
  "max_parallel",
  "needs",
];

/** What may be asked of a run in each state; `start` begins another one. */
const ACTIONS: Readonly<Record<RunStatus, readonly string[]>> = {
  queued: ["pause", "cancel"],
  running: ["pause", "cancel"],
  paused: ["resume", "cancel"],
  completed: ["start", "retry"],
  failed: ["retry", "start"],
  cancelled: ["retry", "start"],
};

export function explainRun(inspection: RunInspection, facts: Facts, now: number): RunExplanation {
  const { state, names, summary } = inspection;
  const waiting: Partial<Record<WaitType, number>> = {};
  const byType = new Map<WaitType, number[]>();
  const explanations = new Map<number, Explained>();
  for (const [index, step] of state.steps.entries()) {
    if (!isOpen(step)) continue;
    const explained = explainStep(inspection, index, facts, now);
    explanations.set(index, explained);
    const { type } = explained.waiting_for;
    waiting[type] = (waiting[type] ?? 0) + 1;
    const known = byType.get(type) ?? [];
    byType.set(type, known);
    if (known.length < MAX_EXPLAINED) known.push(index);
  }
  const shown = ORDER.flatMap((type) => byType.get(type) ?? []).slice(0, MAX_EXPLAINED);
  const steps = shown.flatMap((index) => {
    const explained = explanations.get(index);
    const step = state.steps[index];
    return explained && step
      ? [{ step: names[index] ?? "", state: step.status, ...explained }]
      : [];
  });
  return {
    run: summary.run,
    state: state.status,
    reason: reasonOf(inspection, explanations.size, steps),
    allowed: state.cancel_requested_at !== null && isLive(state) ? [] : ACTIONS[state.status],
    steps,
    open_steps: explanations.size,
    waiting,
  };
}

function isLive({ completed_at }: RunInspection["state"]): boolean {
  return completed_at === null;
}

function reasonOf(
  { state, summary, slot_position }: RunInspection,
  open: number,
  steps: readonly ExplainedStep[],
): string {
  switch (state.status) {
    case "completed":
      return `Run ${summary.run} completed.`;
    case "cancelled":
      return `Run ${summary.run} was cancelled on request.`;
    case "failed": {
      const failed = summary.failed_steps.length > 0 ? ` (${summary.failed_steps.join(", ")})` : "";
      const why = state.error?.message ?? "no reason was recorded";
      return `Run ${summary.run} failed${failed}: ${why}`;
    }
    case "paused":
      return `Run ${summary.run} is paused with ${counted(open)} open; POST its /resume to go on.`;
    default:
  }
  if (state.cancel_requested_at !== null) {
    return `Run ${summary.run} is being cancelled; ${counted(state.in_flight)} must stop first.`;
  }
  if (state.slot === "asked") {
    const place = slot_position === null ? "" : ` and is number ${slot_position} in the queue`;
    return `Run ${summary.run} waits for one of the deployment's pipeline slots${place}.`;
  }
  if (state.concluding) return `Run ${summary.run} has no open step; its outputs are put together.`;
  const [first] = steps;
  if (!first) return `Run ${summary.run} is about to end.`;
  return `Run ${summary.run} has ${counted(open)} open. ${first.step}: ${first.reason}`;
}

function counted(steps: number): string {
  return steps === 1 ? "1 step" : `${steps} steps`;
}
