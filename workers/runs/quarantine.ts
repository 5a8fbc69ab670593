/** One suspect at a time over the whole deployment, by a lease of the Limits object. */
import type { Quarantine } from "./attempts.ts";

/** A holder that died keeps its place this long; it takes it back at once when it returns. */
const LEASE_MS = 15_000;
const KEY = "suspects";

export function suspectsQuarantine(namespace: Env["LIMITS"]): Quarantine {
  return {
    async enter(holder) {
      const lease = await namespace.getByName(KEY).acquire(KEY, holder, 1, LEASE_MS);
      return { granted: lease.granted, position: lease.position };
    },
    async leave(holder) {
      await namespace.getByName(KEY).release(KEY, holder);
    },
  };
}
