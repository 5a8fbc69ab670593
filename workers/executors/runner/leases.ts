/** Leases of assigned attempts, pure: how long the pool waits for a runner that says nothing. */

export interface Lease {
  /** ms since 1970; past it the attempt is lost. */
  readonly lease_until: number;
  /** Whether it was extended since the runner was heard of last, which happens once. */
  readonly is_graced: boolean;
}

export function isOver(lease: Lease, now: number): boolean {
  return lease.lease_until <= now;
}

/**
 * The lease after a restart of the object, which has cut the runner's connection: one full lease
 * from now, in which it can come back. An object that restarts again and again extends it once, so
 * that a runner that is gone is noticed. Null when nothing changes: a socket that outlived the
 * restart has been quiet for as long as the lease says.
 */
export function afterRestart(
  lease: Lease,
  isConnected: boolean,
  now: number,
  leaseMs: number,
): Lease | null {
  if (isConnected || lease.is_graced) return null;
  return { lease_until: Math.max(lease.lease_until, now + leaseMs), is_graced: true };
}

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

/** The pause after so many failures in a row of a call to an owner. */
export function retryDelay(failures: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.max(0, failures - 1));
}
