/** When the object of a resource has to be awake for its runs: always, at a time, or not at all. */
import { isInFlight, nextDeadline, planOf } from "./state.ts";
import type { LiveRun } from "./store-types.ts";

/** How soon the alarm finds what a dead process left, while attempts run in it. */
export const LIVENESS_MS = 1_500;
/** Often enough to renew the slot of a run whose attempts are all elsewhere. */
const SLOT_PULSE_MS = 4_000;

/**
 * Whether a run needs nothing but its deadlines: it waits or is paused, and costs nothing. What it
 * has in flight rests too.
 */
export function isResting({ state, plan }: Pick<LiveRun, "state" | "plan">): boolean {
  const isAsking = state.deciding > 0 || state.concluding;
  const isFull = state.in_flight >= plan.max_parallel;
  const isStill = state.ready.length === 0 || state.pause_requested || isFull;
  if (state.in_flight > state.resting || state.slot !== "none" || isAsking || !isStill)
    return false;
  return state.in_flight === 0 || ![...state.timed].some((index) => state.steps[index]?.stopping);
}

/** The longest that the object may sleep for a run, apart from its deadlines. */
export function pulseOf(run: Pick<LiveRun, "state" | "plan">): number {
  if (isResting(run)) return Number.POSITIVE_INFINITY;
  const { state, plan } = run;
  const isBusy = state.deciding > 0 || state.concluding || state.slot === "asked";
  const isDurable = [...state.timed].every((index) => {
    const step = state.steps[index];
    return !step || !isInFlight(step) || planOf(plan, state, index).durable;
  });
  if (isBusy || !isDurable || state.in_flight === 0) return LIVENESS_MS;
  return state.slot === "held" ? SLOT_PULSE_MS : Number.POSITIVE_INFINITY;
}

/**
 * The time from which the object of a resource with these live runs has something to do: of one at
 * rest its next deadline, of any other `now`. Null while nothing but a call changes them. A run
 * leaves its rest by a call, which is an event that lists see, or by a deadline, which is past then.
 */
export function wakeAt(
  runs: Iterable<Pick<LiveRun, "state" | "plan">>,
  now: number,
): number | null {
  let earliest: number | null = null;
  for (const run of runs) {
    const at = isResting(run) ? nextDeadline(run.state) : now;
    if (at !== null) earliest = Math.min(earliest ?? at, at);
  }
  return earliest;
}
