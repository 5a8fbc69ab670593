/** When the object of a resource has to be awake for its runs: always, at a time, or not at all. */
import { nextDeadline } from "./state.ts";
import type { LiveRun } from "./store-types.ts";

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
