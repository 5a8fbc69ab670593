/**
 * Moves the events of old runs to the blob store, so that an object stays small, and forgets the
 * blobs of deleted resources.
 */
import { archiveKey, resourcePrefix } from "./blobs.ts";
import type { RunStore } from "./store.ts";
import type { EventRow } from "./store-types.ts";

/** Runs moved by one alarm. */
const RUNS_PER_CHORE = 20;
const DELETE_BATCH = 1_000;

export class Archive {
  readonly #blobs: R2Bucket;
  readonly #store: RunStore;
  readonly #retentionMs: number;

  constructor(blobs: R2Bucket, store: RunStore, retentionMs: number) {
    this.#blobs = blobs;
    this.#store = store;
    this.#retentionMs = retentionMs;
  }

  /** When the oldest run here is due to move; null when no ended run is here. */
  dueAt(): number | null {
    const oldest = this.#store.oldestUnarchived();
    return oldest === null ? null : oldest + this.#retentionMs;
  }

  /** Does what is due; resolves to false when some of it is left. */
  async chores(): Promise<boolean> {
    const before = Date.now() - this.#retentionMs;
    const due = this.#store.archivable(before, RUNS_PER_CHORE);
    try {
      for (const { resource_id, run } of due) await this.#move(resource_id, run);
      for (const deletion of this.#store.purges(RUNS_PER_CHORE)) {
        await this.#purge(resourcePrefix(deletion));
        this.#store.forgetDeletion(deletion.id);
      }
    } catch (error) {
      console.error(JSON.stringify({ event: "archive_failed", message: String(error) }));
      return false;
    }
    return due.length < RUNS_PER_CHORE && this.#store.purges(1).length === 0;
  }

  /** Events of an archived run after `after`, at most `limit`. */
  async events(key: string, after: number, limit: number): Promise<EventRow[]> {
    const object = await this.#blobs.get(key);
    if (!object) return [];
    const events: EventRow[] = [];
    for (const line of (await object.text()).split("\n")) {
      if (line === "") continue;
      const event: EventRow = JSON.parse(line);
      if (event.seq > after) events.push(event);
      if (events.length >= limit) break;
    }
    return events;
  }

  async #move(resourceId: string, run: number): Promise<void> {
    const resource = this.#store.resource(resourceId);
    if (!resource) return;
    const lines: string[] = [];
    for (let after = 0, more = true; more; ) {
      const page = this.#store.events(resourceId, after, 1_000);
      for (const event of page) if (event.run === run) lines.push(JSON.stringify(event));
      after = page.at(-1)?.seq ?? after;
      more = page.length > 0;
    }
    const key = archiveKey(resource, run);
    await this.#blobs.put(key, `${lines.join("\n")}\n`);
    this.#store.markArchived(resourceId, run, key);
  }

  async #purge(prefix: string): Promise<void> {
    for (let cursor: string | undefined; ; ) {
      const page = await this.#blobs.list({
        prefix,
        limit: DELETE_BATCH,
        ...(cursor ? { cursor } : {}),
      });
      if (page.objects.length > 0)
        await this.#blobs.delete(page.objects.map((object) => object.key));
      if (!page.truncated) return;
      cursor = page.cursor;
    }
  }
}
