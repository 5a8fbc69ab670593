/** Runs and their steps as rows. A step that has not been touched has none. */
import { hasEnded, headOf, restore, type StoredHead } from "./state.ts";
import { packStep, type RunRow, unpackStep } from "./store-rows.ts";
import type { LiveRun, ParentRef, RunHead } from "./store-types.ts";
import type { StepState, StoredResult } from "./types.ts";

/** One stored run, its steps included. */
export interface StoredRun extends RunHead {
  /** Key in the blob store of the run's events, once they have moved there. */
  readonly archive: string | null;
  /** The run's own result: its outputs. */
  readonly result: StoredResult | null;
}

/** What heads of before version 2 do not say. */
const EARLIER_HEAD = {
  begun: true,
  slot: "none",
  signals: [],
  concluding: false,
  remaining_ms: null,
} as const;

/** Rows of one statement: it takes 100 parameters, two of them for all rows. */
const STEPS_PER_UPSERT = 32;
/** Of a step that came to nothing, in place of what an earlier try came to. */
const NO_RESULT = "null";

const upserts: string[] = [];

/** Writes so many steps; a result of NULL keeps the one that is there. */
function upsertSteps(rows: number): string {
  upserts[rows] ??= `INSERT INTO steps (resource_id, run, step, state, result) VALUES ${Array.from(
    { length: rows },
    (_, row) => `(?1, ?2, ?${3 + row * 3}, ?${4 + row * 3}, ?${5 + row * 3})`,
  ).join(", ")}
ON CONFLICT DO UPDATE SET state = excluded.state, result = ifnull(excluded.result, result)`;
  return upserts[rows];
}

