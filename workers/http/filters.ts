/** Filters that lists of resources share: their wire form, and the SQL that they become. */
import { z } from "@hono/zod-openapi";
import { type Page, pageSql } from "./page.ts";

export interface Label {
  readonly key: string;
  readonly value: string;
}

const MAX_LABEL_FILTERS = 10;
const labelText = z
  .string()
  .max(320)
  .regex(/^[^=]+=/, "Send a label as key=value.");

/** `?label=key=value`, once or several times. */
export const labelFilter = z
  .union([z.string(), z.array(z.string()).max(MAX_LABEL_FILTERS)])
  .transform((sent) => [sent].flat())
  .pipe(z.array(labelText))
  .transform((labels): Label[] => labels.map(toLabel))
  .openapi({ type: "string", description: "`key=value`; repeat it for those that have them all." });

function toLabel(text: string): Label {
  const at = text.indexOf("=");
  return { key: text.slice(0, at), value: text.slice(at + 1) };
}

/** Gathers the conditions of a list over a table with `created_at`, `id` and `document`. */
export class FilterSql {
  readonly #where: string[];
  readonly #tail: string;
  readonly parameters: (string | number)[];

  constructor(page: Page) {
    const { where, parameters, tail } = pageSql(page);
    this.#where = where;
    this.#tail = tail;
    this.parameters = parameters;
  }

  /** Null is no condition. `column` is the caller's own text. */
  oneOf(column: string, values: readonly string[] | null): void {
    if (values === null) return;
    this.#where.push(`${column} IN (SELECT value FROM json_each(?))`);
    this.parameters.push(JSON.stringify(values));
  }

  equals(column: string, value: string | null): void {
    this.oneOf(column, value === null ? null : [value]);
  }

  /** The column is a flag. */
  isSet(column: string, flag: boolean | null): void {
    if (flag !== null) this.#where.push(flag ? column : `NOT ${column}`);
  }

  /** The column, a JSON array, holds all of these values. */
  holdsAll(column: string, values: readonly string[]): void {
    if (values.length === 0) return;
    this.#where.push(
      `NOT EXISTS (SELECT 1 FROM json_each(?) AS wanted WHERE wanted.value NOT IN (SELECT value FROM json_each(${column})))`,
    );
    this.parameters.push(JSON.stringify(values));
  }

  /** The column's text has all of these words somewhere. */
  mentions(column: string, words: readonly string[]): void {
    for (const word of words) {
      this.#where.push(`instr(${column}, ?) > 0`);
      this.parameters.push(word);
    }
  }

  /** The row's document has all of these labels. */
  labels(labels: readonly Label[]): void {
    for (const { key, value } of labels) {
      this.#where.push(
        "EXISTS (SELECT 1 FROM json_each(document, '$.labels') AS label WHERE label.key = ? AND label.value = ?)",
      );
      this.parameters.push(key, value);
    }
  }

  /** What follows `SELECT … FROM table`. */
  get clause(): string {
    const conditions = this.#where.length > 0 ? `WHERE ${this.#where.join(" AND ")} ` : "";
    return `${conditions}${this.#tail}`;
  }
}
