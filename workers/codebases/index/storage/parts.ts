/** Values of any size in rows of a bounded one. */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { PARTS } from "./schema.ts";

/** The product takes rows of 2 MB. */
const PART_BYTES = 1_500_000;

/** A row as this store wrote it: a search reads hundreds, so that none is checked again. */
type DataRow = { readonly data: ArrayBuffer };

/** The level that gives a third of the size at the speed of the disk. */
const LEVEL = 1;

export function deflate(content: Uint8Array): Uint8Array {
  return deflateRawSync(content, { level: LEVEL });
}

export class Parts {
  readonly #sql: SqlStorage;
  readonly #table: string;

  constructor(
    sql: SqlStorage,
    table: "contents" | "tree_entries" | "symbol_data" | "reference_data" | "graph_data",
  ) {
    this.#sql = sql;
    this.#table = table;
  }

  /** Stores what `deflate` gave, in place of what was there. */
  put(id: number, deflated: Uint8Array): void {
    this.remove(id);
    for (let part = 0, at = 0; part === 0 || at < deflated.byteLength; part += 1) {
      if (part === PARTS) throw new RangeError(`A value has ${deflated.byteLength} bytes.`);
      const data = deflated.slice(at, at + PART_BYTES);
      this.#sql.exec(`INSERT INTO ${this.#table} VALUES (?, ?)`, id * PARTS + part, data.buffer);
      at += PART_BYTES;
    }
  }

  putText(id: number, text: string): void {
    this.put(id, deflate(Buffer.from(text)));
  }

  /** Null when nothing is stored; `size` is that of the value, where it is known. */
  get(id: number, size?: number): Uint8Array | null {
    const rows = this.#sql
      .exec<DataRow>(
        `SELECT data FROM ${this.#table} WHERE id >= ? AND id < ? ORDER BY id`,
        id * PARTS,
        (id + 1) * PARTS,
      )
      .toArray();
    if (rows.length === 0) return null;
    const parts = rows.map(({ data }) => new Uint8Array(data));
    const [only] = parts;
    const deflated = parts.length === 1 && only ? only : Buffer.concat(parts);
    // In one piece, which saves putting it together.
    return inflateRawSync(
      deflated,
      size === undefined ? {} : { chunkSize: Math.max(64, size + 1) },
    );
  }

  getText(id: number): string | null {
    const bytes = this.get(id);
    return bytes === null
      ? null
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  }

  remove(id: number): void {
    this.#sql.exec(
      `DELETE FROM ${this.#table} WHERE id >= ? AND id < ?`,
      id * PARTS,
      (id + 1) * PARTS,
    );
  }
}
