/** Reports of executions that their codebases have not heard of yet. */
import type { ExecutionReport } from "./codebases.ts";

interface Row extends Record<string, SqlStorageValue> {
  key: string;
  report: string;
}

export class ExecutionTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(report: ExecutionReport): void {
    const { id, run, step, epoch } = report.by;
    this.#sql.exec(
      "INSERT OR REPLACE INTO executions (key, at, report) VALUES (?, ?, ?)",
      `${id}/${run}/${step}/${epoch}`,
      report.at,
      JSON.stringify(report),
    );
  }

  oldest(limit: number) {
    const rows = this.#sql.exec<Row>(
      "SELECT key, report FROM executions ORDER BY at LIMIT ?",
      limit,
    );
    return rows.toArray().map(({ key, report }) => {
      const parsed: ExecutionReport = JSON.parse(report);
      return { key, report: parsed };
    });
  }

  remove(key: string): void {
    this.#sql.exec("DELETE FROM executions WHERE key = ?", key);
  }
}
