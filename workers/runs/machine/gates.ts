/** Steps that wait for a moment, a person or a signal. They take no place among the attempts. */
import type { RunEvent, StepState } from "../types.ts";
import type { Change } from "./change.ts";
import { markStarted } from "./clock.ts";
import { end, fail } from "./steps.ts";

/** Opens a gate for `ms`, null for no limit; a signal that came before passes it at once. */
export function openGate(change: Change, index: number, step: StepState, ms: number | null): void {
  const { gate } = change.planOf(index);
  if (!gate) return;
  markStarted(change);
  step.status = "waiting";
  step.started_at = change.now;
  step.gate_until = ms === null ? null : change.now + ms;
  change.touch(index, step);
  change.emit({ type: "gate.opened", step: index, gate: gate.type, until: step.gate_until });
  const known = change.state.signals.findIndex(({ name }) => name === gate.signal);
  const [signal] = known < 0 ? [] : change.state.signals.splice(known, 1);
  if (signal) pass(change, index, step, signal.id);
}

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

function pass(change: Change, index: number, step: StepState, signalId: string | null): void {
  if (signalId !== null) change.effects.push({ type: "take_signal", step: index, id: signalId });
  change.emit({ type: "step.completed", step: index, error: null });
  end(change, index, step, "completed");
}
