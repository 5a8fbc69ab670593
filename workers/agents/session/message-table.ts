/** The conversation as it is kept: nothing is ever taken out of it, what is not told any more says so. */
import type { Json } from "../../http/json.ts";
import type { Caller, SessionMessage } from "../session-port.ts";
import type { LongTexts } from "./long-texts.ts";

export interface StoredMessage extends SessionMessage {
  /** Of the step that wrote it, or that asked for it; null of a user's message. */
  readonly step: number | null;
}

export interface NewMessage extends Omit<StoredMessage, "attachments"> {
  readonly attachments?: readonly string[];
  /** Of a summary, the seq up to which it stands for all that was told. */
  readonly through?: number;
  /** Who sent it, and what tells the request from another with the same id; of a user's message. */
  readonly sent?: { readonly caller: Caller; readonly fingerprint: string };
}

export interface KnownRequest {
  readonly fingerprint: string;
  readonly turn: number | null;
  /** The call that it answers; null for none. */
  readonly answers: string | null;
}

interface MessageRecord extends Record<string, SqlStorageValue> {
  seq: number;
  id: string;
  at: number;
  turn: number | null;
  step: number | null;
  role: StoredMessage["role"];
  state: StoredMessage["state"];
  content: string;
  parts: number;
  attachments: string;
}

const COLUMNS = "seq, id, at, turn, step, role, state, content, parts, attachments";
const MAX_PAGE_CHARS = 1024 * 1024;
const placeOf = (id: string) => `message:${id}`;

export class MessageTable {
  readonly #sql: SqlStorage;
  readonly #texts: LongTexts;

  constructor(sql: SqlStorage, texts: LongTexts) {
    this.#sql = sql;
    this.#texts = texts;
  }

  insert(message: NewMessage): void {
    const { head, parts } = this.#texts.keep(placeOf(message.id), JSON.stringify(message.content));
    this.#sql.exec(
      `INSERT INTO messages (${COLUMNS}, caller, fingerprint, through)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      message.seq,
      message.id,
      message.at,
      message.turn,
      message.step,
      message.role,
      message.state,
      head,
      parts,
      JSON.stringify(message.attachments ?? []),
      message.sent ? JSON.stringify(message.sent.caller) : null,
      message.sent?.fingerprint ?? null,
      message.through ?? null,
    );
  }

  /** The turn of a message begins, and the message stands there from now on. */
  take(id: string, turn: number, seq: number): void {
    this.#sql.exec(
      "UPDATE messages SET state = 'taken', turn = ?, seq = ? WHERE id = ?",
      turn,
      seq,
      id,
    );
  }

  /** The message is the answer to a call, and told as that. */
  answer(id: string, turn: number, call: string): void {
    this.#sql.exec(
      "UPDATE messages SET state = 'taken', turn = ?, answers = ? WHERE id = ?",
      turn,
      call,
      id,
    );
  }

  rollBack(turn: number): void {
    this.#sql.exec("UPDATE messages SET state = 'rolled_back' WHERE turn = ?", turn);
  }

  /** What is told to the model, oldest first: the newest summary, and what it does not stand for. */
  told(): StoredMessage[] {
    const through = this.#through();
    return [
      ...this.#rows(
        `SELECT ${COLUMNS} FROM messages INDEXED BY messages_told
         WHERE state IN ('taken', 'cut') AND answers IS NULL AND seq > ?1
           AND (through IS NULL OR through = ?1) ORDER BY seq`,
        through,
      ),
    ];
  }

  /** After `after`, oldest first: at most `limit`, and about 1 MiB. */
  read(after: number, limit: number): StoredMessage[] {
    const found: StoredMessage[] = [];
    let chars = 0;
    const through = this.#through();
    const sql = `SELECT ${COLUMNS} FROM messages WHERE seq > ? ORDER BY seq LIMIT ?`;
    for (const message of this.#rows(sql, after, limit)) {
      const isTold = message.state === "taken" || message.state === "cut";
      const isCovered = isTold && message.seq <= through;
      found.push(isCovered ? { ...message, state: "compacted" } : message);
      chars += JSON.stringify(message.content).length;
      if (chars >= MAX_PAGE_CHARS) break;
    }
    return found;
  }

  get(id: string): StoredMessage | null {
    const [message] = this.#rows(`SELECT ${COLUMNS} FROM messages WHERE id = ?`, id);
    return message ?? null;
  }

  /** What the model wrote in the newest step of a turn in which it wrote, oldest first. */
  lastOf(turn: number): StoredMessage[] {
    return [
      ...this.#rows(
        `SELECT ${COLUMNS} FROM messages WHERE turn = ?1 AND role = 'assistant' AND step =
         (SELECT max(step) FROM messages WHERE turn = ?1 AND role = 'assistant') ORDER BY seq`,
        turn,
      ),
    ];
  }

  request(id: string): KnownRequest | null {
    const [row] = this.#sql
      .exec<Record<string, SqlStorageValue> & KnownRequest>(
        "SELECT fingerprint, turn, answers FROM messages WHERE id = ? AND fingerprint IS NOT NULL",
        id,
      )
      .toArray();
    return row ?? null;
  }

  callerOf(id: string): Caller | null {
    const [row] = this.#sql
      .exec<{ caller: string | null }>("SELECT caller FROM messages WHERE id = ?", id)
      .toArray();
    return row?.caller ? JSON.parse(row.caller) : null;
  }

  /** Seq up to which a summary stands for what was told; 0 without one. */
  #through(): number {
    const row = this.#sql
      .exec<{ through: number | null }>(
        `SELECT max(through) AS through FROM messages WHERE through IS NOT NULL AND state = 'taken'`,
      )
      .one();
    return row.through ?? 0;
  }

  *#rows(sql: string, ...values: readonly SqlStorageValue[]): Generator<StoredMessage> {
    for (const row of this.#sql.exec<MessageRecord>(sql, ...values)) {
      const { parts, content: head, attachments, ...rest } = row;
      const content: Json = JSON.parse(this.#texts.whole(placeOf(row.id), { head, parts }));
      yield { ...rest, content, attachments: JSON.parse(attachments) };
    }
  }
}
