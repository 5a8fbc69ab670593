/** A runner's connection by long-poll: frames wait here for its next exchange. */
import type { Connection, Outgoing } from "./pool-types.ts";

export class PollSession implements Connection {
  readonly runner_id: string;
  readonly session: string;
  isReady = false;
  isClosed = false;
  #frames: Outgoing[] = [];
  readonly #waiting = new Set<() => void>();
  #seenAt = Date.now();

  constructor(runnerId: string, session: string) {
    this.runner_id = runnerId;
    this.session = session;
  }

  send(frame: Outgoing): boolean {
    if (this.isClosed) return false;
    this.#frames.push(frame);
    this.#wake();
    return true;
  }

  close(): void {
    this.isReady = false;
    this.isClosed = true;
    this.#wake();
  }

  /** A session lives while an exchange is open, and as long as a lease after it. */
  isAlive(now: number, leaseMs: number): boolean {
    return !this.isClosed && (this.#waiting.size > 0 || now - this.#seenAt < leaseMs);
  }

  /** The frames that there are; waits for some up to `waitMs` when there are none. */
  async take(waitMs: number): Promise<Outgoing[]> {
    if (this.#frames.length === 0 && waitMs > 0 && !this.isClosed) await this.#arrival(waitMs);
    this.#seenAt = Date.now();
    return this.#frames.splice(0);
  }

  #arrival(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      this.#waiting.add(done);
    });
  }

  /** All that wait are woken: who comes first takes the frames, the others answer without. */
  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}
