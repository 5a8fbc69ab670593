/** Asks the backends again and again whether they can run attempts. */
import { TASK_TYPES, type TaskType } from "../../../workers/executors/port.ts";
import type { Backend, Backends } from "./backend.ts";
import { causeOf } from "./errors.ts";

const PROBE_MS = 15_000;
/** An engine that has to be started takes minutes, in which other tasks can be run. */
const FIRST_MS = 5_000;
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
  readonly #firstMs: number;
  readonly #problems = new Map<TaskType, string | null>();
  readonly #asking = new Map<TaskType, Promise<void>>();
  #timer: NodeJS.Timeout | null = null;

  constructor(backends: Backends, onChange: () => void, firstMs = FIRST_MS) {
    this.#backends = backends;
    this.#onChange = onChange;
    this.#firstMs = firstMs;
    for (const type of TASK_TYPES) {
      const backend = backends[type];
      if (backend !== undefined) this.#problems.set(type, backend.beginning);
    }
  }

  /** Resolves when every backend has answered once, or takes longer than a connection may wait for. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => this.#ask(), PROBE_MS);
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#firstMs);
    await Promise.race([Promise.all(this.#ask()), late]);
    clearTimeout(timer);
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

  /** Asks every backend that is not being asked. */
  #ask(): Promise<void>[] {
    return TASK_TYPES.flatMap((type) => {
      const backend = this.#backends[type];
      if (backend === undefined) return [];
      const asked =
        this.#asking.get(type) ??
        this.#askOne(type, backend).finally(() => this.#asking.delete(type));
      this.#asking.set(type, asked);
      return [asked];
    });
  }

  async #askOne(type: TaskType, backend: Backend): Promise<void> {
    const problem = await backend.probe().catch(causeOf);
    if (problem === this.#problems.get(type)) return;
    this.#problems.set(type, problem);
    this.#onChange();
  }
}
