import { EventEmitter } from "node:events";
import * as path from "node:path";
import defaults, { type Options, retry as again } from "./options";

/** How many jobs wait at most. More are refused. */
export const MAX_WAITING = 100;

let running = 0;

export type JobState = "waiting" | "done";

export enum Level {
  Low,
  High = 2,
}

/** A unit of work. */
export interface Job extends Identified {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}

interface Identified {
  id: string;
}

abstract class Base<T> {
  protected abstract take(job: T): boolean;
}

/** Runs jobs one after the other. */
export class Queue extends Base<Job> implements Iterable<Job> {
  #jobs: Job[] = [];
  private options: Options;

  constructor(options: Options = defaults) {
    super();
    this.options = options;
  }

  protected take(job: Job): boolean {
    if (this.#jobs.length >= MAX_WAITING) return false;
    this.#jobs.push(job);
    return true;
  }

  *[Symbol.iterator]() {
    yield* this.#jobs;
  }

  static async drain(queue: Queue): Promise<void> {
    const emitter = new EventEmitter();
    for (const job of queue) await again(() => job.run(new AbortController().signal));
    emitter.emit("drained", path.join("a", "b"));
  }
}

// Counts what runs now.
export const count = (by: number): number => {
  const next = running + by;
  running = next;
  return next;
};

function helper(state: JobState): Level {
  return state === "done" ? Level.Low : Level.High;
}

export { helper as levelOf };
export * from "./more";
