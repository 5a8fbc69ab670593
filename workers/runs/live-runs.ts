/** The runs that one object has under way, by resource and number. */
import type { LiveRun } from "./store-types.ts";

/** Bounds of what one object has under way, so that its memory is bounded too. */
export const MAX_LIVE_RUNS = 1_000;
const MAX_LIVE_CHARS = 24 * 1024 * 1024;

export interface Watched {
  readonly live: LiveRun;
  readonly waiters: Set<() => void>;
}

export class LiveRuns {
  readonly #runs = new Map<string, Watched[]>();
  #size = 0;
  #chars = 0;

  get size(): number {
    return this.#size;
  }

  /** Says that no more can be taken on: each live run keeps its definition in memory. */
  get isFull(): boolean {
    return this.#size >= MAX_LIVE_RUNS || this.#chars >= MAX_LIVE_CHARS;
  }

  add(live: LiveRun): void {
    const { id } = live.resource;
    const runs = this.#runs.get(id);
    const watched = { live, waiters: new Set<() => void>() };
    if (runs) runs.push(watched);
    else this.#runs.set(id, [watched]);
    this.#size += 1;
    this.#chars += live.document.length;
  }

  /** Forgets a run; answers with who waited for its end, or null when it is not here. */
  remove(live: LiveRun): Watched["waiters"] | null {
    const { id } = live.resource;
    const runs = this.#runs.get(id) ?? [];
    const index = runs.findIndex((each) => each.live === live);
    const watched = runs[index];
    if (!watched) return null;
    runs.splice(index, 1);
    if (runs.length === 0) this.#runs.delete(id);
    this.#size -= 1;
    this.#chars -= live.document.length;
    return watched.waiters;
  }

  /** The run of that number, or the newest that is live. */
  find(resourceId: string, run: number | null): Watched | null {
    const runs = this.#runs.get(resourceId);
    if (!runs) return null;
    if (run === null) return runs.at(-1) ?? null;
    return runs.find(({ live }) => live.run === run) ?? null;
  }

  /** All of a resource. */
  of(resourceId: string): readonly LiveRun[] {
    return (this.#runs.get(resourceId) ?? []).map(({ live }) => live);
  }

  has(live: LiveRun): boolean {
    return this.find(live.resource.id, live.run)?.live === live;
  }

  *all(): Generator<LiveRun> {
    for (const runs of this.#runs.values()) for (const { live } of runs) yield live;
  }
}
