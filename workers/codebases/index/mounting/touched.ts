/** Files that executions named: what they were started with, and what their failures pointed to. */
import { z } from "zod";
import type { ExecutionReport } from "../../../runs/codebases.ts";
import type { Mounts } from "./mounts.ts";

/** Rows that are kept, the newest. */
const MAX_ROWS = 20_000;
/** Below the bound again, so that not every report deletes. */
const ROWS_LEFT = 18_000;

const pathRow = z.object({ path: z.string() });
const countRow = z.object({ count: z.number() });

export class Touched {
  readonly #sql: SqlStorage;
  readonly #mounts: Mounts;

  constructor(sql: SqlStorage, mounts: Mounts) {
    this.#sql = sql;
    this.#mounts = mounts;
  }

  /** Takes a report; one that is repeated changes nothing. */
  take({ root, folder, snapshot, by, at, ran, failed }: ExecutionReport): void {
    // What a failure points to has run as well.
    const all = { ran: [...ran, ...failed], failed };
    const known = this.#mounts.known(root, [...new Set(all.ran.flat())]);
    for (const kind of ["ran", "failed"] as const) {
      const paths = new Set<string>();
      for (const candidates of all[kind]) {
        const candidate = candidates.find((each) => Object.hasOwn(known, each));
        const path = candidate === undefined ? undefined : known[candidate];
        if (path !== undefined) paths.add(folder === "" ? path : `${folder}/${path}`);
      }
      for (const path of paths) {
        this.#sql.exec(
          "INSERT OR REPLACE INTO touched VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
          kind,
          path,
          by.id,
          by.run,
          by.step,
          by.epoch,
          by.name,
          snapshot,
          at,
        );
      }
    }
    this.#bound();
  }

  /** `value` is the id or the name of a task or pipeline; `*` is all of them. */
  paths(kind: "ran" | "failed", value: string): ReadonlySet<string> {
    const rows =
      value === "*"
        ? this.#sql.exec("SELECT DISTINCT path FROM touched WHERE kind = ?", kind)
        : this.#sql.exec(
            "SELECT DISTINCT path FROM touched WHERE kind = ?1 AND (resource = ?2 OR name = ?2 COLLATE NOCASE)",
            kind,
            value,
          );
    return new Set(rows.toArray().map((row) => pathRow.parse(row).path));
  }

  #bound(): void {
    const { count } = countRow.parse(this.#sql.exec("SELECT count(*) AS count FROM touched").one());
    if (count <= MAX_ROWS) return;
    this.#sql.exec(
      "DELETE FROM touched WHERE at <= (SELECT at FROM touched ORDER BY at DESC LIMIT 1 OFFSET ?)",
      ROWS_LEFT,
    );
  }
}