export class RunTable {
  readonly #sql: SqlStorage;
  /** What the rows say of runs that are live, since most commits change steps alone. */
  readonly #heads = new WeakMap<LiveRun, string>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Adds a run as it was begun, with those of its steps that are not as they begin. */
  insert(resourceId: string, live: LiveRun, touched: ReadonlySet<number>): void {
    const { state } = live;
    this.#sql.exec(
      `INSERT INTO runs (resource_id, run, status, live, started_by, retry_of, request_id, created_at,
       completed_at, state, version, open_needs, inputs, step_inputs, parent, is_told, triggered_by,
       trace, pins)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      resourceId,
      live.run,
      state.status,
      state.completed_at === null ? 1 : 0,
      live.trigger,
      live.retry_of,
      live.request_id,
      live.created_at,
      state.completed_at,
      JSON.stringify(headOf(state)),
      live.version,
      JSON.stringify(live.open_needs),
      live.inputs,
      live.step_inputs && JSON.stringify(live.step_inputs),
      live.parent && JSON.stringify(live.parent),
      live.parent ? 0 : 1,
      live.triggered_by,
      live.trace && JSON.stringify(live.trace),
      live.pins,
    );
    const rows = new Set(touched);
    state.steps.forEach((step, index) => {
      if (hasEnded(step) || step.group !== null || step.items || step.blocked) rows.add(index);
    });
    this.#saveSteps(resourceId, live, rows);
  }

  /** Writes the run and the steps that were touched; a step without an entry keeps its result. */
  save(resourceId: string, live: LiveRun, touched: Iterable<number>): void {
    const { state } = live;
    const head = JSON.stringify(headOf(state));
    if (this.#heads.get(live) !== head) {
      this.#saveHead(resourceId, live, head);
      this.#heads.set(live, head);
    }
    this.#saveSteps(resourceId, live, touched);
  }

  #saveHead(resourceId: string, { run, state }: LiveRun, head: string): void {
    this.#sql.exec(
      "UPDATE runs SET status = ?, live = ?, completed_at = ?, state = ? WHERE resource_id = ? AND run = ?",
      state.status,
      state.completed_at === null ? 1 : 0,
      state.completed_at,
      head,
      resourceId,
      run,
    );
  }

  saveResult(resourceId: string, run: number, result: StoredResult | null): void {
    this.#sql.exec(
      "UPDATE runs SET result = ? WHERE resource_id = ? AND run = ?",
      resultText(result),
      resourceId,
      run,
    );
  }

  /** Gives steps of a run the results that steps of an earlier one have, byte for byte. */
  copyResults(
    resourceId: string,
    from: number,
    to: number,
    steps: ReadonlyMap<number, number>,
  ): void {
    for (const [step, source] of steps) {
      this.#sql.exec(
        `UPDATE steps SET result = (SELECT result FROM steps WHERE resource_id = ?1 AND run = ?2
         AND step = ?3) WHERE resource_id = ?1 AND run = ?4 AND step = ?5`,
        resourceId,
        from,
        source,
        to,
        step,
      );
    }
  }

  get(resourceId: string, run: number): StoredRun | null {
    const row = this.#sql
      .exec<RunRow>("SELECT * FROM runs WHERE resource_id = ? AND run = ?", resourceId, run)
      .toArray()[0];
    return row ? this.#toRun(row) : null;
  }

  /** Runs below a number, newest first. */
  before(resourceId: string, run: number, limit: number): StoredRun[] {
    return this.#sql
      .exec<RunRow>(
        "SELECT * FROM runs WHERE resource_id = ? AND run < ? ORDER BY run DESC LIMIT ?",
        resourceId,
        run,
        limit,
      )
      .toArray()
      .map((row) => this.#toRun(row));
  }

  /** Number of the run that a request began; null when it began none. */
  ofRequest(resourceId: string, requestId: string): number | null {
    const row = this.#sql
      .exec<{ run: number }>(
        "SELECT run FROM runs WHERE resource_id = ? AND request_id = ?",
        resourceId,
        requestId,
      )
      .toArray()[0];
    return row?.run ?? null;
  }

  /** The runs that have not ended. */
  live(): { readonly resource_id: string; readonly stored: StoredRun }[] {
    return this.#sql
      .exec<RunRow>("SELECT * FROM runs WHERE live = 1")
      .toArray()
      .map((row) => ({ resource_id: row.resource_id, stored: this.#toRun(row) }));
  }

  /** Ended runs whose parent has not heard of it yet. */
  untold(limit: number): { readonly resource_id: string; readonly run: number }[] {
    return this.#sql
      .exec<{ resource_id: string; run: number }>(
        "SELECT resource_id, run FROM runs WHERE is_told = 0 AND live = 0 LIMIT ?",
        limit,
      )
      .toArray();
  }

  markTold(resourceId: string, run: number): void {
    this.#sql.exec(
      "UPDATE runs SET is_told = 1 WHERE resource_id = ? AND run = ?",
      resourceId,
      run,
    );
  }

  /** The run's own result: its outputs. */
  ownResult(resourceId: string, run: number): StoredResult | null {
    const row = this.#sql
      .exec<{ result: string | null }>(
        "SELECT result FROM runs WHERE resource_id = ? AND run = ?",
        resourceId,
        run,
      )
      .toArray()[0];
    return toResult(row?.result ?? null);
  }

  result(resourceId: string, run: number, step: number): StoredResult | null {
    const row = this.#sql
      .exec<{ result: string | null }>(
        "SELECT result FROM steps WHERE resource_id = ? AND run = ? AND step = ?",
        resourceId,
        run,
        step,
      )
      .toArray()[0];
    return toResult(row?.result ?? null);
  }

  /** Keeps a signal's payload; false when the signal is known already. */
  addSignal(resourceId: string, run: number, id: string, payload: string): boolean {
    const cursor = this.#sql.exec(
      "INSERT OR IGNORE INTO signals (resource_id, run, id, payload) VALUES (?, ?, ?, ?)",
      resourceId,
      run,
      id,
      payload,
    );
    return cursor.rowsWritten > 0;
  }

  /** The payload of a signal, which is taken once. */
  signal(resourceId: string, run: number, id: string): string | null {
    const row = this.#sql
      .exec<{ payload: string }>(
        "SELECT payload FROM signals WHERE resource_id = ? AND run = ? AND id = ?",
        resourceId,
        run,
        id,
      )
      .toArray()[0];
    return row?.payload ?? null;
  }

  #saveSteps(
    resourceId: string,
    { run, state, results }: LiveRun,
    touched: Iterable<number>,
  ): void {
    let values: SqlStorageValue[] = [resourceId, run];
    const flush = () => {
      const rows = (values.length - 2) / 3;
      if (rows > 0) this.#sql.exec(upsertSteps(rows), ...values);
      values = [resourceId, run];
    };
    for (const index of touched) {
      const step = state.steps[index];
      if (!step) continue;
      const result = results.has(index)
        ? (resultText(results.get(index) ?? null) ?? NO_RESULT)
        : null;
      values.push(index, packStep(step), result);
      if (values.length === 2 + 3 * STEPS_PER_UPSERT) flush();
    }
    flush();
  }

  #toRun(row: RunRow): StoredRun {
    const texts: string[] = [];
    const cursor = this.#sql.exec<{ step: number; state: string }>(
      "SELECT step, state FROM steps WHERE resource_id = ? AND run = ?",
      row.resource_id,
      row.run,
    );
    for (const { step, state } of cursor) texts[step] = state;
    const openNeeds: number[] = JSON.parse(row.open_needs);
    const steps: StepState[] = [];
    for (let index = 0; index < Math.max(texts.length, openNeeds.length); index += 1) {
      steps.push(unpackStep(texts[index], openNeeds[index] ?? 0));
    }
    const head: StoredHead = { ...EARLIER_HEAD, ...JSON.parse(row.state) };
    const parent: ParentRef | null = row.parent === null ? null : JSON.parse(row.parent);
    return {
      run: row.run,
      trigger: row.started_by,
      triggered_by: row.triggered_by,
      trace: row.trace === null ? null : JSON.parse(row.trace),
      retry_of: row.retry_of,
      request_id: row.request_id,
      created_at: row.created_at,
      version: row.version,
      open_needs: openNeeds,
      inputs: row.inputs,
      step_inputs: row.step_inputs === null ? null : JSON.parse(row.step_inputs),
      pins: row.pins,
      parent,
      state: restore(head, steps),
      archive: row.archive,
      result: toResult(row.result),
    };
  }
}

function resultText(result: StoredResult | null): string | null {
  return result ? JSON.stringify(result) : null;
}

function toResult(text: string | null): StoredResult | null {
  return text === null ? null : JSON.parse(text);
}
