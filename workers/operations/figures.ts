/** Counts and histograms of HTTP requests, pure. */
import { z } from "zod";

/** Upper bounds in milliseconds; a last bucket without a bound follows. */
export const HTTP_BUCKETS_MS = [
  0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000,
] as const;

/** Requests of one route, method and status. `buckets[i]` counts those in bucket i alone. */
export const figureSchema = z.object({
  method: z.string(),
  route: z.string(),
  status: z.int(),
  total: z.number(),
  sum_ms: z.number(),
  buckets: z.array(z.number()).length(HTTP_BUCKETS_MS.length + 1),
});
export type Figure = z.output<typeof figureSchema>;

/** The index of the bucket that a duration falls in. */
export function bucketOf(durationMs: number): number {
  const index = HTTP_BUCKETS_MS.findIndex((bound) => durationMs <= bound);
  return index === -1 ? HTTP_BUCKETS_MS.length : index;
}

/** Figures that grow in memory until they are taken. */
export class Figures {
  readonly #figures = new Map<string, Figure>();

  record(method: string, route: string, status: number, durationMs: number): void {
    const key = `${method} ${status} ${route}`;
    let figure = this.#figures.get(key);
    if (figure === undefined) {
      const buckets = new Array<number>(HTTP_BUCKETS_MS.length + 1).fill(0);
      figure = { method, route, status, total: 0, sum_ms: 0, buckets };
      this.#figures.set(key, figure);
    }
    const bucket = bucketOf(durationMs);
    figure.total += 1;
    figure.sum_ms += durationMs;
    figure.buckets[bucket] = (figure.buckets[bucket] ?? 0) + 1;
  }

  /** Returns everything recorded since the last call, and forgets it. */
  take(): Figure[] {
    const taken = [...this.#figures.values()];
    this.#figures.clear();
    return taken;
  }

  /** Puts figures back that could not be handed over. */
  restore(figures: readonly Figure[]): void {
    for (const figure of figures) {
      const key = `${figure.method} ${figure.status} ${figure.route}`;
      const current = this.#figures.get(key);
      this.#figures.set(key, current === undefined ? figure : merge(current, figure));
    }
  }
}

export function merge(left: Figure, right: Figure): Figure {
  return {
    ...left,
    total: left.total + right.total,
    sum_ms: left.sum_ms + right.sum_ms,
    buckets: left.buckets.map((count, index) => count + (right.buckets[index] ?? 0)),
  };
}

/**
 * Estimates a quantile in milliseconds, linear within its bucket; 0 for no requests, and the last
 * bound for what lies above it.
 */
export function quantile(buckets: readonly number[], share: number): number {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  const rank = total * share;
  let seen = 0;
  for (const [index, count] of buckets.entries()) {
    const upper = HTTP_BUCKETS_MS[index];
    const lower = index === 0 ? 0 : (HTTP_BUCKETS_MS[index - 1] ?? 0);
    if (count > 0 && seen + count >= rank) {
      return upper === undefined ? lower : lower + ((upper - lower) * (rank - seen)) / count;
    }
    seen += count;
  }
  return 0;
}
