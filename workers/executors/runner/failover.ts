/**
 * Dispatches that do not wait for a runner: how long none that fits has been connected, and who is
 * due to go to another executor. A runner that only lost its connection has a lease to come back.
 */
import { type Demand, type Offering, whyNone } from "./matching.ts";
import type { PoolStore } from "./pool-store.ts";
import type { PoolAttempt } from "./pool-types.ts";

export interface FailoverDeps {
  readonly store: Pick<PoolStore, "impatientDemands" | "impatient">;
  readonly pool: string;
  readonly leaseMs: number;
  /** The runners of the pool. */
  offerings(): readonly Offering[];
}

export class Failover {
  readonly #deps: FailoverDeps;
  /** By what is asked for: when it was first seen that nothing connected fits. */
  #strandedSince = new Map<string, number>();

  constructor(deps: FailoverDeps) {
    this.#deps = deps;
  }

  /** Why the dispatch is to go elsewhere; null while it may stay. */
  reason(row: PoolAttempt, now: number): string | null {
    this.#look(now);
    if (row.patient || !this.#isDue(row, now)) return null;
    const { pool, offerings } = this.#deps;
    return whyNone(pool, offerings(), row);
  }

  /** Queued dispatches that are to go elsewhere. */
  due(now: number): PoolAttempt[] {
    const { store } = this.#deps;
    return this.#look(now)
      .filter((demand) => this.#isDue(demand, now))
      .flatMap((demand) => store.impatient(demand));
  }

  /** When the next of them is due; null when all can stay. */
  next(now: number): number | null {
    this.#look(now);
    const { leaseMs } = this.#deps;
    const [first] = [...this.#strandedSince.values()].sort((left, right) => left - right);
    return first === undefined ? null : first + leaseMs;
  }

  /** Notes what is stranded now; returns all that is asked for. */
  #look(now: number): readonly Demand[] {
    const { store, pool, offerings } = this.#deps;
    const demands = store.impatientDemands();
    const runners = demands.length === 0 ? [] : offerings();
    const stranded = demands.filter((demand) => whyNone(pool, runners, demand) !== null);
    this.#strandedSince = new Map(
      stranded.map(keyOf).map((key) => [key, this.#strandedSince.get(key) ?? now]),
    );
    return demands;
  }

  #isDue(demand: Demand, now: number): boolean {
    const since = this.#strandedSince.get(keyOf(demand));
    return since !== undefined && since + this.#deps.leaseMs <= now;
  }
}

function keyOf({ task_type, runs_on }: Demand): string {
  return JSON.stringify([task_type, runs_on]);
}
