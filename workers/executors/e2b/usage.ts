/** What sandboxes cost, by the price that is configured. */
import type { Usage } from "../detached.ts";

const SECOND_MS = 1_000;
const HOUR_SECONDS = 3_600;
const USD_DIGITS = 6;

/** Of sandboxes that lived so long together. */
export function usageOf(ms: number, usdPerHour: number): Usage {
  const seconds = Math.round(ms) / SECOND_MS;
  const usd = Number(((seconds / HOUR_SECONDS) * usdPerHour).toFixed(USD_DIGITS));
  return { sandbox_seconds: seconds, usd };
}
