/** How the engine tries an attempt again, from what a definition says of it. */
import type { RetryPolicy } from "../runs/types.ts";
import type { TaskSpec } from "./schemas.ts";

const ONE_ATTEMPT: RetryPolicy = {
  max_attempts: 1,
  backoff: "fixed",
  initial_ms: 0,
  max_ms: 0,
  jitter: false,
  on: [],
};

/** The engine's policy for `retry`; without one there is one attempt. */
export function retryPolicy(retry: TaskSpec["retry"]): RetryPolicy {
  if (!retry) return ONE_ATTEMPT;
  const { initial_seconds, max_seconds, ...rest } = retry;
  return { ...rest, initial_ms: initial_seconds * 1000, max_ms: max_seconds * 1000 };
}
