/** Forgets what no snapshot has any more: trees, blobs, and all that was read from them. */
import type { BlobStore } from "../storage/blobs.ts";
import type { SnapshotStore } from "../storage/snapshots.ts";
import type { SymbolStore } from "../storage/symbols.ts";
import type { TreeStore } from "../storage/trees.ts";

/** Blobs that one step removes, so that searches are not held up. */
const BLOBS_PER_STEP = 200;

export interface CollectorDeps {
  readonly sql: SqlStorage;
  readonly blobs: BlobStore;
  readonly trees: TreeStore;
  readonly snapshots: SnapshotStore;
  readonly symbols: SymbolStore;
}

/** Removes a part; returns whether there is more. */
export function collect({ sql, blobs, trees, snapshots, symbols }: CollectorDeps): boolean {
  const liveTrees = new Set<string>();
  const liveBlobs = new Set<string>();
  const mark = (oid: string): void => {
    if (liveTrees.has(oid)) return;
    liveTrees.add(oid);
    for (const { mode, oid: child } of trees.get(oid) ?? []) {
      if (mode === "tree") mark(child);
      else liveBlobs.add(child);
    }
  };
  for (const { root } of snapshots.inState("ready")) if (root !== null) mark(root);
  for (const [oid] of sql.exec("SELECT DISTINCT oid FROM incoming").raw()) {
    if (typeof oid === "string") liveBlobs.add(oid);
  }
  for (const oid of [...trees.oids()]) if (!liveTrees.has(oid)) trees.remove(oid);

  const dead: string[] = [];
  for (const [oid] of sql.exec("SELECT oid FROM blobs").raw()) {
    if (typeof oid === "string" && !liveBlobs.has(oid)) dead.push(oid);
  }
  for (const oid of dead.slice(0, BLOBS_PER_STEP)) {
    const blob = blobs.named(oid);
    if (blob === null) continue;
    symbols.remove(blob.id);
    blobs.remove(blob);
  }
  return dead.length > BLOBS_PER_STEP;
}
