/** The Limits object: exact quotas and leased slots. Keys are spread over objects by the callers. */
import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import { type AcquireResult, acquire, type Lease, renew } from "./leases.ts";
import { type Grant, takeFromWindow } from "./quota.ts";

/** Rows that ended are deleted once in so many calls. */
const CALLS_BETWEEN_SWEEPS = 500;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS windows (
    key TEXT PRIMARY KEY, taken INTEGER NOT NULL, reset_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS leases (
    key TEXT NOT NULL, holder TEXT NOT NULL, state TEXT NOT NULL, priority INTEGER NOT NULL,
    ticket INTEGER NOT NULL, expires_at INTEGER NOT NULL, PRIMARY KEY (key, holder)
  ) WITHOUT ROWID;
`;

const windowSchema = z.object({ taken: z.number(), reset_at: z.number() });
const leaseSchema = z.object({
  holder: z.string(),
  state: z.enum(["held", "waiting"]),
  priority: z.number(),
  ticket: z.number(),
  expires_at: z.number(),
});

export class Limits extends DurableObject<Env> {
  #calls = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.storage.sql.exec(SCHEMA);
  }

  /**
   * Takes up to `want` of the `limit` tokens of the current window of `key`. Each limit and length
   * of window has a count of its own, so that a change of either is in force at once, and isolates
   * that still run with the old ones do not disturb it.
   */
  takeTokens(key: string, want: number, limit: number, windowSeconds: number): Grant {
    const counted = `${key} ${limit}/${windowSeconds}`;
    const [row] = this.ctx.storage.sql
      .exec("SELECT taken, reset_at FROM windows WHERE key = ?", counted)
      .toArray();
    const now = Date.now();
    const { window, grant } = takeFromWindow(row === undefined ? null : windowSchema.parse(row), {
      want,
      limit,
      window_ms: windowSeconds * 1000,
      now,
    });
    if (grant.granted > 0) {
      this.ctx.storage.sql.exec(
        "INSERT INTO windows (key, taken, reset_at) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET taken = excluded.taken, reset_at = excluded.reset_at",
        counted,
        window.taken,
        window.reset_at,
      );
    }
    this.#sweepSometimes(now);
    return grant;
  }

  /**
   * Asks for one of `capacity` slots of `key` for `leaseMs`. Not granted, the holder has a place in
   * the queue for `leaseMs`, and keeps it by asking again before that.
   */
  acquire(
    key: string,
    holder: string,
    capacity: number,
    leaseMs: number,
    priority = 0,
  ): AcquireResult {
    const now = Date.now();
    const { lease, result } = acquire(this.#leasesOf(key), {
      holder,
      capacity,
      lease_ms: leaseMs,
      priority,
      now,
    });
    this.#write(key, lease);
    this.#sweepSometimes(now);
    return result;
  }

  /** Extends a held slot; `renewed: false` says that it has been lost. */
  renew(key: string, holder: string, leaseMs: number): { renewed: boolean; expires_at: number } {
    const lease = renew(this.#leasesOf(key), holder, leaseMs, Date.now());
    if (lease === null) return { renewed: false, expires_at: 0 };
    this.#write(key, lease);
    return { renewed: true, expires_at: lease.expires_at };
  }

  /** Gives back a slot or a place in the queue; giving back what one does not have is no error. */
  release(key: string, holder: string): void {
    this.ctx.storage.sql.exec("DELETE FROM leases WHERE key = ? AND holder = ?", key, holder);
  }

  /** The live holders of `key`, the oldest first, and the queue behind them in its order. */
  holders(key: string): { held: Lease[]; waiting: Lease[] } {
    const now = Date.now();
    const live = this.#leasesOf(key).filter((lease) => lease.expires_at > now);
    return {
      held: live
        .filter((lease) => lease.state === "held")
        .sort((left, right) => left.ticket - right.ticket),
      waiting: live
        .filter((lease) => lease.state === "waiting")
        .sort((left, right) => right.priority - left.priority || left.ticket - right.ticket),
    };
  }

  /** Answers a readiness check: the object runs and its storage can be read. */
  ping(): number {
    return this.ctx.storage.sql.exec("SELECT COUNT(*) FROM leases").toArray().length;
  }

  #leasesOf(key: string): Lease[] {
    return this.ctx.storage.sql
      .exec("SELECT holder, state, priority, ticket, expires_at FROM leases WHERE key = ?", key)
      .toArray()
      .map((row) => leaseSchema.parse(row));
  }

  #write(key: string, lease: Lease): void {
    this.ctx.storage.sql.exec(
      "INSERT INTO leases (key, holder, state, priority, ticket, expires_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key, holder) DO UPDATE SET state = excluded.state, priority = excluded.priority, ticket = excluded.ticket, expires_at = excluded.expires_at",
      key,
      lease.holder,
      lease.state,
      lease.priority,
      lease.ticket,
      lease.expires_at,
    );
  }

  #sweepSometimes(now: number): void {
    this.#calls += 1;
    if (this.#calls % CALLS_BETWEEN_SWEEPS !== 0) return;
    this.ctx.storage.sql.exec("DELETE FROM windows WHERE reset_at <= ?", now);
    this.ctx.storage.sql.exec("DELETE FROM leases WHERE expires_at <= ?", now);
  }
}
