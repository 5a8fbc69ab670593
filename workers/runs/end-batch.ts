/**
 * Gathers the ends of attempts that run beside each other, so that a fan-out costs a commit for
 * several of its steps and not one for each. What runs alone is committed at once.
 */

/** The longest that an end waits for others. */
const GATHER_MS = 2;

/** Carries one end out, at the time of its commit. */
type End = (now: number) => void;

export class EndBatch {
  readonly #inFlight: () => number;
  readonly #commit: (ends: readonly End[]) => void;
  #ends: End[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #flushed: Promise<void> = Promise.resolve();
  #resolve: () => void = () => undefined;
  #reject: (reason: unknown) => void = () => undefined;

  /** `inFlight` counts the attempts under way, those included whose end is gathered. */
  constructor(inFlight: () => number, commit: (ends: readonly End[]) => void) {
    this.#inFlight = inFlight;
    this.#commit = commit;
  }

  /** Resolves once `end` was carried out in a commit. */
  add(end: End): Promise<void> {
    if (this.#ends.length === 0) {
      this.#flushed = new Promise((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
      });
    }
    this.#ends.push(end);
    const flushed = this.#flushed;
    // When half have ended the others keep the process busy while their successors are sent.
    if (this.#ends.length * 2 >= this.#inFlight()) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS);
    return flushed;
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const ends = this.#ends;
    this.#ends = [];
    if (ends.length === 0) return;
    try {
      this.#commit(ends);
      this.#resolve();
    } catch (error) {
      this.#reject(error);
    }
  }
}
