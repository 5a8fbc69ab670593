/** Texts of any length in rows that hold 2 MB at most. */
import { splitText } from "../../runs/text-parts.ts";

/** 1.5 MB at most, however many bytes a character takes. */
export const PART_CHARS = 500_000;

/** What stays in the row itself, and how many parts go on elsewhere. */
export interface Kept {
  readonly head: string;
  readonly parts: number;
}

export class LongTexts {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** `place` is unique among all rows. */
  keep(place: string, text: string): Kept {
    if (text.length <= PART_CHARS) return { head: text, parts: 0 };
    const [head = "", ...rest] = splitText(text, PART_CHARS);
    for (const [part, piece] of rest.entries()) {
      this.#sql.exec("INSERT INTO parts VALUES (?, ?, ?)", place, part, piece);
    }
    return { head, parts: rest.length };
  }

  whole(place: string, { head, parts }: Kept): string {
    if (parts === 0) return head;
    const rest = this.#sql
      .exec<{ text: string }>("SELECT text FROM parts WHERE place = ? ORDER BY part", place)
      .toArray();
    return head + rest.map(({ text }) => text).join("");
  }

  forget(place: string): void {
    this.#sql.exec("DELETE FROM parts WHERE place = ?", place);
  }
}
