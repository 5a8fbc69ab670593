/** Rows of what attempts have begun and wait for. */
export type NestedRow = {
  readonly resource_id: string;
  readonly run: number;
  readonly step: number;
  readonly epoch: number;
  /** Id of the invocation. */
  readonly child: string;
};

export class NestedTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add({ child, resource_id, run, step, epoch }: NestedRow): void {
    this.#sql.exec(
      "INSERT OR IGNORE INTO nested (child, resource_id, run, step, epoch) VALUES (?, ?, ?, ?, ?)",
      ...[child, resource_id, run, step, epoch],
    );
  }

  remove(child: string): void {
    this.#sql.exec("DELETE FROM nested WHERE child = ?", child);
  }

  list(limit: number): NestedRow[] {
    return this.#sql
      .exec<NestedRow>("SELECT child, resource_id, run, step, epoch FROM nested LIMIT ?", limit)
      .toArray();
  }
}
