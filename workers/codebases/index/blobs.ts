/** Blobs and their contents, with the trigrams that narrow a search of them. */
import { z } from "zod";
import type { TextEncodingName } from "../intake/text-content.ts";
import { Parts } from "./parts.ts";
import { PARTS } from "./schema.ts";
import type { TakenBlob } from "./types.ts";

/** A row of the trigram index has so many characters at most, and begins with the last of the row before. */
const CHUNK_CHARS = 512 * 1024;
const OVERLAP_CHARS = 256;
/** Of one statement's parameter. */
const IDS_PER_QUERY = 5_000;

const flag = z.number().transform((value) => value !== 0);
const blobRow = z.object({
  id: z.number(),
  oid: z.string(),
  sha256: z.string(),
  size: z.number(),
  encoding: z
    .string()
    .nullable()
    .transform((name): TextEncodingName | null => {
      if (name === null) return null;
      return name === "utf-16le" || name === "utf-16be" || name === "windows-1252" ? name : "utf-8";
    }),
  lines: z.number(),
  is_held: flag,
  is_minified: flag,
  secrets: z.number(),
  chunks: z.number(),
});
export type Blob = z.output<typeof blobRow>;

const decoders = new Map<TextEncodingName, TextDecoder>();

function decoderOf(encoding: TextEncodingName): TextDecoder {
  let decoder = decoders.get(encoding);
  if (decoder === undefined) {
    decoder = new TextDecoder(encoding);
    decoders.set(encoding, decoder);
  }
  return decoder;
}

export class BlobStore {
  readonly #sql: SqlStorage;
  readonly #contents: Parts;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#contents = new Parts(sql, "contents");
  }

  /** Those of the OIDs that are stored. */
  known(oids: readonly string[]): Map<string, number> {
    const rows = this.#each(
      oids,
      "SELECT b.oid, b.id FROM json_each(?) AS j JOIN blobs AS b ON b.oid = j.value",
    );
    const pair = z.object({ oid: z.string(), id: z.number() });
    return new Map(rows.map((row) => pair.parse(row)).map(({ oid, id }) => [oid, id]));
  }

  ofIds(ids: readonly number[]): Map<number, Blob> {
    const rows = this.#each(
      ids,
      "SELECT b.* FROM json_each(?) AS j JOIN blobs AS b ON b.id = j.value",
    );
    return new Map(rows.map((row) => blobRow.parse(row)).map((blob) => [blob.id, blob]));
  }

  named(oid: string): Blob | null {
    const [row] = this.#sql.exec("SELECT * FROM blobs WHERE oid = ?", oid).toArray();
    return row === undefined ? null : blobRow.parse(row);
  }

  /** The id that the next new blob will be above. */
  lastId(): number {
    const [row] = this.#sql.exec("SELECT coalesce(max(id), 0) AS id FROM blobs").toArray();
    return z.object({ id: z.number() }).parse(row).id;
  }

  /** Stores a blob unless it is there; returns its id. */
  put(blob: TakenBlob): number {
    const known = this.named(blob.oid);
    if (known !== null) return known.id;
    const { oid, sha256, size, encoding, lines, secrets, text, deflated } = blob;
    const chunks = text === null ? [] : chunksOf(text);
    const [row] = this.#sql
      .exec(
        `INSERT INTO blobs (oid, sha256, size, encoding, lines, is_held, is_minified, secrets, chunks)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
        oid,
        sha256,
        size,
        encoding,
        lines,
        deflated === null ? 0 : 1,
        blob.minified ? 1 : 0,
        secrets,
        chunks.length,
      )
      .toArray();
    const { id } = z.object({ id: z.number() }).parse(row);
    if (deflated !== null) this.#contents.put(id, deflated);
    for (const [chunk, content] of chunks.entries()) {
      this.#sql.exec("INSERT INTO tri (rowid, content) VALUES (?, ?)", id * PARTS + chunk, content);
    }
    return id;
  }

  /** Null when it is not held. */
  content(id: number): Uint8Array | null {
    return this.#contents.get(id);
  }

  /** Null for what is binary or not held. */
  text({ id, encoding }: Pick<Blob, "id" | "encoding">): string | null {
    if (encoding === null) return null;
    const content = this.#contents.get(id);
    return content === null ? null : decoderOf(encoding).decode(content);
  }

  /** Ids of blobs that may hold what an expression of trigrams asks for. */
  matching(expression: string): Set<number> {
    const found = new Set<number>();
    for (const [row] of this.#sql
      .exec("SELECT rowid FROM tri WHERE tri MATCH ?", expression)
      .raw()) {
      if (typeof row === "number") found.add(Math.floor(row / PARTS));
    }
    return found;
  }

  remove({ id, chunks }: Pick<Blob, "id" | "chunks">): void {
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      this.#sql.exec("DELETE FROM tri WHERE rowid = ?", id * PARTS + chunk);
    }
    this.#contents.remove(id);
    this.#sql.exec("DELETE FROM blobs WHERE id = ?", id);
  }

  #each(keys: readonly (string | number)[], query: string): unknown[] {
    const rows: unknown[] = [];
    for (let at = 0; at < keys.length; at += IDS_PER_QUERY) {
      const page = JSON.stringify(keys.slice(at, at + IDS_PER_QUERY));
      for (const row of this.#sql.exec(query, page)) rows.push(row);
    }
    return rows;
  }
}

function chunksOf(text: string): string[] {
  if (text.length <= CHUNK_CHARS) return [text];
  const chunks: string[] = [];
  for (let at = 0; at < text.length; at += CHUNK_CHARS - OVERLAP_CHARS) {
    chunks.push(text.slice(at, at + CHUNK_CHARS));
    if (at + CHUNK_CHARS >= text.length) break;
  }
  return chunks;
}
