/** Delays between the tries of a retry policy. */
import type { RetryPolicy } from "./types.ts";

/** A number in [0, 1) that depends on its arguments alone. */
export function fraction(seed: number, step: number, attempt: number): number {
  let hash = (seed ^ Math.imul(step + 1, 0x9e3779b1) ^ Math.imul(attempt, 0x85ebca6b)) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  return ((hash ^ (hash >>> 15)) >>> 0) / 2 ** 32;
}

/** The members of a policy that say how long to wait. */
export type Backoff = Pick<RetryPolicy, "backoff" | "initial_ms" | "max_ms" | "jitter">;

/** Past this power every delay is at its `max_ms`, and 0 times the factor is still 0. */
const MAX_POWER = 52;

/** The delay in ms after `attempt` (from 1) failed; `spread` in [0, 1) places it within its jitter. */
export function retryDelayMs(policy: Backoff, attempt: number, spread: number): number {
  const factor =
    policy.backoff === "fixed"
      ? 1
      : policy.backoff === "linear"
        ? attempt
        : 2 ** Math.min(attempt - 1, MAX_POWER);
  const delay = Math.min(policy.max_ms, policy.initial_ms * factor);
  return Math.round(policy.jitter ? delay * (0.5 + spread / 2) : delay);
}
