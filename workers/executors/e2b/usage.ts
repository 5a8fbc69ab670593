/** What sandboxes cost, by the price that is configured. */
import type { Usage } from "../detached.ts";
import type { AttemptState } from "./state.ts";

const SECOND_MS = 1_000;
const HOUR_SECONDS = 3_600;
const USD_DIGITS = 6;

/** Of sandboxes that lived so long together. */
export function usageOf(ms: number, usdPerHour: number): Usage {
  const seconds = Math.round(ms) / SECOND_MS;
  const usd = Number(((seconds / HOUR_SECONDS) * usdPerHour).toFixed(USD_DIGITS));
  return { sandbox_seconds: seconds, usd };
}

/** How long the sandboxes of the attempt have lived so far, those that have ended included. */
export function sandboxMs(state: AttemptState, now: number): number {
  const own = state.sandbox_id === null ? 0 : (state.sandbox_until ?? now) - state.sandbox_since;
  return state.stray_ms + Math.max(0, own);
}

/** How long those of its sandboxes lived that have ended. */
export function endedSandboxMs(state: AttemptState): number {
  return sandboxMs(state, state.sandbox_since);
}
