/** Asks the backends again and again whether they can run attempts. */
import { TASK_TYPES, type TaskType } from "../../../workers/executors/port.ts";
import type { Backends } from "./backend.ts";
import { causeOf } from "./errors.ts";

const PROBE_MS = 15_000;
const MAX_REASON_CHARS = 2_000;

export interface ProbeReport {
  /** What can be run now. */
  readonly task_types: TaskType[];
  /** Why the other types that the runner was started for cannot. */
  readonly unavailable: Partial<Record<TaskType, string>>;
}

export class Probes {
  readonly #backends: Backends;
  readonly #onChange: () => void;
  readonly #problems = new Map<TaskType, string | null>();
  #timer: NodeJS.Timeout | null = null;

  constructor(backends: Backends, onChange: () => void) {
    this.#backends = backends;
    this.#onChange = onChange;
  }

  /** Resolves when every backend has been asked once. */
  async start(): Promise<void> {
    await this.#ask();
    this.#timer = setInterval(() => void this.#askAgain(), PROBE_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Why a type cannot be run now; null when it can. */
  problem(type: TaskType): string | null {
    const known = this.#problems.get(type);
    return known === undefined ? `This runner was not started for ${type} tasks.` : known;
  }

  report(): ProbeReport {
    const task_types: TaskType[] = [];
    const unavailable: Partial<Record<TaskType, string>> = {};
    for (const [type, problem] of this.#problems) {
      if (problem === null) task_types.push(type);
      else unavailable[type] = problem.slice(0, MAX_REASON_CHARS);
    }
    return { task_types, unavailable };
  }

  async #askAgain(): Promise<void> {
    const before = JSON.stringify(this.report());
    await this.#ask();
    if (JSON.stringify(this.report()) !== before) this.#onChange();
  }

  async #ask(): Promise<void> {
    await Promise.all(
      TASK_TYPES.map(async (type) => {
        const backend = this.#backends[type];
        if (backend === undefined) return;
        this.#problems.set(type, await backend.probe().catch(causeOf));
      }),
    );
  }
}
