/** What questions about a snapshot's symbols have in common: which snapshot, which page, how complete. */
import { z } from "zod";
import { findSecrets, mask } from "../../intake/secrets.ts";
import { has, type ListedFile, type Listing } from "../storage/listing.ts";
import type { SnapshotStore } from "../storage/snapshots.ts";
import type { SymbolStore } from "../storage/symbols.ts";
import type { TreeStore } from "../storage/trees.ts";
import { digest } from "./cursor.ts";
import {
  type BadCursor,
  decodeCursor,
  FOREIGN,
  type NoSnapshot,
  pinnedSnapshot,
  type ReadySnapshot,
  readySnapshot,
} from "./pinned.ts";

export interface PageRequest {
  /** A number, ref, commit or id; null for the newest. */
  readonly snapshot: string | null;
  readonly limit: number;
  readonly cursor: string | null;
  /** The page ends when this has passed, with what was found and a cursor. */
  readonly deadline_ms: number;
}

/** What an answer is about, and whether something is missing in it. */
export interface ReadReceipt {
  readonly snapshot: number;
  readonly root: string;
  /** Of the snapshot. */
  readonly files: number;
  /** Files that no parser has seen yet, of those the answer could be about. */
  readonly symbols_pending: number;
  readonly complete: boolean;
  /** Why it is not complete; null when it is. */
  readonly reason: string | null;
}

export interface OpenSnapshot {
  readonly row: ReadySnapshot;
  readonly listing: Listing;
}

export type NoFile = { readonly status: "no_file" };

export interface SnapshotDeps {
  readonly snapshots: SnapshotStore;
  readonly trees: TreeStore;
  readonly symbols: SymbolStore;
  /** Lets others have the object for a moment, and tells the time after, in ms since 1970. */
  readonly yielded: () => Promise<number>;
}

/** A ready snapshot by its name; null when there is none. */
export function openSnapshot(
  name: string | null,
  { snapshots, trees }: Pick<SnapshotDeps, "snapshots" | "trees">,
): OpenSnapshot | null {
  const row = readySnapshot(name, snapshots);
  return row === null ? null : { row, listing: trees.listing(row.root) };
}

/** The snapshot that a page is of. */
export function openPage(
  { snapshot, cursor }: Pick<PageRequest, "snapshot" | "cursor">,
  { snapshots, trees }: Pick<SnapshotDeps, "snapshots" | "trees">,
): OpenSnapshot | NoSnapshot | BadCursor {
  const row = pinnedSnapshot(snapshot, cursor, snapshots);
  return "status" in row ? row : { row, listing: trees.listing(row.root) };
}

/** Files of a language with a grammar that no parser has seen yet. */
export function pendingFiles(listing: Listing, symbols: SymbolStore): number {
  let pending = 0;
  for (const blob of symbols.waitingBlobs()) pending += listing.withBlob(blob).length;
  return pending;
}

const whole = z.int().nonnegative();
const placeSchema = z.strictObject({
  /** The number of the snapshot. */
  n: whole,
  /** A digest of what was asked. */
  q: z.string(),
  /** The place that the next page begins at: a file, and within it. */
  f: whole,
  o: whole,
  /** Something was missing in a page before. */
  m: z.boolean(),
});
export type Place = z.output<typeof placeSchema>;

/** Where a page begins, in the snapshot that was opened for it. */
export function placeOf(
  cursor: string | null,
  { row }: OpenSnapshot,
  ...asked: readonly string[]
): Place | BadCursor {
  const q = digest(...asked);
  if (cursor === null) return { n: row.number, q, f: 0, o: 0, m: false };
  const { data: place } = placeSchema.safeParse(decodeCursor(cursor));
  return place?.q === q && place.n === row.number ? place : FOREIGN;
}

export function writePlace(place: Place): string {
  return Buffer.from(JSON.stringify(place)).toString("base64url");
}

export interface Shortfall {
  readonly pending: number;
  /** There is another page. */
  readonly hasMore?: boolean;
  /** A page before this one was not complete. */
  readonly missedBefore?: boolean;
  /** What was left out by a bound, and what to do. */
  readonly bound?: string | null;
}

export function receiptFor({ row, listing }: OpenSnapshot, shortfall: Shortfall): ReadReceipt {
  const reason = reasonOf(shortfall);
  return {
    ...{ snapshot: row.number, root: row.root, files: listing.files.length },
    symbols_pending: shortfall.pending,
    complete: reason === null,
    reason,
  };
}

/** All that is missing. */
function reasonOf({
  pending,
  hasMore = false,
  missedBefore = false,
  bound = null,
}: Shortfall): string | null {
  const reasons = [
    hasMore && "There is more: send next_cursor.",
    pending > 0 && `The symbols of ${pending} files are still being read. Ask again in a moment.`,
    missedBefore &&
      pending === 0 &&
      "Symbols were still being read when an earlier page was made. Ask again from the start.",
    bound ?? false,
  ];
  return reasons.filter((reason) => reason !== false).join(" ") || null;
}

/** Covers what looks like a credential in pieces of a file that has some. */
export function maskerFor(file: Pick<ListedFile, "traits">): (text: string) => string {
  return has(file, "secret") ? (text) => mask(text, findSecrets(text)) : (text) => text;
}
