/** Says of an attempt that has not started what it waits for. */
import type { Waiting } from "../detached.ts";
import { sentence } from "./failures.ts";
import { patienceEndsAt } from "./reach.ts";
import type { AttemptState } from "./state.ts";

/** Why the last try failed, and what comes of it; "" when it did not. */
function troubleOf(state: AttemptState): string {
  const why = state.unmade?.why ?? state.trouble;
  if (why === null) return "";
  const told = ` The last try failed: ${sentence(why)}`;
  if (state.unmade === null) return `${told} It is tried again by itself.`;
  const until = new Date(patienceEndsAt(state)).toISOString();
  const next = state.dispatch.patient
    ? "and then fails as dispatch_undeliverable"
    : "and then goes to the next of its executors";
  return `${told} It is tried again by itself until ${until}, ${next}.`;
}

/** Null for an attempt that runs, or is over. */
export function waitingFor(state: AttemptState, capacity: number): Waiting | null {
  const trouble = troubleOf(state);
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
