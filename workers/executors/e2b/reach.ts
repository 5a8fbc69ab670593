/** How long E2B is waited for when it makes no sandbox, pure; being full is no failure of its. */
import type { AttemptState, Unmade } from "./state.ts";

/** Where another executor may have it: as long as a runner has to come back. */
export const IMPATIENT_MS = 10_000;
/** Where there is none: as long as the queue tries to deliver a dispatch. */
export const PATIENT_MS = 180_000;

/** Counts one more failure. */
export function failedOnce(before: Unmade | null, why: string, now: number): Unmade {
  return { since: before?.since ?? now, tries: (before?.tries ?? 0) + 1, why };
}

/** Whether the code's sandbox is still to be made ready. */
export function isMaking({ phase, stop }: AttemptState): boolean {
  return stop === null && (phase === "queued" || phase === "creating" || phase === "preparing");
}

/** When it is waited for no more; infinite while nothing has failed. */
export function patienceEndsAt({ unmade, dispatch }: AttemptState): number {
  if (unmade === null) return Number.POSITIVE_INFINITY;
  return unmade.since + (dispatch.patient ? PATIENT_MS : IMPATIENT_MS);
}

/** Says once that enough was waited. */
export function withPatience(state: AttemptState, now: number): AttemptState {
  if (!isMaking(state) || now < patienceEndsAt(state)) return state;
  const verdict = state.dispatch.patient ? "undeliverable" : "unavailable";
  return { ...state, phase: "ending", verdict };
}
