/** Which snapshot a page is of: the one that its cursor began in, whatever was pushed since. */
import { z } from "zod";
import type { SnapshotRow, SnapshotStore } from "../storage/snapshots.ts";

export type ReadySnapshot = SnapshotRow & { readonly root: string };

/** Why a cursor does not go on. */
export type CursorFault =
  /** It is none of this question. */
  | { readonly kind: "foreign" }
  /** It began in the snapshot `of`, and another one is named. */
  | { readonly kind: "other_snapshot"; readonly of: number; readonly named: number }
  /** The snapshot that it began in was deleted. */
  | { readonly kind: "snapshot_gone"; readonly of: number };

export type NoSnapshot = { readonly status: "no_snapshot" };
export type BadCursor = { readonly status: "invalid_cursor"; readonly fault: CursorFault };

export const FOREIGN: BadCursor = { status: "invalid_cursor", fault: { kind: "foreign" } };

/** What every cursor says, whatever it is a cursor of. */
const pinSchema = z.object({ n: z.int().nonnegative() });

export function decodeCursor(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString());
  } catch {
    return null;
  }
}

/** A ready snapshot by its name, or the newest for null; null when there is none. */
export function readySnapshot(name: string | null, snapshots: SnapshotStore): ReadySnapshot | null {
  return ready(name === null ? snapshots.latestReady() : snapshots.named(name));
}

/** The snapshot of a page: what is named, else where the cursor began, else the newest. */
export function pinnedSnapshot(
  name: string | null,
  cursor: string | null,
  snapshots: SnapshotStore,
): ReadySnapshot | NoSnapshot | BadCursor {
  const named = name === null && cursor !== null ? null : readySnapshot(name, snapshots);
  if (cursor === null) return named ?? { status: "no_snapshot" };
  const pin = pinSchema.safeParse(decodeCursor(cursor));
  if (!pin.success) return FOREIGN;
  const { n: of } = pin.data;
  if (name === null) {
    const row = ready(snapshots.find(of));
    return row ?? { status: "invalid_cursor", fault: { kind: "snapshot_gone", of } };
  }
  if (named === null) return { status: "no_snapshot" };
  if (named.number === of) return named;
  const fault = { kind: "other_snapshot", of, named: named.number } as const;
  return { status: "invalid_cursor", fault };
}

function ready(row: SnapshotRow | null): ReadySnapshot | null {
  if (row === null || row.state !== "ready" || row.root === null) return null;
  return { ...row, root: row.root };
}
