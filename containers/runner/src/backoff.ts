/** How long to wait before another try: twice as long each time, with jitter against herds. */
export interface BackoffSettings {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** `tries` counts those that failed in a row, from 1; `random` is from 0 to 1. */
export function backoffMs(
  tries: number,
  { firstMs, maxMs }: BackoffSettings,
  random: number,
): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(tries - 1, 30));
  return Math.round(full * (0.5 + random / 2));
}
