/**
 * Leased slots, pure: at most `capacity` holders of a key at once, each for a bounded time, and a
 * fair queue by priority and age for the rest. A holder that is gone frees its slot by not renewing;
 * a waiter that is gone leaves the queue by not asking again.
 */

export interface Lease {
  readonly holder: string;
  readonly state: "held" | "waiting";
  /** Higher first. */
  readonly priority: number;
  /** Orders equals: the queue ticket, which a waiter keeps while it asks again. */
  readonly ticket: number;
  /** ms since 1970; past it the lease does not exist. */
  readonly expires_at: number;
}

export interface AcquireRequest {
  readonly holder: string;
  readonly capacity: number;
  readonly lease_ms: number;
  readonly priority: number;
  readonly now: number;
}

export interface AcquireResult {
  readonly granted: boolean;
  /** Places before this one in the queue, from 1 for the next; 0 when granted. */
  readonly position: number;
  readonly expires_at: number;
}

/** Grants a slot, renews the one that the holder has, or gives (or keeps) a place in the queue. */
export function acquire(
  leases: readonly Lease[],
  request: AcquireRequest,
): { readonly lease: Lease; readonly result: AcquireResult } {
  const live = leases.filter((lease) => lease.expires_at > request.now);
  const expiresAt = request.now + request.lease_ms;
  const mine = live.find((lease) => lease.holder === request.holder);
  if (mine?.state === "held") {
    const lease = { ...mine, expires_at: expiresAt };
    return { lease, result: { granted: true, position: 0, expires_at: expiresAt } };
  }
  const lastTicket = Math.max(0, ...leases.map((lease) => lease.ticket));
  const asked: Lease = {
    holder: request.holder,
    state: "waiting",
    priority: request.priority,
    ticket: mine?.ticket ?? lastTicket + 1,
    expires_at: expiresAt,
  };
  const ahead = live.filter(
    (lease) => lease.state === "waiting" && goesBefore(lease, asked),
  ).length;
  const free = request.capacity - live.filter((lease) => lease.state === "held").length;
  const granted = ahead < free;
  return {
    lease: granted ? { ...asked, state: "held" } : asked,
    result: {
      granted,
      position: granted ? 0 : ahead - Math.max(0, free) + 1,
      expires_at: expiresAt,
    },
  };
}

/** Extends a held slot; null when it has been lost, so that its holder must stop or ask again. */
export function renew(
  leases: readonly Lease[],
  holder: string,
  leaseMs: number,
  now: number,
): Lease | null {
  const mine = leases.find((lease) => lease.holder === holder);
  if (mine === undefined || mine.state !== "held" || mine.expires_at <= now) return null;
  return { ...mine, expires_at: now + leaseMs };
}

function goesBefore(left: Lease, right: Lease): boolean {
  if (left.holder === right.holder) return false;
  return left.priority === right.priority
    ? left.ticket < right.ticket
    : left.priority > right.priority;
}
