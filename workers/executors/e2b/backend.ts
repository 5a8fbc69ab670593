/** The backend of `task_type: e2b`: finds the object of a dispatch. */
import {
  type AttemptBackend,
  type DetachedRef,
  dispatchKey,
  type OfferAnswer,
  type Waiting,
} from "../detached.ts";
import type { RemoteAttemptBase } from "./remote-attempt.ts";

/** The name that sandboxes claim dispatches under: which object has one follows from the dispatch. */
export const SANDBOX_BACKEND = "sandboxes";

export function createRemoteBackend(
  namespace: DurableObjectNamespace<RemoteAttemptBase>,
): AttemptBackend {
  // One object a dispatch, so that a stale one never stands in the way of the next.
  const objectOf = (ref: DetachedRef) => namespace.getByName(dispatchKey(ref));
  return {
    async offer(dispatch): Promise<OfferAnswer> {
      return objectOf(dispatch).offer(dispatch);
    },
    stop: async (ref, reason) => objectOf(ref).stop(ref, reason),
    async waiting(ref): Promise<Waiting | null> {
      return objectOf(ref).waiting();
    },
  };
}
