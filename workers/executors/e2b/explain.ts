/** Says of an attempt that has not started what it waits for. */
import type { Waiting } from "../detached.ts";
import type { AttemptState } from "./state.ts";

/** Null for an attempt that runs, or is over. */
export function waitingFor(state: AttemptState, capacity: number): Waiting | null {
  const trouble = state.trouble === null ? "" : ` The last try failed: ${state.trouble}.`;
  switch (state.phase) {
    case "queued":
      if (state.slot === "none") {
        const reason = `All ${capacity} sandboxes of this deployment (E2B_MAX_CONCURRENT) are in use.`;
        return { reason, position: state.slot_position };
      }
      return { reason: `A sandbox is about to be created.${trouble}`, position: null };
    case "creating":
      return { reason: `Its sandbox is being created.${trouble}`, position: null };
    case "preparing":
      return { reason: `Its files are being put into its sandbox.${trouble}`, position: null };
    default:
      return null;
  }
}
