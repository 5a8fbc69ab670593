/** Where a search goes on: exact, since a snapshot never changes. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { decodeCursor } from "./pinned.ts";

const whole = z.int().nonnegative();
const cursorSchema = z.strictObject({
  /** The number of the snapshot. */
  n: whole,
  /** A digest of what was asked. */
  q: z.string(),
  /** Symbols take part in the order: they did not while some were unknown. */
  s: z.boolean(),
  /** Ranks of the graph take part in the order: they did not before it was known. */
  r: z.boolean(),
  /** The first candidate of the window that the next result is from, and its place there. */
  w: whole,
  o: whole,
  /** Files and bytes searched in the windows before. */
  f: whole,
  b: whole,
  c: whole,
  /** The digest of all results so far. */
  d: z.string(),
});
export type Cursor = z.output<typeof cursorSchema>;

export function writeCursor(cursor: Cursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString("base64url");
}

/** Null when the text is no cursor of this search. */
export function readCursor(text: string, asked: string): Cursor | null {
  const parsed = cursorSchema.safeParse(decodeCursor(text));
  return parsed.success && parsed.data.q === asked ? parsed.data : null;
}

export function digest(...parts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:${part}`);
  return hash.digest("hex");
}
