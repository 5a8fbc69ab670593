/**
 * Invocations that code of an attempt began and waits for. None outlives its attempt: what is left
 * of them when that has ended, or was lost, is cancelled, also after a crash.
 */
import pMap from "p-map";
import { logWarning } from "../http/log.ts";
import type { NestedTable } from "./nested-table.ts";
import type { RunHost } from "./run-host.ts";
import { indexOf, isInFlight } from "./state.ts";
import type { LiveRun } from "./store-types.ts";

const MAX_CANCELS = 6;
const PER_TURN = 100;

/** One attempt, as its code knows it. */
export interface AttemptName {
  readonly resource_id: string;
  readonly run: number;
  /** Name of the step. */
  readonly step: string;
  readonly epoch: number;
}

export class Nested {
  readonly #host: RunHost;
  readonly #table: NestedTable;
  /** Resolves once the invocation has stopped, or never will begin. */
  readonly #cancel: (id: string) => Promise<void>;
  /** Those that were begun in this life of the object. */
  readonly #open = new Set<string>();

  constructor(host: RunHost, table: NestedTable, cancel: (id: string) => Promise<void>) {
    this.#host = host;
    this.#table = table;
    this.#cancel = cancel;
  }

  /** Notes what an attempt is about to begin; false when the attempt may begin nothing any more. */
  add(attempt: AttemptName, child: { readonly id: string; readonly slug: string }): boolean {
    const live = this.#host.runs.find(attempt.resource_id, attempt.run)?.live;
    const step = live ? indexOf(live.plan, live.state, attempt.step) : null;
    if (!live || step === null || !isAtWork(live, step, attempt.epoch)) return false;
    const { epoch } = attempt;
    this.#open.add(child.id);
    this.#host.commit((now) => {
      this.#table.add({
        resource_id: live.resource.id,
        run: live.run,
        step,
        epoch,
        child: child.id,
      });
      const data = { step: attempt.step, epoch, invocation_id: child.id, slug: child.slug };
      const event = { at: now, type: "skill.invoked", epoch, step: attempt.step, data };
      this.#host.append(live.resource, live.run, event);
    });
    return true;
  }

  /** What has ended by itself needs no stop. */
  forget(child: string): void {
    this.#open.delete(child);
    this.#host.commit(() => this.#table.remove(child));
  }

  /** An attempt has ended: what it left is stopped at once, unless it can have left nothing. */
  attemptEnded(): void {
    if (this.#open.size > 0) void this.stopOrphans();
  }

  /** Stops what attempts that have ended left behind; resolves to whether nothing of it is left. */
  async stopOrphans(): Promise<boolean> {
    const orphans = this.#table.list(PER_TURN).filter(({ resource_id, run, step, epoch }) => {
      const live = this.#host.runs.find(resource_id, run)?.live;
      return !live || !isAtWork(live, step, epoch);
    });
    const stop = async ({ child }: { readonly child: string }): Promise<boolean> => {
      try {
        await this.#cancel(child);
        this.forget(child);
        return true;
      } catch (error) {
        logWarning("nested_not_stopped", error, { resource_id: child });
        return false;
      }
    };
    const stopped = await pMap(orphans, stop, { concurrency: MAX_CANCELS });
    return orphans.length < PER_TURN && stopped.every((isStopped) => isStopped);
  }
}

function isAtWork(live: LiveRun, step: number, epoch: number): boolean {
  const state = live.state.steps[step];
  return state !== undefined && isInFlight(state) && state.epoch === epoch && !state.stopping;
}
