/**
 * How long an attempt that is stopped may take to end by itself. The signal's reason is the port's
 * `StopReason`, so the time travels beside it.
 */

import type { StopReason } from "../../../workers/executors/port.ts";
import { GRACE_MS } from "../../../workers/executors/runner/protocol.ts";

const graces = new WeakMap<AbortSignal, number>();

/** Aborts with a reason of the port; a later call changes nothing. */
export function stopAttempt(
  controller: AbortController,
  reason: StopReason,
  graceMs: number,
): void {
  if (controller.signal.aborted) return;
  graces.set(controller.signal, graceMs);
  controller.abort(reason);
}

/** Between the signal to end and the kill, for an attempt of this signal. */
export function graceOf(signal: AbortSignal): number {
  return graces.get(signal) ?? GRACE_MS;
}
