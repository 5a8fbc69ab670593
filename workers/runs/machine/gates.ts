/** What ends the wait of a gate: a person, a signal, or its time. */
import type { RunEvent, StepState } from "../types.ts";
import type { Change } from "./change.ts";
import { end, fail, pass } from "./steps.ts";

/** The time of an open gate has come. */
export function gateTimedOut(change: Change, index: number, step: StepState): void {
  const { gate } = change.planOf(index);
  if (gate?.type === "duration") {
    pass(change, index, step, null);
    return;
  }
  const isApproval = gate?.type === "approval";
  const waited = isApproval ? "Nobody approved it" : `The signal "${gate?.signal}" did not come`;
  fail(change, index, step, {
    code: isApproval ? "approval_timeout" : "signal_timeout",
    message: `${waited} within ${(gate?.ms ?? 0) / 1000} s. Retry the run, or raise timeout_seconds.`,
  });
}

export function approve(change: Change, event: Extract<RunEvent, { type: "approve" }>): void {
  const { step: index, approved, by, comment } = event;
  const step = change.state.steps[index];
  if (step?.status !== "waiting" || change.planOf(index).gate?.type !== "approval") return;
  change.emit({ type: approved ? "gate.approved" : "gate.refused", step: index, by, comment });
  if (approved) {
    end(change, index, step, "completed");
    return;
  }
  const why = comment === null ? "" : `: ${comment}`;
  step.error = { code: "refused", message: `${by} refused it${why}` };
  end(change, index, step, "failed");
}

/** Passes the signal to the first gate that waits for it, or keeps it for one to come. */
export function signal(change: Change, { name, id }: { name: string; id: string }): void {
  change.emit({ type: "signal.received", name, id });
  // By place in the plan, since the order of `timed` does not outlive the process.
  const waiting = [...change.state.timed].sort((a, b) => a - b);
  for (const index of waiting) {
    const step = change.state.steps[index];
    const { gate } = change.planOf(index);
    if (step?.status !== "waiting" || gate?.signal !== name || gate.type !== "signal") continue;
    pass(change, index, step, id);
    return;
  }
  change.state.signals.push({ name, id });
}
