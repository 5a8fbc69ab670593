/**
 * Slots of the deployment for runs: leases of the Limits object, asked for, renewed, given back. A
 * run that is a step of another goes on under that one's slot, and asks there.
 */
import type { LiveRun, ParentRef } from "./store-types.ts";

/** A holder that died keeps its slot this long; it takes it back at once when it returns. */
const LEASE_MS = 15_000;
const RENEW_MS = 4_000;
const POLL_MS = 100;
const KEY = "pipelines";

export interface SlotHost {
  slotGranted(live: LiveRun): void;
  slotLost(live: LiveRun): void;
  priorityOf(live: LiveRun): number;
  /** As `acquire` answers, of the run above; null for no answer. */
  placeUnder(live: LiveRun, parent: ParentRef): Promise<number | null>;
}

export class Slots {
  readonly #namespace: Env["LIMITS"];
  readonly #capacity: number;
  readonly #host: SlotHost;
  /** Places in the queue, by holder; 0 while it is not known. */
  readonly #places = new Map<string, number>();
  /** Holders whose slot was taken before their run was begun. */
  readonly #reserved = new Set<string>();
  #renewedAt = 0;

  constructor(namespace: Env["LIMITS"], capacity: number, host: SlotHost) {
    this.#namespace = namespace;
    this.#capacity = capacity;
    this.#host = host;
  }

  /**
   * Takes a slot for a run about to be begun, when one is free at once: it then begins with its
   * first attempt in one commit. What is reserved and not claimed is to be given back.
   */
  async reserve(resourceId: string, run: number, priority: number): Promise<void> {
    const holder = `${resourceId}/${run}`;
    if ((await this.#ask(holder, priority)) === 0) this.#reserved.add(holder);
  }

  /** Begins a run in `begin` under the slot of the run above, which that holds for it. */
  lend(resourceId: string, run: number, begin: () => void): void {
    const holder = `${resourceId}/${run}`;
    this.#reserved.add(holder);
    begin();
    this.#reserved.delete(holder);
  }

  /** Whether a slot was reserved for the run, which has it from now on. */
  claim(live: LiveRun): boolean {
    return this.#reserved.delete(holderOf(live));
  }

  /**
   * Gives back what was reserved and not claimed. `isTaken` says that a run of this number was begun
   * meanwhile and wants a slot: what there is, or the place in the queue, is that run's.
   */
  async unreserve(resourceId: string, run: number, isTaken: boolean): Promise<void> {
    const holder = `${resourceId}/${run}`;
    this.#reserved.delete(holder);
    if (isTaken) return;
    await this.#limits()
      .release(KEY, holder)
      .catch(() => undefined);
  }

  /** Queues for a slot until the run has it or wants none any more. */
  async acquire(live: LiveRun): Promise<void> {
    const holder = holderOf(live);
    if (this.#places.has(holder)) return;
    this.#places.set(holder, 0);
    while (live.state.slot === "asked") {
      const place = live.parent
        ? await this.#host.placeUnder(live, live.parent)
        : await this.#ask(holder, this.#host.priorityOf(live));
      if (live.state.slot !== "asked") break;
      if (place === 0) {
        this.#places.delete(holder);
        this.#host.slotGranted(live);
        return;
      }
      if (place !== null) this.#places.set(holder, place);
      await scheduler.wait(POLL_MS);
    }
    this.#places.delete(holder);
    await this.release(live);
  }

  /** A slot that cannot be given back is free when its lease runs out. */
  async release(live: LiveRun): Promise<void> {
    if (live.state.slot !== "none" || live.parent) return;
    await this.#limits()
      .release(KEY, holderOf(live))
      .catch(() => undefined);
  }

  /** Renews the slots held, when that is due. */
  async renew(runs: Iterable<LiveRun>): Promise<void> {
    const now = Date.now();
    if (now - this.#renewedAt < RENEW_MS) return;
    this.#renewedAt = now;
    for (const live of runs) {
      if (live.state.slot !== "held") continue;
      const isLost = live.parent
        ? ((await this.#host.placeUnder(live, live.parent)) ?? 0) > 0
        : (await this.#renew(live))?.renewed === false;
      if (isLost && live.state.slot === "held") this.#host.slotLost(live);
    }
  }

  #renew(live: LiveRun) {
    return this.#limits()
      .renew(KEY, holderOf(live), LEASE_MS)
      .catch(() => null);
  }

  /** Place in the queue, from 1; null when the run is in none or it is not known yet. */
  position(live: LiveRun): number | null {
    return this.#places.get(holderOf(live)) || null;
  }

  /** The place in the queue, 0 for a slot, null for no answer. */
  async #ask(holder: string, priority: number): Promise<number | null> {
    try {
      const answer = await this.#limits().acquire(KEY, holder, this.#capacity, LEASE_MS, priority);
      return answer.granted ? 0 : answer.position;
    } catch {
      return null;
    }
  }

  #limits() {
    return this.#namespace.getByName(KEY);
  }
}

function holderOf(live: LiveRun): string {
  return `${live.resource.id}/${live.run}`;
}
