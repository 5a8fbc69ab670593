/**
 * The append-only log of what happened. What a model writes is in it twice, one after the other: as
 * `message.delta` rows while it writes, and then as one `message.completed` in their place. Seqs
 * only rise, and those of deltas that are gone are missing. So a replay from any seq has each text
 * once: whoever has seen deltas of a message gets either the ones that follow, by their `offset`, or
 * the whole message, which stands for all it has seen of it (`message.discarded`: nothing does).
 */
import type { Json } from "../../http/json.ts";
import type { SessionEventRow } from "../session-port.ts";
import type { LongTexts } from "./long-texts.ts";

export const DELTA = "message.delta";

export interface NewEvent {
  readonly type: string;
  readonly turn: number | null;
  readonly data: Readonly<Record<string, Json>>;
  /** Of the step that writes a delta. */
  readonly epoch?: number;
}

interface EventRecord extends Record<string, SqlStorageValue> {
  seq: number;
  at: number;
  type: string;
  turn: number | null;
  data: string;
  parts: number;
}

const MAX_PAGE_CHARS = 1024 * 1024;
const placeOf = (seq: number) => `event:${seq}`;

export class EventLog {
  readonly #sql: SqlStorage;
  readonly #texts: LongTexts;

  constructor(sql: SqlStorage, texts: LongTexts) {
    this.#sql = sql;
    this.#texts = texts;
  }

  /** Seq of the newest event; 0 when there is none. */
  lastSeq(): number {
    return (
      this.#sql.exec<{ seq: number | null }>("SELECT max(seq) AS seq FROM events").one().seq ?? 0
    );
  }

  append(seq: number, at: number, { type, turn, epoch, data }: NewEvent): SessionEventRow {
    const text = JSON.stringify(data);
    const { head, parts } = this.#texts.keep(placeOf(seq), text);
    this.#sql.exec(
      "INSERT INTO events (seq, at, type, turn, epoch, data, parts) VALUES (?, ?, ?, ?, ?, ?, ?)",
      seq,
      at,
      type,
      turn,
      epoch ?? null,
      head,
      parts,
    );
    return { seq, at, type, turn, data: text };
  }

  /** Events after `after`, oldest first: at most `limit`, and about 1 MiB. */
  read(after: number, limit: number): SessionEventRow[] {
    return this.#take(
      this.#sql.exec<EventRecord>(
        "SELECT seq, at, type, turn, data, parts FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
        after,
        limit,
      ),
    );
  }

  /** Events after `after` of the given types, oldest first. */
  ofTypes(after: number, types: readonly string[]): SessionEventRow[] {
    return this.#take(
      this.#sql.exec<EventRecord>(
        `SELECT seq, at, type, turn, data, parts FROM events
         WHERE seq > ? AND type IN (SELECT value FROM json_each(?)) ORDER BY seq`,
        after,
        JSON.stringify(types),
      ),
    );
  }

  /** What happened in a turn, oldest first, deltas left out. */
  ofTurn(turn: number): SessionEventRow[] {
    return this.#take(
      this.#sql.exec<EventRecord>(
        `SELECT seq, at, type, turn, data, parts FROM events
         WHERE seq >= (SELECT min(seq) FROM events WHERE turn = ?1 AND type = 'turn.started')
           AND turn = ?1 AND type <> '${DELTA}' ORDER BY seq`,
        turn,
      ),
    );
  }

  /** The text that a step has written so far, as far as it is stored. */
  writtenText(epoch: number): string {
    return this.#sql
      .exec<{ data: string }>(
        `SELECT data FROM events WHERE type = '${DELTA}' AND epoch = ? ORDER BY seq`,
        epoch,
      )
      .toArray()
      .map(({ data }) => {
        const delta: { part: string; text: string } = JSON.parse(data);
        return delta.part === "text" ? delta.text : "";
      })
      .join("");
  }

  /** Takes the deltas of a step away, which a whole message stands for now; false when there are none. */
  dropDeltas(epoch: number): boolean {
    const { rowsWritten } = this.#sql.exec(
      `DELETE FROM events WHERE type = '${DELTA}' AND epoch = ?`,
      epoch,
    );
    return rowsWritten > 0;
  }

  #take(cursor: Iterable<EventRecord>): SessionEventRow[] {
    const rows: SessionEventRow[] = [];
    let chars = 0;
    for (const { seq, at, type, turn, data: head, parts } of cursor) {
      const data = this.#texts.whole(placeOf(seq), { head, parts });
      rows.push({ seq, at, type, turn, data });
      chars += data.length;
      if (chars >= MAX_PAGE_CHARS) break;
    }
    return rows;
  }
}
