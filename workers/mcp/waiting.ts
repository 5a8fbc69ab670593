/** How long a call waits for what it began, or looks at. */
import { z } from "zod";
import type { EventSource } from "../runs/streaming.ts";
import type { CallTerms } from "./operation.ts";

/** As long as REST waits at most. */
export const MAX_WAIT_SECONDS = 60;

export const waitField = (seconds: number) =>
  z
    .int()
    .min(0)
    .max(MAX_WAIT_SECONDS)
    .default(seconds)
    .describe(
      "Seconds to wait for the end; 0 answers at once. Whatever has not ended by then goes on.",
    );

export interface Wait {
  readonly ms: number;
  /** Whether the caller would have waited longer, and follows what has not ended by then instead. */
  readonly hands_over: boolean;
}

export function waitOf(seconds: number, { hand_over_ms }: CallTerms): Wait {
  const asked = seconds * 1000;
  if (hand_over_ms === null || asked <= hand_over_ms) return { ms: asked, hands_over: false };
  return { ms: hand_over_ms, hands_over: true };
}

/** Resolves when the run has ended, or the time is up. */
export async function awaitEnd(source: EventSource | null, ms: number): Promise<void> {
  if (source === null) return;
  const signal = AbortSignal.timeout(ms);
  try {
    // The events say nothing here: their end does.
    for await (const _ of source.follow(signal)) if (signal.aborted) return;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
