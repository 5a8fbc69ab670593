/** What each step of a model has cost: a row when it begins, which is shown once it is settled. */
import type { Used } from "../accounts.ts";
import type { ModelUsage } from "../models/port.ts";
import type { LedgerRow } from "../session-port.ts";

export interface BegunStep {
  readonly epoch: number;
  readonly turn: number;
  readonly step: number;
  readonly attempt: number;
  readonly model: string;
  /** Whether the price of the model is known. */
  readonly is_priced: boolean;
}

export interface Settled {
  readonly epoch: number;
  readonly seq: number;
  readonly at: number;
  /** Null when it was not said. */
  readonly usage: ModelUsage | null;
  readonly usd_nanos: number;
  readonly is_assumed: boolean;
}

/** What a sub-agent has used since it told last. */
export interface Pooled {
  readonly seq: number;
  readonly at: number;
  readonly agent_id: string;
  /** The turn and the step of this session that it was used in. */
  readonly turn: number;
  readonly step: number;
  readonly model: string | null;
  readonly is_priced: boolean;
  readonly used: Used;
}

interface LedgerRecord extends Record<string, SqlStorageValue> {
  seq: number;
  at: number;
  turn: number;
  step: number;
  attempt: number;
  model: string;
  is_priced: number;
  input_tokens: number | null;
  output_tokens: number | null;
  cached_input_tokens: number | null;
  usd_nanos: number;
  is_assumed: number;
  agent_id: string | null;
}

export const NANOS = 1_000_000_000;

export class LedgerTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  begin({ epoch, turn, step, attempt, model, is_priced }: BegunStep): void {
    this.#sql.exec(
      `INSERT INTO ledger (epoch, turn, step, attempt, model, is_priced) VALUES (?, ?, ?, ?, ?, ?)`,
      epoch,
      turn,
      step,
      attempt,
      model,
      is_priced ? 1 : 0,
    );
  }

  settle({ epoch, seq, at, usage, usd_nanos, is_assumed }: Settled): void {
    this.#sql.exec(
      `UPDATE ledger SET seq = ?, at = ?, input_tokens = ?, output_tokens = ?,
       cached_input_tokens = ?, usd_nanos = ?, is_assumed = ? WHERE epoch = ?`,
      seq,
      at,
      usage?.input_tokens ?? null,
      usage?.output_tokens ?? null,
      usage?.cached_input_tokens ?? null,
      usd_nanos,
      is_assumed ? 1 : 0,
      epoch,
    );
  }

  addPooled({ seq, at, turn, step, model, is_priced, agent_id, used }: Pooled): void {
    this.#sql.exec(
      `INSERT INTO ledger (epoch, seq, at, turn, step, attempt, model, is_priced, input_tokens,
       output_tokens, cached_input_tokens, usd_nanos, agent_id)
       VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)`,
      -seq,
      seq,
      at,
      turn,
      step,
      model ?? "",
      is_priced ? 1 : 0,
      used.input_tokens,
      used.output_tokens,
      used.cached_input_tokens,
      used.usd_nanos,
      agent_id,
    );
  }

  turnOf(epoch: number): number | null {
    const [row] = this.#sql
      .exec<{ turn: number }>("SELECT turn FROM ledger WHERE epoch = ?", epoch)
      .toArray();
    return row?.turn ?? null;
  }

  isPriced(epoch: number): boolean {
    const [row] = this.#sql
      .exec<{ is_priced: number }>("SELECT is_priced FROM ledger WHERE epoch = ?", epoch)
      .toArray();
    return row?.is_priced === 1;
  }

  read(after: number, limit: number): LedgerRow[] {
    return this.#rows("seq > ? ORDER BY seq LIMIT ?", after, limit);
  }

  /** Those of the session's own steps of a turn that are settled. */
  ofTurn(turn: number): LedgerRow[] {
    return this.#rows("agent_id IS NULL AND turn = ? AND seq IS NOT NULL ORDER BY seq", turn);
  }

  #rows(where: string, ...values: readonly number[]): LedgerRow[] {
    return this.#sql
      .exec<LedgerRecord>(
        `SELECT seq, at, turn, step, attempt, model, is_priced, input_tokens, output_tokens,
         cached_input_tokens, usd_nanos, is_assumed, agent_id FROM ledger WHERE ${where}`,
        ...values,
      )
      .toArray()
      .map(({ is_priced, usd_nanos, is_assumed, ...row }) => ({
        ...row,
        usd: is_priced === 1 ? usd_nanos / NANOS : null,
        is_assumed: is_assumed === 1,
      }));
  }
}
