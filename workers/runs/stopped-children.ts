/**
 * Stops of children that had not been begun here: what asks for one of them later comes too late.
 * Its parent may have ended by then, or died, so that nobody else would end the run.
 */
export class StoppedChildren {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Notes that the child of a request is not to be begun. */
  add(resourceId: string, requestId: string, at: number): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO stopped_children (resource_id, request_id, at) VALUES (?, ?, ?)",
      resourceId,
      requestId,
      at,
    );
  }

  has(resourceId: string, requestId: string): boolean {
    const rows = this.#sql.exec(
      "SELECT 1 FROM stopped_children WHERE resource_id = ? AND request_id = ?",
      resourceId,
      requestId,
    );
    return rows.toArray().length > 0;
  }

  /** When the oldest of them came; null when there is none. */
  oldest(): number | null {
    return this.#sql.exec<{ at: number | null }>("SELECT min(at) AS at FROM stopped_children").one()
      .at;
  }

  forgetBefore(at: number): void {
    this.#sql.exec("DELETE FROM stopped_children WHERE at <= ?", at);
  }
}
