/** When what has failed is tried again. */
const FIRST_MS = 1_000;
const LONGEST_MS = 5 * 60_000;

/** The pause after so many failures of a whole target in a row, with jitter of a fifth. */
export function targetPauseMs(failures: number, random: number): number {
  const pause = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
  return Math.round(pause * (0.9 + random / 5));
}

/** The pause after so many failures about one entity; null when it is to be parked. */
export function entityPauseMs(
  tries: number,
  delays: readonly number[],
  random: number,
): number | null {
  const delay = delays[tries - 1];
  return delay === undefined ? null : Math.round(delay * (0.9 + random / 5));
}
