/** Snapshots, and the index as a whole, as they are told to others. */
import type { SnapshotRow } from "../storage/snapshots.ts";
import type { Stores } from "../stores.ts";
import type { IndexState, Snapshot } from "../types.ts";

export interface IndexSummary {
  /** The newest ready snapshot as JSON. */
  readonly latest: string | null;
  readonly snapshots: number;
  /** ms since 1970. */
  readonly at: number;
}

export type DocumentDeps = Pick<Stores, "sql" | "blobs" | "trees" | "snapshots" | "symbols">;

export class Documents {
  readonly #deps: DocumentDeps;

  constructor(deps: DocumentDeps) {
    this.#deps = deps;
  }

  /** Of a snapshot by its name, or of the newest that is ready for null. */
  named(name: string | null): Snapshot | null {
    const { snapshots } = this.#deps;
    const row = name === null ? snapshots.latestReady() : snapshots.named(name);
    return row === null ? null : this.#document(row);
  }

  /** Of a snapshot that is known to be there. */
  numbered(number: number): Snapshot {
    const row = this.#deps.snapshots.find(number);
    if (row === null) throw new Error(`Snapshot ${number} is gone.`);
    return this.#document(row);
  }

  /** Newest first, those below a number; one more than a page has. */
  below(before: number | null, limit: number): Snapshot[] {
    return this.#deps.snapshots.list(before, limit).map((row) => this.#document(row));
  }

  state(): IndexState {
    const { sql, blobs, snapshots } = this.#deps;
    return {
      latest: this.named(null),
      snapshots: snapshots.count(),
      bytes: sql.databaseSize,
      contents: blobs.count(),
    };
  }

  summary(now: number): IndexSummary {
    const latest = this.named(null);
    return {
      latest: latest === null ? null : JSON.stringify(latest),
      snapshots: this.#deps.snapshots.count(),
      at: now,
    };
  }

  #document(row: SnapshotRow): Snapshot {
    const { number, id, state, ref, source, root, counts, error, created_at, ready_at } = row;
    const { snapshots } = this.#deps;
    const isOpen = state === "receiving" || state === "ingesting";
    return {
      ...{ number, id, state, ref, source, root, counts, error, created_at, ready_at },
      commit: row.commit_oid,
      symbols: this.#symbolsOf(row),
      received: {
        files: isOpen ? snapshots.incomingCount(number) : (counts?.files ?? 0),
        missing: state === "receiving" ? snapshots.missingCount(number) : 0,
      },
    };
  }

  #symbolsOf({ root, counts }: SnapshotRow): Snapshot["symbols"] {
    const { symbols, trees } = this.#deps;
    const of = counts?.parsable_files ?? 0;
    const waiting = [...symbols.waitingBlobs()];
    if (root === null || waiting.length === 0) return { parsed: root === null ? 0 : of, of };
    const listing = trees.listing(root);
    const pending = waiting.reduce((sum, blob) => sum + listing.withBlob(blob).length, 0);
    return { parsed: of - pending, of };
  }
}
