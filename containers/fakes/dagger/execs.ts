/**
 * The commands that run now, and what those that have run came to. A command runs once for all requests
 * that wait for it, and is killed when the last of them has gone.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { cancelled } from "./errors.ts";

export const outcomeSchema = z.strictObject({
  exitCode: z.int(),
  /** For each mount that a command can change: where its files are, below the outcome's directory. */
  mounts: z.record(z.string(), z.string()),
});

export interface Outcome extends z.output<typeof outcomeSchema> {
  readonly directory: string;
}

interface Running {
  readonly result: Promise<Outcome>;
  readonly controller: AbortController;
  waiting: number;
}

export class Execs {
  readonly directory: string;
  readonly #running = new Map<string, Running>();
  /** Commands that have been killed and have not ended yet. */
  readonly #dying = new Set<Promise<unknown>>();

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  get isIdle(): boolean {
    return this.#running.size === 0 && this.#dying.size === 0;
  }

  /** How many requests wait for commands. */
  get waiting(): number {
    return [...this.#running.values()].reduce((sum, { waiting }) => sum + waiting, 0);
  }

  path(key: string): string {
    return join(this.directory, key);
  }

  completed(key: string): Outcome | null {
    const directory = this.path(key);
    const file = join(directory, "outcome.json");
    if (!existsSync(file)) return null;
    return { ...outcomeSchema.parse(JSON.parse(readFileSync(file, "utf8"))), directory };
  }

  /** Waits for the command of this key, which `start` begins when it is not under way. */
  join(
    key: string,
    waiter: AbortSignal,
    start: (signal: AbortSignal) => Promise<Outcome>,
  ): Promise<Outcome> {
    if (waiter.aborted) return Promise.reject(cancelled());
    const running = this.#running.get(key) ?? this.#start(key, start);
    running.waiting += 1;
    return new Promise((resolve, reject) => {
      const leave = () => {
        running.waiting -= 1;
        if (running.waiting === 0) this.#kill(key, running);
        reject(cancelled());
      };
      waiter.addEventListener("abort", leave, { once: true });
      running.result
        .then(resolve, reject)
        .finally(() => waiter.removeEventListener("abort", leave));
    });
  }

  killAll(): void {
    for (const [key, running] of this.#running) this.#kill(key, running);
  }

  /** Resolves when every command that was killed has ended. */
  async ended(): Promise<void> {
    while (this.#dying.size > 0) await Promise.allSettled(this.#dying);
  }

  #start(key: string, start: (signal: AbortSignal) => Promise<Outcome>): Running {
    const controller = new AbortController();
    const result = start(controller.signal);
    const running: Running = { result, controller, waiting: 0 };
    this.#running.set(key, running);
    const end = () => {
      this.#dying.delete(result);
      this.#forget(key, running);
    };
    result.then(end, end);
    return running;
  }

  /** Whoever asks for it from now on starts it anew. */
  #kill(key: string, running: Running): void {
    this.#forget(key, running);
    this.#dying.add(running.result);
    running.controller.abort();
  }

  #forget(key: string, running: Running): void {
    if (this.#running.get(key) === running) this.#running.delete(key);
  }
}
