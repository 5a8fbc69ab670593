/**
 * Keeps a shell script from holding the event loop. The interpreter runs on promises alone, so
 * without turns neither an abort nor another run would get through.
 */

/** Few enough to stop soon, many enough to be fast: some milliseconds of work. */
const COMMANDS_PER_TURN = 512;
/** About two seconds. Only loops inside `eval` and `source` run commands without ticks. */
const MAX_COMMANDS_WITHOUT_TURN = 500_000;

/** Ends a script that would hold the event loop for good. */
export class HeldTooLong extends Error {
  constructor() {
    super(
      `${MAX_COMMANDS_WITHOUT_TURN} commands ran inside one eval or source. Write that loop into the script itself, where it can be stopped.`,
    );
    this.name = "HeldTooLong";
  }
}

export class Pace {
  readonly #turn: () => Promise<void>;
  #commands = 0;

  /** `turn` resolves after the event loop has gone round. */
  constructor(turn: () => Promise<void>) {
    this.#turn = turn;
  }

  /** Counts what the interpreter executes; throws HeldTooLong. */
  readonly coverage = {
    hit: (feature: string): void => {
      if (!feature.startsWith("bash:cmd:")) return;
      this.#commands += 1;
      if (this.#commands > MAX_COMMANDS_WITHOUT_TURN) throw new HeldTooLong();
    },
  };

  /** A turn when one is due. */
  tick(): Promise<void> | undefined {
    if (this.#commands < COMMANDS_PER_TURN) return undefined;
    this.#commands = 0;
    return this.#turn();
  }
}
