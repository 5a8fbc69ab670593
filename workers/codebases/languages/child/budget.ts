/** Bounds the work on one file, by steps and by the clock. */

/**
 * The platform can stop the clock while code runs, so that steps are what holds there. Ordinary code
 * takes 8 to 25 steps for 1,000 characters, at some 20 µs each.
 */
const MIN_STEPS = 20_000;
const STEPS_PER_CHAR = 0.25;

export class Budget {
  readonly #deadline: number;
  #steps: number;

  constructor(chars: number, maxMs: number) {
    this.#deadline = Date.now() + maxMs;
    this.#steps = MIN_STEPS + Math.ceil(chars * STEPS_PER_CHAR);
  }

  get stepsLeft(): number {
    return this.#steps;
  }

  /** Called by tree-sitter every so many operations; true stops it. */
  readonly spend = (): boolean => {
    this.#steps -= 1;
    if (this.#steps < 0) return true;
    return Date.now() > this.#deadline;
  };

  get isSpent(): boolean {
    return this.#steps < 0 || Date.now() > this.#deadline;
  }
}
