/** Says of an attempt that has not started what it waits for. */
import type { Waiting } from "../detached.ts";
import type { AttemptState } from "./state.ts";

/** Null for an attempt that runs, or is over. */
export function waitingFor(state: AttemptState, capacity: number): Waiting | null {
  const why = state.trouble?.trim().replace(/[.!?]+$/, "") ?? null;
  const trouble = why === null ? "" : ` The last try failed (${why}); it is tried again by itself.`;
  switch (state.phase) {
    case "queued":
      if (state.is_shared && !state.slot_position) {
        return {
          reason: `The sandbox that its run shares is being made.${trouble}`,
          position: null,
        };
      }
      if (state.slot_position !== null) {
        const reason = `All ${capacity} sandboxes of this deployment are in use, and it begins when one ends. An operator raises E2B_MAX_CONCURRENT if the E2B plan allows more at once.`;
        return { reason, position: state.slot_position };
      }
      return { reason: `It is about to get a sandbox.${trouble}`, position: null };
    case "creating":
      return { reason: `E2B is creating its sandbox.${trouble}`, position: null };
    case "preparing":
      return { reason: `Its files are on their way into its sandbox.${trouble}`, position: null };
    default:
      return null;
  }
}
