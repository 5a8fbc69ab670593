/**
 * Lets the runtime look at its sockets. It does so only when nothing else is left to do, and a run
 * whose steps follow each other within the process always has something: everybody else would wait
 * for its end.
 */

/** How long attempts may follow each other without a pause. */
const BUSY_MS = 40;
/** Any time at all sends the runtime through its sockets. */
const PAUSE_MS = 1;

export class Breather {
  #busySince = 0;
  #pause: Promise<void> | null = null;

  /** Work begins after a time without. */
  start(): void {
    this.#busySince = Date.now();
  }

  /** What work has to wait for before it goes on; null for nothing. */
  take(): Promise<void> | null {
    if (this.#pause === null && Date.now() - this.#busySince >= BUSY_MS) {
      this.#pause = scheduler.wait(PAUSE_MS).then(() => {
        this.#busySince = Date.now();
        this.#pause = null;
      });
    }
    return this.#pause;
  }
}
