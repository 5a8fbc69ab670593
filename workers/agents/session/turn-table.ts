/** Turns, from their beginning on. */
import type { StopReason, TurnInput } from "../machine/types.ts";

export interface StoredTurn {
  readonly number: number;
  readonly input_kind: TurnInput["kind"];
  readonly input_id: string;
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly stop_reason: StopReason | null;
}

export class TurnTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  begin(number: number, { kind, id }: TurnInput, at: number): void {
    this.#sql.exec(
      "INSERT INTO turns (number, input_kind, input_id, started_at) VALUES (?, ?, ?, ?)",
      number,
      kind,
      id,
      at,
    );
  }

  end(number: number, stopReason: StopReason, at: number): void {
    this.#sql.exec(
      "UPDATE turns SET ended_at = ?, stop_reason = ? WHERE number = ?",
      at,
      stopReason,
      number,
    );
  }

  get(number: number): StoredTurn | null {
    const [row] = this.#sql
      .exec<Record<string, SqlStorageValue> & StoredTurn>(
        "SELECT * FROM turns WHERE number = ?",
        number,
      )
      .toArray();
    return row ?? null;
  }
}
