/** Keeps what is asked for most often, within a bound. */

/** Ids that are counted apart; those beyond share a counter. */
const COUNTERS = 65_536;
const MAX_COUNT = 255;
/** After so many questions all counts are halved, so that what was asked for long ago gives way. */
const HALVED_EVERY = 16_384;

/**
 * A search reads far more than a cache holds, mostly once: were the newest kept, each search would
 * drive out what the next one asks for. So a value gets in only by being asked for more often than
 * what it would take the place of.
 */
export class FrequentCache<Value> {
  readonly #budget: number;
  readonly #kept = new Map<number, { readonly value: Value; readonly cost: number }>();
  readonly #counts = new Uint8Array(COUNTERS);
  #asked = 0;
  #cost = 0;

  /** `budget` is what the costs of all values come to at most. */
  constructor(budget: number) {
    this.#budget = budget;
  }

  get cost(): number {
    return this.#cost;
  }

  /** Undefined for what is not kept; either way it counts as asked for. */
  get(id: number): Value | undefined {
    this.#count(id);
    return this.#kept.get(id)?.value;
  }

  /** Keeps a value, unless those that were there longest are worth more. */
  offer(id: number, value: Value, cost: number): void {
    this.delete(id);
    const victims = cost <= this.#budget ? this.#victims(id, cost) : null;
    if (victims === null) return;
    for (const victim of victims) this.delete(victim);
    this.#kept.set(id, { value, cost });
    this.#cost += cost;
  }

  delete(id: number): void {
    this.#cost -= this.#kept.get(id)?.cost ?? 0;
    this.#kept.delete(id);
  }

  #count(id: number): void {
    const at = id % COUNTERS;
    this.#counts[at] = Math.min(MAX_COUNT, this.#countOf(id) + 1);
    this.#asked += 1;
    if (this.#asked % HALVED_EVERY !== 0) return;
    for (const [index, count] of this.#counts.entries()) this.#counts[index] = count >> 1;
  }

  #countOf(id: number): number {
    return this.#counts[id % COUNTERS] ?? 0;
  }

  /** What has to go for it; null when one of that is asked for as often. */
  #victims(id: number, cost: number): number[] | null {
    const victims: number[] = [];
    let free = this.#budget - this.#cost;
    for (const [victim, kept] of this.#kept) {
      if (free >= cost) break;
      if (this.#countOf(victim) >= this.#countOf(id)) {
        // The next one is compared with another.
        this.#kept.delete(victim);
        this.#kept.set(victim, kept);
        return null;
      }
      victims.push(victim);
      free += kept.cost;
    }
    return victims;
  }
}
