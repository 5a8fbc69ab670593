/** Counts ended attempts in one coordinator and hands them to the Metrics object in the background. */
import type { TaskType } from "../executors/port.ts";
import { logWarning } from "../http/log.ts";
import type { EndedState } from "../runs/ports.ts";
import { FLUSH_MS, metricsObject } from "./recorder.ts";

/** Attempts of one executor that came to the same. */
export interface AttemptFigure {
  readonly executor: TaskType;
  readonly state: EndedState;
  readonly total: number;
}

export class AttemptTally {
  readonly #env: Env;
  #figures = new Map<string, AttemptFigure>();
  #isDue = false;

  constructor(env: Env) {
    this.#env = env;
  }

  /** Counts one; the first since the last were handed over starts the next time. */
  count(executor: TaskType, state: EndedState): void {
    this.#add({ executor, state, total: 1 });
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => void this.#flush(), FLUSH_MS);
  }

  #add({ executor, state, total }: AttemptFigure): void {
    const key = `${executor} ${state}`;
    const known = this.#figures.get(key)?.total ?? 0;
    this.#figures.set(key, { executor, state, total: known + total });
  }

  async #flush(): Promise<void> {
    this.#isDue = false;
    const taken = [...this.#figures.values()];
    this.#figures = new Map();
    try {
      await metricsObject(this.#env).addAttempts(taken);
    } catch (error) {
      for (const figure of taken) this.#add(figure);
      logWarning("metrics_not_flushed", error);
    }
  }
}
