/** Counts what a pool has, for the service's figures, and tells it when that changes. */
import { logWarning } from "../../http/log.ts";
import type { TaskType } from "../port.ts";
import type { PoolStore } from "./pool-store.ts";
import type { PoolFigure } from "./pool-types.ts";
import type { Roster } from "./roster.ts";

/** Changes within this time are told together. */
export const TELL_MS = 1_000;
/** What does not change is told again after this, so that it does not count as gone. */
export const RENEW_MS = 30_000;

export interface CensusDeps {
  readonly store: PoolStore;
  readonly roster: Roster;
  /** Whose runners the pool has; empty for those of all projects. */
  readonly projectId: string;
  publish(figures: readonly PoolFigure[]): Promise<void>;
}

export class Census {
  readonly #deps: CensusDeps;
  #isDue = false;
  #told: { readonly text: string; readonly at: number } | null = null;

  constructor(deps: CensusDeps) {
    this.#deps = deps;
  }

  /** Something may have changed. */
  note(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => void this.#tell(), TELL_MS);
  }

  async #tell(): Promise<void> {
    this.#isDue = false;
    try {
      const figures = this.#count();
      const text = JSON.stringify(figures);
      const now = Date.now();
      const isKnown = this.#told?.text === text;
      const isFresh = figures.length === 0 || now - (this.#told?.at ?? 0) < RENEW_MS;
      if (isKnown && isFresh) return;
      await this.#deps.publish(figures);
      this.#told = { text, at: now };
    } catch (error) {
      // The next change, or heartbeat, tells it.
      logWarning("pool_figures_not_told", error, {});
    }
  }

  #count(): PoolFigure[] {
    const { store, roster, projectId } = this.#deps;
    const found = new Map<string, PoolFigure>();
    const add = (project_id: string, task_type: TaskType, more: Partial<PoolFigure>) => {
      const key = JSON.stringify([project_id, task_type]);
      const known = found.get(key) ?? { project_id, task_type, connected: 0, queued: 0 };
      const { connected = 0, queued = 0 } = more;
      const sums = { connected: known.connected + connected, queued: known.queued + queued };
      found.set(key, { ...known, ...sums });
    };
    for (const { is_connected, task_types } of roster.offerings()) {
      if (!is_connected) continue;
      for (const type of task_types ?? []) add(projectId, type, { connected: 1 });
    }
    for (const { project_id, task_type, count } of store.queuedCounts()) {
      add(project_id, task_type, { queued: count });
    }
    return [...found.values()];
  }
}
