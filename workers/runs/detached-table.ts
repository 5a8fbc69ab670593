/** Dispatches of detached attempts as rows: which backend has the newest of a step, and how much output came. */
import type { DetachedRef, DetachedType } from "../executors/detached.ts";

export interface DetachedRow {
  readonly epoch: number;
  /** The executor that the dispatch was sent to. */
  readonly task_type: DetachedType;
  /** Name of the backend that claimed it; null before that. */
  readonly claimed_by: string | null;
  /** Entries of output that were taken. */
  readonly output: number;
}

type Row = Record<string, SqlStorageValue> & DetachedRow;

export class DetachedTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The row of a dispatch; null when it was not sent, or a newer one was. */
  get(ref: DetachedRef): DetachedRow | null {
    const [row] = this.#sql
      .exec<Row>(
        `SELECT epoch, task_type, claimed_by, output FROM detached
         WHERE resource_id = ? AND run = ? AND step = ?`,
        ref.resource_id,
        ref.run,
        ref.step,
      )
      .toArray();
    return row?.epoch === ref.epoch ? row : null;
  }

  /** Notes where a dispatch is sent, in place of the step's earlier ones. */
  sent(ref: DetachedRef, taskType: DetachedType): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO detached (resource_id, run, step, epoch, task_type, claimed_by, output)
       VALUES (?, ?, ?, ?, ?, NULL, 0)`,
      ref.resource_id,
      ref.run,
      ref.step,
      ref.epoch,
      taskType,
    );
  }

  claimed(ref: DetachedRef, by: string): void {
    this.#update("claimed_by", by, ref);
  }

  took(ref: DetachedRef, output: number): void {
    this.#update("output", output, ref);
  }

  /** Forgets the dispatches of a run that has ended. */
  forget(resourceId: string, run: number): void {
    this.#sql.exec("DELETE FROM detached WHERE resource_id = ? AND run = ?", resourceId, run);
  }

  #update(column: "claimed_by" | "output", value: string | number, ref: DetachedRef): void {
    this.#sql.exec(
      `UPDATE detached SET ${column} = ? WHERE resource_id = ? AND run = ? AND step = ? AND epoch = ?`,
      value,
      ref.resource_id,
      ref.run,
      ref.step,
      ref.epoch,
    );
  }
}
