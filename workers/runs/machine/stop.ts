/** How a dispatch is asked to end. */
import { KILL_GRACE_MS } from "../state.ts";
import type { StepState, StopCause } from "../types.ts";
import type { Change } from "./change.ts";

/** Asks for the end of a dispatch. */
export function stop(change: Change, index: number, step: StepState, reason: StopCause): void {
  step.stopping = { reason, give_up_at: change.now + KILL_GRACE_MS };
  step.deadline_at = null;
  // One that has no lease to lose is not asked about either: only the kill's grace ends its wait.
  if (step.status === "queued" || change.planOf(index).durable) step.lease_until = null;
  change.touch(index, step);
  change.effects.push({ type: "kill", step: index, epoch: step.epoch, reason });
}
