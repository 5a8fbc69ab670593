/** The text that the CLI writes to standard error, in the manner of its plain progress. */

export interface Step {
  line(text: string): void;
  end(outcome: "DONE" | "ERROR" | "CACHED", message?: string): void;
}

export class Progress {
  readonly #write: (text: string) => void;
  #steps = 0;

  constructor(write: (text: string) => void = () => {}) {
    this.#write = write;
  }

  step(title: string, name = title): Step {
    this.#steps += 1;
    const prefix = `${String(this.#steps).padEnd(4)}: `;
    const began = performance.now();
    const elapsed = () => `[${((performance.now() - began) / 1_000).toFixed(1)}s]`;
    this.#write(`${prefix}${title}\n`);
    return {
      line: (text) => this.#write(`${prefix}${elapsed()} | ${text}\n`),
      end: (outcome, message) => {
        this.#write(`${prefix}${name} ${outcome} ${elapsed()}\n`);
        if (message !== undefined) this.#write(`${prefix}! ${message}\n`);
      },
    };
  }
}

/** Passes whole lines on; the last one may lack its end. */
export class Lines {
  readonly #emit: (line: string) => void;
  #rest = "";

  constructor(emit: (line: string) => void) {
    this.#emit = emit;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#emit(line);
  }

  end(): void {
    if (this.#rest !== "") this.#emit(this.#rest);
    this.#rest = "";
  }
}
