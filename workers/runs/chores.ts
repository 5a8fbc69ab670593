/**
 * What an object does when nothing is urgent: moves old runs to the archive, forgets blobs of deleted
 * tasks and stops that nothing can come after any more.
 */
import type { Archive } from "./archive.ts";
import { resourcePrefix } from "./blobs.ts";
import type { RunStore } from "./store.ts";

/** Runs moved, and resources forgotten, by one alarm. */
const PER_ALARM = 20;
const DELETE_BATCH = 1_000;
/**
 * How long a stop of a child that was not begun is remembered. The call that begins one cannot
 * outlive the invocation which made it, and the longest of these, an alarm, ends after 15 minutes.
 */
const STOPPED_KEPT_MS = 24 * 3_600_000;

export class Chores {
  readonly #blobs: R2Bucket;
  readonly #store: RunStore;
  readonly #archive: Archive;
  readonly #retentionMs: number;

  constructor(blobs: R2Bucket, store: RunStore, archive: Archive, retentionMs: number) {
    this.#blobs = blobs;
    this.#store = store;
    this.#archive = archive;
    this.#retentionMs = retentionMs;
  }

  /** When the next run is due to move, or a stop to be forgotten; null when there is neither. */
  dueAt(): number | null {
    const unarchived = this.#store.upkeep.oldestUnarchived();
    const stopped = this.#store.stopped.oldest();
    const times = [
      ...(unarchived === null ? [] : [unarchived + this.#retentionMs]),
      ...(stopped === null ? [] : [stopped + STOPPED_KEPT_MS]),
    ];
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Does what is due; resolves to false when some of it is left. */
  async run(): Promise<boolean> {
    this.#store.stopped.forgetBefore(Date.now() - STOPPED_KEPT_MS);
    const due = this.#store.upkeep.archivable(Date.now() - this.#retentionMs, PER_ALARM);
    try {
      for (const { resource_id, run } of due) {
        const resource = this.#store.resource(resource_id);
        if (resource) await this.#archive.move(resource, run);
      }
      for (const deletion of this.#store.upkeep.purges(PER_ALARM)) {
        await this.#purge(resourcePrefix(deletion));
        this.#store.upkeep.forgetDeletion(deletion.id);
      }
    } catch (error) {
      console.error(JSON.stringify({ event: "chores_failed", message: String(error) }));
      return false;
    }
    return due.length < PER_ALARM && this.#store.upkeep.purges(1).length === 0;
  }

  async #purge(prefix: string): Promise<void> {
    for (let cursor: string | undefined; ; ) {
      const page = await this.#blobs.list({
        prefix,
        limit: DELETE_BATCH,
        ...(cursor ? { cursor } : {}),
      });
      const keys = page.objects.map(({ key }) => key);
      if (keys.length > 0) await this.#blobs.delete(keys);
      if (!page.truncated) return;
      cursor = page.cursor;
    }
  }
}
