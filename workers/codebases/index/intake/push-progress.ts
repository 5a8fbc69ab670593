/** How far pushes by manifest are, without counting all their files at each piece that comes. */
import type { SnapshotStore } from "../storage/snapshots.ts";

/** Contents, each once. */
export interface PushCounts {
  /** That are here, those of earlier snapshots with them. */
  readonly received: number;
  readonly missing: number;
}

export class PushProgress {
  readonly #snapshots: SnapshotStore;
  readonly #counts = new Map<number, PushCounts>();

  constructor(snapshots: SnapshotStore) {
    this.#snapshots = snapshots;
  }

  /** Counted the first time in the life of the object. */
  of(number: number): PushCounts {
    const known = this.#counts.get(number);
    return known ?? this.counted(number, this.#snapshots.missingCount(number));
  }

  /** Takes over what was counted. */
  counted(number: number, missing: number): PushCounts {
    const known = this.#counts.get(number);
    const contents =
      known === undefined ? this.#snapshots.contentCount(number) : known.received + known.missing;
    const counts = { received: contents - missing, missing };
    this.#counts.set(number, counts);
    return counts;
  }

  /** So many contents that were missing are stored now. */
  took(number: number, stored: number): void {
    const { missing } = this.of(number);
    this.counted(number, Math.max(0, missing - stored));
  }

  forget(number: number): void {
    this.#counts.delete(number);
  }
}
