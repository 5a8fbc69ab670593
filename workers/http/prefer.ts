/** `Prefer` (RFC 7240): how long a caller waits for a result. */
import { z } from "@hono/zod-openapi";

export const preferHeader = z.object({ prefer: z.string().max(200).optional() });

export const DEFAULT_WAIT_SECONDS = 30;
export const MAX_WAIT_SECONDS = 60;

export interface Preference {
  /** 0 to 60. */
  readonly wait_seconds: number;
  /** The value of `Preference-Applied`; null when nothing was preferred. */
  readonly applied: string | null;
}

/** Reads `wait=N` (cut to 60) and `respond-async`; what is not understood is ignored, as the RFC says. */
export function readPreference(prefer: string | undefined): Preference {
  for (const preference of (prefer ?? "").split(/[,;]/)) {
    const [name, value] = preference.split("=", 2).map((part) => part.trim().toLowerCase());
    if (name === "respond-async") return { wait_seconds: 0, applied: "respond-async" };
    if (name === "wait" && value !== undefined && /^"?\d{1,9}"?$/.test(value)) {
      const seconds = Math.min(Number(value.replaceAll('"', "")), MAX_WAIT_SECONDS);
      return { wait_seconds: seconds, applied: `wait=${seconds}` };
    }
  }
  return { wait_seconds: DEFAULT_WAIT_SECONDS, applied: null };
}

/** The response header of a preference that was applied. */
export function preferenceHeaders(preference: Preference): Record<string, string> {
  return preference.applied === null ? {} : { "Preference-Applied": preference.applied };
}
