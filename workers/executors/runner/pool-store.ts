/** Attempts and runners of a pool in its SQLite. Writes of one turn commit together. */
import { z } from "zod";
import type { DetachedType } from "../detached.ts";
import type { AttemptRequest, StopReason } from "../port.ts";
import type { Lease } from "./leases.ts";
import type { Demand, Queued } from "./matching.ts";
import {
  attemptRow,
  demandRow,
  LATER_COLUMNS,
  queuedCount,
  queuedRow,
  runnerRow,
  SCHEMA,
  typeRow,
} from "./pool-schema.ts";
import type { FinalReport, PoolAttempt, PoolRunner } from "./pool-types.ts";

/** Rows of the queue that one read takes. */
const QUEUE_PAGE = 50;
const ACTIVE = "state IN ('assigned', 'running')";
const counted = z.object({ count: z.number() });
const usage = z.object({ runner_id: z.string(), count: z.number() });

export type NewAttempt = Pick<
  PoolAttempt,
  | "attempt"
  | "epoch"
  | "resource_id"
  | "run"
  | "step"
  | "placement"
  | "project_id"
  | "task_type"
  | "patient"
  | "priority"
  | "queued_at"
  | "runs_on"
  | "timeout_ms"
>;

export class PoolStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(SCHEMA);
    for (const { table, column, definition } of LATER_COLUMNS) {
      const known = sql.exec("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", table, column);
      if (known.toArray().length > 0) continue;
      sql.exec(`ALTER TABLE ${table} ADD COLUMN ${column} ${definition}`);
    }
  }

  find(attempt: string): PoolAttempt | null {
    return this.#attempts("SELECT * FROM attempts WHERE attempt = ?", attempt)[0] ?? null;
  }

  /** Puts a dispatch into the queue, in the place of an earlier one of the same step. */
  queue(row: NewAttempt): void {
    this.#sql.exec("DELETE FROM kept WHERE attempt = ?", row.attempt);
    this.#sql.exec(
      `INSERT OR REPLACE INTO attempts (attempt, epoch, resource_id, run, step, placement, project_id,
         task_type, patient, state, priority, queued_at, runs_on, timeout_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?)`,
      row.attempt,
      row.epoch,
      row.resource_id,
      row.run,
      row.step,
      row.placement,
      row.project_id,
      row.task_type,
      row.patient ? 1 : 0,
      row.priority,
      row.queued_at,
      JSON.stringify(row.runs_on),
      row.timeout_ms,
    );
  }

  /** The queue in its order: higher priority first, of equals the older one. */
  *queued(): Generator<Queued> {
    let after = { priority: Number.MAX_SAFE_INTEGER, queued_at: 0, attempt: "" };
    for (;;) {
      const page = this.#sql
        .exec(
          `SELECT attempt, task_type, runs_on, priority, queued_at FROM attempts
           WHERE state = 'queued' AND (-priority, queued_at, attempt) > (?, ?, ?)
           ORDER BY priority DESC, queued_at, attempt LIMIT ${QUEUE_PAGE}`,
          -after.priority,
          after.queued_at,
          after.attempt,
        )
        .toArray()
        .map((row) => queuedRow.parse(row));
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < QUEUE_PAGE) return;
      after = last;
    }
  }

  queueLength(): number {
    return this.#count("SELECT COUNT(*) AS count FROM attempts WHERE state = 'queued'");
  }

  /** Types that queued dispatches are for. */
  queuedTypes(): DetachedType[] {
    return this.#sql
      .exec("SELECT DISTINCT task_type FROM attempts WHERE state = 'queued'")
      .toArray()
      .map((row) => typeRow.parse(row).task_type);
  }

  /** Queued dispatches by project and type. */
  queuedCounts(): z.output<typeof queuedCount>[] {
    return this.#sql
      .exec(
        `SELECT project_id, task_type, COUNT(*) AS count FROM attempts WHERE state = 'queued'
         GROUP BY project_id, task_type ORDER BY project_id, task_type`,
      )
      .toArray()
      .map((row) => queuedCount.parse(row));
  }

  /** The first of the queued dispatches of a type, in no order. */
  queuedOf(type: DetachedType): PoolAttempt[] {
    return this.#attempts(
      `SELECT * FROM attempts WHERE state = 'queued' AND task_type = ? LIMIT ${QUEUE_PAGE}`,
      type,
    );
  }

  /** What queued dispatches that do not wait for a runner ask of one. */
  impatientDemands(): Demand[] {
    return this.#sql
      .exec(
        "SELECT DISTINCT task_type, runs_on FROM attempts WHERE state = 'queued' AND patient = 0",
      )
      .toArray()
      .map((row) => demandRow.parse(row));
  }

  /** Queued dispatches that do not wait for a runner and ask this of one. */
  impatient({ task_type, runs_on }: Demand): PoolAttempt[] {
    return this.#attempts(
      "SELECT * FROM attempts WHERE state = 'queued' AND patient = 0 AND task_type = ? AND runs_on = ?",
      task_type,
      JSON.stringify(runs_on),
    );
  }

  /** It waits for a runner from now on. */
  setPatient(attempt: string): void {
    this.#sql.exec("UPDATE attempts SET patient = 1 WHERE attempt = ?", attempt);
  }

  /** Dispatches of the same type that stand before this one in the queue. */
  ahead({ task_type, priority, queued_at, attempt }: PoolAttempt): number {
    return this.#count(
      `SELECT COUNT(*) AS count FROM attempts WHERE state = 'queued' AND task_type = ?
       AND (-priority, queued_at, attempt) < (?, ?, ?)`,
      task_type,
      -priority,
      queued_at,
      attempt,
    );
  }

  requeue(attempt: string): void {
    this.#sql.exec(
      `UPDATE attempts SET state = 'queued', runner_id = NULL, stop = NULL WHERE attempt = ? AND ${ACTIVE}`,
      attempt,
    );
  }

  assign(attempt: string, runnerId: string, leaseUntil: number): void {
    this.#sql.exec(
      `UPDATE attempts SET state = 'assigned', runner_id = ?, lease_until = ?, is_graced = 0
       WHERE attempt = ? AND state = 'queued'`,
      runnerId,
      leaseUntil,
      attempt,
    );
  }

  /** The attempt is about to be sent to its runner. */
  send(attempt: string, leaseUntil: number, work: AttemptRequest["work"]): void {
    const { files, mounts, tree } = work;
    const keys = [
      ...(files.kind === "stored" ? [files.key] : []),
      ...mounts.map(({ key }) => key),
      ...(tree ? [tree.key] : []),
    ];
    this.#sql.exec(
      "UPDATE attempts SET lease_until = ?, blob_keys = ? WHERE attempt = ?",
      leaseUntil,
      JSON.stringify(keys),
      attempt,
    );
  }

  setRunning(attempt: string): void {
    this.#sql.exec("UPDATE attempts SET state = 'running' WHERE attempt = ?", attempt);
  }

  /** What the owner is known to have. */
  setTold(attempt: string, output: number, isStartedTold: boolean): void {
    this.#sql.exec(
      "UPDATE attempts SET output = ?, is_started_told = ? WHERE attempt = ?",
      output,
      isStartedTold ? 1 : 0,
      attempt,
    );
  }

  setStop(attempt: string, reason: StopReason): void {
    this.#sql.exec("UPDATE attempts SET stop = ? WHERE attempt = ?", reason, attempt);
  }

  /** A last report that the owner has not answered yet. */
  end(attempt: string, final: FinalReport): void {
    this.#sql.exec(
      "UPDATE attempts SET state = 'ending', final = ? WHERE attempt = ?",
      JSON.stringify(final),
      attempt,
    );
  }

  /** The dispatch is over; what it was is known until `keepUntil`. */
  finish(attempt: string, final: FinalReport | null, keepUntil: number): void {
    this.#sql.exec(
      "UPDATE attempts SET state = 'done', final = ?, lease_until = ?, blob_keys = '[]' WHERE attempt = ?",
      // Of an outcome only that there is one matters from here on.
      final === null ? null : JSON.stringify({ type: final.type }),
      keepUntil,
      attempt,
    );
    this.#sql.exec("DELETE FROM kept WHERE attempt = ?", attempt);
  }

  remove(attempt: string): void {
    this.#sql.exec("DELETE FROM attempts WHERE attempt = ?", attempt);
  }

  active(): PoolAttempt[] {
    return this.#attempts(`SELECT * FROM attempts WHERE ${ACTIVE}`);
  }

  activeOf(runnerId: string): PoolAttempt[] {
    return this.#attempts(`SELECT * FROM attempts WHERE runner_id = ? AND ${ACTIVE}`, runnerId);
  }

  ending(): PoolAttempt[] {
    return this.#attempts("SELECT * FROM attempts WHERE state = 'ending'");
  }

  expired(now: number): PoolAttempt[] {
    return this.#attempts(`SELECT * FROM attempts WHERE ${ACTIVE} AND lease_until <= ?`, now);
  }

  setLease(attempt: string, { lease_until, is_graced }: Lease): void {
    this.#sql.exec(
      "UPDATE attempts SET lease_until = ?, is_graced = ? WHERE attempt = ?",
      lease_until,
      is_graced ? 1 : 0,
      attempt,
    );
  }

  /** Renews the leases of attempts of one runner. */
  renew(runnerId: string, attempts: readonly string[], until: number): void {
    if (attempts.length === 0) return;
    this.#sql.exec(
      `UPDATE attempts SET lease_until = ?, is_graced = 0
       WHERE runner_id = ? AND ${ACTIVE} AND attempt IN (SELECT value FROM json_each(?))`,
      until,
      runnerId,
      JSON.stringify(attempts),
    );
  }

  /** The earliest end of a lease; null when none runs. */
  nextLease(): number | null {
    const [row] = this.#sql
      .exec(`SELECT MIN(lease_until) AS at FROM attempts WHERE ${ACTIVE}`)
      .toArray();
    return z.object({ at: z.number().nullable() }).parse(row).at;
  }

  /** Active attempts by runner. */
  usage(): ReadonlyMap<string, number> {
    const rows = this.#sql
      .exec(`SELECT runner_id, COUNT(*) AS count FROM attempts WHERE ${ACTIVE} GROUP BY runner_id`)
      .toArray();
    return new Map(rows.map((row) => usage.parse(row)).map((row) => [row.runner_id, row.count]));
  }

  /** Forgets what is over and need not be recognised any more. */
  purge(now: number): void {
    this.#sql.exec("DELETE FROM attempts WHERE state = 'done' AND lease_until <= ?", now);
  }

  runner(runnerId: string): PoolRunner | null {
    return this.#runners("SELECT * FROM runners WHERE runner_id = ?", runnerId)[0] ?? null;
  }

  /** Runners that are not revoked. */
  runners(): PoolRunner[] {
    return this.#runners("SELECT * FROM runners WHERE is_revoked = 0");
  }

  saveRunner(runner: PoolRunner): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO runners (runner_id, name, is_revoked, boot_id, version, labels,
         task_types, unavailable, slots, is_draining, seen_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      runner.runner_id,
      runner.name,
      runner.is_revoked ? 1 : 0,
      runner.boot_id,
      runner.version,
      JSON.stringify(runner.labels),
      runner.task_types === null ? null : JSON.stringify(runner.task_types),
      JSON.stringify(runner.unavailable),
      runner.slots,
      runner.is_draining ? 1 : 0,
      runner.seen_at,
    );
  }

  /** False when the runner has used the nonce already. Expired ones are forgotten. */
  useNonce(runnerId: string, nonce: string, expiresAt: number, now: number): boolean {
    this.#sql.exec("DELETE FROM nonces WHERE expires_at <= ?", now);
    return (
      this.#sql
        .exec(
          "INSERT INTO nonces (runner_id, nonce, expires_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING nonce",
          runnerId,
          nonce,
          expiresAt,
        )
        .toArray().length > 0
    );
  }

  /** Bytes of the files that an attempt keeps, but for the one at `path`. */
  keptBytes(attempt: string, path: string): number {
    return this.#count(
      "SELECT coalesce(SUM(bytes), 0) AS count FROM kept WHERE attempt = ? AND path <> ?",
      attempt,
      path,
    );
  }

  keep(attempt: string, path: string, bytes: number): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO kept (attempt, path, bytes) VALUES (?, ?, ?)",
      attempt,
      path,
      bytes,
    );
  }

  #attempts(query: string, ...parameters: (string | number)[]): PoolAttempt[] {
    return this.#sql
      .exec(query, ...parameters)
      .toArray()
      .map((row) => attemptRow.parse(row));
  }

  #runners(query: string, ...parameters: string[]): PoolRunner[] {
    return this.#sql
      .exec(query, ...parameters)
      .toArray()
      .map((row) => runnerRow.parse(row));
  }

  #count(query: string, ...parameters: (string | number)[]): number {
    return counted.parse(this.#sql.exec(query, ...parameters).one()).count;
  }
}
