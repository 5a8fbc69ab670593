/** How long a call waits for what it began, or looks at. */
import { z } from "zod";
import { readData } from "../runs/events.ts";
import type { EventRow } from "../runs/store-types.ts";
import type { EventSource } from "../runs/streaming.ts";
import type { CallTerms } from "./operation.ts";

/** Clients of the protocol give a call up after a minute: its answer comes before. */
export const MAX_WAIT_SECONDS = 50;

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

export function waitOf(seconds: number, { hand_over_ms }: Pick<CallTerms, "hand_over_ms">): Wait {
  const asked = seconds * 1000;
  if (hand_over_ms === null || asked <= hand_over_ms) return { ms: asked, hands_over: false };
  return { ms: hand_over_ms, hands_over: true };
}

/** Is told of what happens while a call waits. */
export type Tell = (happening: string) => void;

/** Resolves when the run has ended, or the time is up. */
export async function awaitEnd(
  source: EventSource | null,
  ms: number,
  tell: Tell | null = null,
): Promise<void> {
  if (source === null) return;
  const signal = AbortSignal.timeout(ms);
  try {
    for await (const event of source.follow(signal)) {
      if (signal.aborted) return;
      tell?.(happeningOf(event));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** A line that was printed, or what became of the run or of a step. */
function happeningOf(event: EventRow): string {
  const { step, text } = readData(event);
  if (typeof text === "string") return text.trimEnd();
  return typeof step === "string" ? `${event.type} ${step}` : event.type;
}

/** What is begun, and how it is seen again. */
interface Begun<Found> {
  /** Begins it, and waits for its end for so long. */
  begin(wait_ms: number): Promise<Found>;
  /** Null once it has ended. */
  events(found: Found): Promise<EventSource | null>;
  read(found: Found): Promise<Found>;
}

/** Begins something and waits for its end: in one call, or event by event where somebody listens. */
export async function beginAndWait<Found>(
  { begin, events, read }: Begun<Found>,
  ms: number,
  tell: Tell | null,
): Promise<Found> {
  if (tell === null || ms === 0) return begin(ms);
  const found = await begin(0);
  await awaitEnd(await events(found), ms, tell);
  return read(found);
}
