/** The runners of a pool: what each says of itself, what it has, and what it can take. */
import type { TaskType } from "../port.ts";
import type { Connections } from "./connections.ts";
import { type Candidate, isMeantFor, type Offering } from "./matching.ts";
import type { PoolStore } from "./pool-store.ts";
import type { PoolAttempt, PoolRunner, RunnerStatus } from "./pool-types.ts";
import type { FromRunner, Held } from "./protocol.ts";

type Hello = Extract<FromRunner, { type: "hello" }>;
type Heartbeat = Extract<FromRunner, { type: "heartbeat" }>;

/** `seen_at` on the disk may be behind by this much. */
const SEEN_STEP_MS = 15_000;

export class Roster {
  readonly #store: PoolStore;
  readonly #connections: Connections;
  /** What each runner was last known to have, by its word or by ours. */
  readonly #held = new Map<string, Map<string, number>>();
  readonly #seen = new Map<string, number>();

  constructor(store: PoolStore, connections: Connections) {
    this.#store = store;
    this.#connections = connections;
  }

  find(runnerId: string): PoolRunner | null {
    return this.#store.runner(runnerId);
  }

  /** Makes a runner known before it connects; what is known of it stays. */
  enroll(runnerId: string, name: string): void {
    const known = this.#store.runner(runnerId) ?? unknown(runnerId);
    this.#store.saveRunner({ ...known, name });
  }

  revoke(runnerId: string): void {
    const known = this.#store.runner(runnerId) ?? unknown(runnerId);
    this.#store.saveRunner({ ...known, is_revoked: true });
    this.#held.delete(runnerId);
  }

  /** Notes what a hello says; answers with what was known before. */
  greet(runnerId: string, hello: Hello, now: number): PoolRunner {
    const known = this.#store.runner(runnerId) ?? unknown(runnerId);
    this.#store.saveRunner({
      ...known,
      boot_id: hello.boot_id,
      version: hello.version,
      labels: hello.labels,
      task_types: hello.task_types,
      unavailable: hello.unavailable,
      slots: hello.slots,
      is_draining: false,
      seen_at: now,
    });
    this.#seen.set(runnerId, now);
    this.#hold(runnerId, hello.running);
    return known;
  }

  /** Notes what a heartbeat says. */
  hear(runnerId: string, heartbeat: Heartbeat, now: number): void {
    this.#seen.set(runnerId, now);
    this.#hold(runnerId, heartbeat.running);
    const known = this.#store.runner(runnerId);
    if (known === null) return;
    const heard: PoolRunner = {
      ...known,
      task_types: heartbeat.task_types,
      unavailable: heartbeat.unavailable,
      is_draining: heartbeat.draining,
    };
    const isStale = now - (known.seen_at ?? 0) >= SEEN_STEP_MS;
    if (!isStale && JSON.stringify(heard) === JSON.stringify(known)) return;
    this.#store.saveRunner({ ...heard, seen_at: now });
  }

  #hold(runnerId: string, running: readonly Held[]): void {
    this.#held.set(runnerId, new Map(running.map(({ attempt, epoch }) => [attempt, epoch])));
  }

  /** The runner still has a dispatch that is its no more: it takes a slot until it says otherwise. */
  occupy(runnerId: string, { attempt, epoch }: PoolAttempt): void {
    const held = this.#held.get(runnerId) ?? new Map<string, number>();
    held.set(attempt, epoch);
    this.#held.set(runnerId, held);
  }

  /** The runner is through with it. */
  vacate(runnerId: string, attempt: string): void {
    this.#held.get(runnerId)?.delete(attempt);
  }

  /** Runners that are not revoked. */
  offerings(): Offering[] {
    return this.#store.runners().map((runner) => this.#offering(runner));
  }

  candidates(): Candidate[] {
    const runners = this.offerings().filter(({ is_connected }) => is_connected);
    if (runners.length === 0) return [];
    const active = Map.groupBy(this.#store.active(), ({ runner_id }) => runner_id);
    return runners.map((runner) => {
      const mine = active.get(runner.runner_id) ?? [];
      const epochs = new Map(mine.map(({ attempt, epoch }) => [attempt, epoch]));
      const held = [...(this.#held.get(runner.runner_id) ?? [])];
      const foreign = held.filter(([attempt, epoch]) => epochs.get(attempt) !== epoch).length;
      return { ...runner, free: runner.slots - mine.length - foreign };
    });
  }

  /** Whether a runner that is not revoked is meant for the type. */
  fits(type: TaskType): boolean {
    return this.offerings().some((runner) => isMeantFor(runner, type));
  }

  status(runnerIds: readonly string[]): RunnerStatus[] {
    const usage = this.#store.usage();
    return runnerIds.flatMap((runnerId) => {
      const runner = this.#store.runner(runnerId);
      if (runner === null) return [];
      const { boot_id: _, ...rest } = runner;
      return [
        {
          ...rest,
          seen_at: this.#seen.get(runnerId) ?? runner.seen_at,
          is_connected: this.isConnected(runner),
          running: usage.get(runnerId) ?? 0,
        },
      ];
    });
  }

  isConnected({ runner_id, is_revoked }: PoolRunner): boolean {
    return !is_revoked && this.#connections.of(runner_id) !== null;
  }

  #offering(runner: PoolRunner): Offering {
    return { ...runner, is_connected: this.isConnected(runner) };
  }
}

function unknown(runnerId: string): PoolRunner {
  return {
    runner_id: runnerId,
    name: runnerId,
    is_revoked: false,
    boot_id: null,
    version: null,
    labels: [],
    task_types: null,
    unavailable: {},
    slots: 0,
    is_draining: false,
    seen_at: null,
  };
}
