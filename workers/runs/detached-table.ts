/** Dispatches of detached attempts as rows: where the newest of each step was sent, and what came of it. */
import type { DetachedRef, DetachedType } from "../executors/detached.ts";

export interface Sent {
  /** The executor that the dispatch was sent to. */
  readonly task_type: DetachedType;
  /** Whether it waits for a backend to connect; else the next of its executors is tried. */
  readonly patient: boolean;
  /** Its result is kept for later runs, so that its work has to be made out at its end. */
  readonly is_cached: boolean;
  /** Names what it shares with other steps of its run; null for nothing. */
  readonly shares: string | null;
}

export interface DetachedRow extends Sent {
  readonly epoch: number;
  /** Name of the backend that claimed it; null before that. */
  readonly claimed_by: string | null;
  /** Entries of output that were taken. */
  readonly output: number;
  /** The runner that carries it out; null before that is known, and where there are none. */
  readonly runner_id: string | null;
}

type Row = Record<string, SqlStorageValue> & {
  readonly epoch: number;
  readonly task_type: DetachedType;
  readonly patient: number;
  readonly is_cached: number;
  readonly shares: string | null;
  readonly claimed_by: string | null;
  readonly output: number;
  readonly runner_id: string | null;
};

export class DetachedTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The row of a dispatch; null when it was not sent, or a newer one was. */
  get(ref: DetachedRef): DetachedRow | null {
    const [row] = this.#sql
      .exec<Row>(
        `SELECT epoch, task_type, patient, is_cached, shares, claimed_by, output, runner_id
         FROM detached WHERE resource_id = ? AND run = ? AND step = ?`,
        ref.resource_id,
        ref.run,
        ref.step,
      )
      .toArray();
    if (row?.epoch !== ref.epoch) return null;
    return { ...row, patient: row.patient === 1, is_cached: row.is_cached === 1 };
  }

  /** Notes where a dispatch is sent, unclaimed, in place of the step's earlier ones. */
  sent(ref: DetachedRef, { task_type, patient, is_cached, shares }: Sent): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO detached (resource_id, run, step, epoch, task_type, patient,
       is_cached, shares, claimed_by, output) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, 0)`,
      ref.resource_id,
      ref.run,
      ref.step,
      ref.epoch,
      task_type,
      patient ? 1 : 0,
      is_cached ? 1 : 0,
      shares,
    );
  }

  claimed(ref: DetachedRef, by: string): void {
    this.#update("claimed_by", by, ref);
  }

  took(ref: DetachedRef, output: number): void {
    this.#update("output", output, ref);
  }

  hadBy(ref: DetachedRef, runnerId: string): void {
    this.#update("runner_id", runnerId, ref);
  }

  /** What steps of a run share. */
  shared(resourceId: string, run: number): string[] {
    return this.#sql
      .exec<{ shares: string }>(
        `SELECT DISTINCT shares FROM detached WHERE resource_id = ? AND run = ?
         AND shares IS NOT NULL`,
        resourceId,
        run,
      )
      .toArray()
      .map(({ shares }) => shares);
  }

  /** Forgets the dispatches of a run that has ended. */
  forget(resourceId: string, run: number): void {
    this.#sql.exec("DELETE FROM detached WHERE resource_id = ? AND run = ?", resourceId, run);
  }

  #update(
    column: "claimed_by" | "output" | "runner_id",
    value: string | number,
    ref: DetachedRef,
  ): void {
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
