/** The slot of the deployment that a session holds while it works: a lease of the Limits object. */
import type { SessionEngine } from "./engine.ts";

/** A holder that died keeps its slot this long; it takes it back at once when it returns. */
const LEASE_MS = 15_000;
const RENEW_MS = 4_000;
const POLL_MS = 100;
export const SLOTS_KEY = "agents";

export class SessionSlot {
  readonly #engine: SessionEngine;
  readonly #namespace: Env["LIMITS"];
  readonly #capacity: number;
  #isAsking = false;
  #renewedAt = 0;
  /** A slot that is on its way back must not take one along that is asked for after it. */
  #releasing: Promise<void> = Promise.resolve();

  constructor(engine: SessionEngine, namespace: Env["LIMITS"], capacity: number) {
    this.#engine = engine;
    this.#namespace = namespace;
    this.#capacity = capacity;
  }

  /** Queues for a slot until the session has it, or wants none any more. */
  async acquire(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    await this.#releasing;
    while (this.#engine.state.slot === "asked") {
      const isGranted = await this.#limits()
        .acquire(SLOTS_KEY, this.#engine.head.id, this.#capacity, LEASE_MS)
        .then(({ granted }) => granted)
        .catch(() => false);
      if (this.#engine.state.slot !== "asked") break;
      if (isGranted) {
        this.#isAsking = false;
        this.#renewedAt = Date.now();
        this.#engine.tell({ type: "slot_granted" });
        return;
      }
      await scheduler.wait(POLL_MS);
    }
    this.#isAsking = false;
    this.release();
  }

  /** One that cannot be given back is free when its lease runs out. */
  release(): void {
    if (this.#engine.state.slot !== "none") return;
    this.#releasing = this.#limits()
      .release(SLOTS_KEY, this.#engine.head.id)
      .catch(() => undefined);
  }

  /** Renews the slot, when that is due. */
  async renew(): Promise<void> {
    if (this.#engine.state.slot !== "held" || Date.now() - this.#renewedAt < RENEW_MS) return;
    this.#renewedAt = Date.now();
    const answer = await this.#limits()
      .renew(SLOTS_KEY, this.#engine.head.id, LEASE_MS)
      .catch(() => null);
    if (answer?.renewed === false && this.#engine.state.slot === "held") {
      this.#engine.tell({ type: "slot_lost" });
    }
  }

  #limits() {
    return this.#namespace.getByName(SLOTS_KEY);
  }
}
