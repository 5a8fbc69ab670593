/** Calls of tools: what each was asked to do is stored before it does it. */
import type { Json } from "../../http/json.ts";
import type { CallOutcome, CallRef } from "../machine/call-types.ts";
import type { LongTexts } from "./long-texts.ts";

export interface StoredCall extends CallRef {
  readonly name: string;
  readonly input: Json;
  readonly digest: string;
  /** Why it is `invalid`; null when it is not. */
  readonly problem: string | null;
  /** When its approval was asked for; null when it was not. */
  readonly requested_at: number | null;
  readonly is_rerun: boolean;
}

export type NewCall = Omit<StoredCall, "requested_at" | "is_rerun">;

interface CallRecord extends Record<string, SqlStorageValue> {
  turn: number;
  step: number;
  call: string;
  name: string;
  input: string;
  parts: number;
  digest: string;
  problem: string | null;
  requested_at: number | null;
  is_rerun: number;
}

const COLUMNS = "turn, step, call, name, input, parts, digest, problem, requested_at, is_rerun";
const OF_CALL = "WHERE turn = ? AND step = ? AND call = ?";
const placeOf = ({ turn, step, call }: CallRef) => `call:${turn}/${step}/${call}`;

export class CallTable {
  readonly #sql: SqlStorage;
  readonly #texts: LongTexts;

  constructor(sql: SqlStorage, texts: LongTexts) {
    this.#sql = sql;
    this.#texts = texts;
  }

  insert(call: NewCall, place: number): void {
    const { head, parts } = this.#texts.keep(placeOf(call), JSON.stringify(call.input));
    this.#sql.exec(
      `INSERT INTO calls (turn, step, call, place, name, input, parts, digest, problem)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      call.turn,
      call.step,
      call.call,
      place,
      call.name,
      head,
      parts,
      call.digest,
      call.problem,
    );
  }

  get(ref: CallRef): StoredCall | null {
    return this.#first(OF_CALL, ref.turn, ref.step, ref.call);
  }

  /** The newest call of a tool that ended well in a turn. */
  lastSucceeded(turn: number, name: string): StoredCall | null {
    const newest = "ORDER BY step DESC, place DESC LIMIT 1";
    return this.#first(
      `WHERE turn = ? AND name = ? AND outcome = 'succeeded' ${newest}`,
      turn,
      name,
    );
  }

  /** All calls of a tool, in their order. */
  named(name: string): CallRef[] {
    const columns = "SELECT turn, step, call FROM calls";
    return this.#sql
      .exec<Record<string, SqlStorageValue> & CallRef>(
        `${columns} WHERE name = ? ORDER BY turn, step, place`,
        name,
      )
      .toArray();
  }

  requested(ref: CallRef, at: number, isRerun: boolean): void {
    this.#update("requested_at = ?, is_rerun = ?", ref, at, isRerun ? 1 : 0);
  }

  edited(ref: CallRef, input: Json, digest: string): void {
    const place = placeOf(ref);
    this.#texts.forget(place);
    const { head, parts } = this.#texts.keep(place, JSON.stringify(input));
    this.#update("input = ?, parts = ?, digest = ?", ref, head, parts, digest);
  }

  answered(ref: CallRef, outcome: CallOutcome): void {
    this.#update("outcome = ?", ref, outcome);
  }

  #first(where: string, ...values: readonly SqlStorageValue[]): StoredCall | null {
    const [row] = this.#sql
      .exec<CallRecord>(`SELECT ${COLUMNS} FROM calls ${where}`, ...values)
      .toArray();
    if (!row) return null;
    const { parts, input: head, is_rerun, ...rest } = row;
    const input: Json = JSON.parse(this.#texts.whole(placeOf(row), { head, parts }));
    return { ...rest, input, is_rerun: is_rerun === 1 };
  }

  #update(set: string, ref: CallRef, ...values: readonly SqlStorageValue[]): void {
    this.#sql.exec(`UPDATE calls SET ${set} ${OF_CALL}`, ...values, ref.turn, ref.step, ref.call);
  }
}
