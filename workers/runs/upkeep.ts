/** What an object has to remember of what it owes elsewhere: to D1, and to the blob store. */
import { type ResourceRow, toResource } from "./store-rows.ts";
import type { Resource } from "./store-types.ts";

/** A resource that is gone, whose traces elsewhere are yet to go. */
export interface Deletion {
  readonly id: string;
  readonly kind: string;
  readonly project_id: string;
}

export class Upkeep {
  readonly #sql: SqlStorage;
  readonly #documentOf: (row: ResourceRow) => string;

  constructor(sql: SqlStorage, documentOf: (row: ResourceRow) => string) {
    this.#sql = sql;
    this.#documentOf = documentOf;
  }

  /** Resources whose projection is behind, longest unprojected first. */
  dirtyResources(limit: number): { readonly resource: Resource; readonly projected_seq: number }[] {
    return this.#sql
      .exec<ResourceRow & { projected_seq: number }>(
        "SELECT * FROM resources INDEXED BY resources_dirty WHERE changed_seq > projected_seq LIMIT ?",
        limit,
      )
      .toArray()
      .map((row) => ({
        resource: toResource(row, this.#documentOf(row)),
        projected_seq: row.projected_seq,
      }));
  }

  /** Seq of the newest event of a resource that is known to be in D1. */
  projectedSeq(id: string): number {
    return this.#sql
      .exec<{ projected_seq: number }>("SELECT projected_seq FROM resources WHERE id = ?", id)
      .one().projected_seq;
  }

  /** Writes down which revision of each resource is in D1. */
  markProjected(revisions: ReadonlyMap<string, number>): void {
    this.#sql.exec(
      `UPDATE resources SET projected_seq = (SELECT value FROM json_each(?1) WHERE key = resources.id)
       WHERE id IN (SELECT key FROM json_each(?1))`,
      JSON.stringify(Object.fromEntries(revisions)),
    );
  }

  /** Deleted resources that lists still show. */
  deletions(limit: number): Deletion[] {
    return this.#deletions(0, limit);
  }

  markDeleted(ids: readonly string[]): void {
    this.#sql.exec(
      "UPDATE deletions SET projected = 1 WHERE id IN (SELECT value FROM json_each(?))",
      JSON.stringify(ids),
    );
  }

  /** Deleted resources whose blobs are still there. */
  purges(limit: number): Deletion[] {
    return this.#deletions(1, limit);
  }

  forgetDeletion(id: string): void {
    this.#sql.exec("DELETE FROM deletions WHERE id = ?", id);
  }

  /** Ended runs whose events are due to move to the blob store, oldest first. */
  archivable(
    before: number,
    limit: number,
  ): { readonly resource_id: string; readonly run: number }[] {
    return this.#sql
      .exec<{ resource_id: string; run: number }>(
        `SELECT resource_id, run FROM runs WHERE live = 0 AND archive IS NULL AND completed_at < ?
         ORDER BY completed_at LIMIT ?`,
        before,
        limit,
      )
      .toArray();
  }

  /** When the oldest ended run with events here ended; null when there is none. */
  oldestUnarchived(): number | null {
    return this.#sql
      .exec<{ at: number | null }>(
        "SELECT min(completed_at) AS at FROM runs WHERE live = 0 AND archive IS NULL",
      )
      .one().at;
  }

  /** Replaces the events of a run by the key of their archive, but keeps the newest as the seq's floor. */
  markArchived(resourceId: string, run: number, key: string): void {
    this.#sql.exec(
      "UPDATE runs SET archive = ? WHERE resource_id = ? AND run = ?",
      key,
      resourceId,
      run,
    );
    this.#sql.exec(
      `DELETE FROM events WHERE resource_id = ?1 AND run = ?2
       AND seq < (SELECT max(seq) FROM events WHERE resource_id = ?1)`,
      resourceId,
      run,
    );
  }

  #deletions(projected: 0 | 1, limit: number): Deletion[] {
    return this.#sql
      .exec<Record<string, SqlStorageValue> & Deletion>(
        "SELECT id, kind, project_id FROM deletions WHERE projected = ? LIMIT ?",
        projected,
        limit,
      )
      .toArray();
  }
}
