/** Blobs and their contents, with the trigrams that narrow a search of them. */
import { isAscii } from "node:buffer";
import { z } from "zod";
import { findSecrets, type SecretSpan } from "../../intake/secrets.ts";
import type { TextEncodingName } from "../../intake/text-content.ts";
import type { Candidates } from "../../query/candidates.ts";
import { expressionOf, holds } from "../../query/formula.ts";
import { utf8Bytes } from "../../query/text-position.ts";
import type { TakenBlob } from "../types.ts";
import { FrequentCache } from "./frequent-cache.ts";
import { Parts } from "./parts.ts";
import { PARTS } from "./schema.ts";

/**
 * A row of the trigram index has so many characters at most, and begins with the last of the row
 * before. The product takes values of 2 MB, and a character has up to three bytes.
 */
const CHUNK_BYTES = 1_900_000;
const CHUNK_CHARS = 600_000;
const OVERLAP_CHARS = 256;
/** Characters of texts that are kept for the next file with the same content, and the next page. */
const RECENT_CHARS = 2_000_000;
/** Contents that are kept inflated for the next search: to inflate them is most of what it takes. */
const WARM_BYTES = 24 * 1024 * 1024;
/** Places of secrets that are kept, since to find them takes a look at all of a text. */
const WARM_SECRETS = 50_000;
/** Of one statement's parameter. */
const IDS_PER_QUERY = 5_000;

/** A row as this store wrote it: listings read one a file, so that none is checked again. */
interface BlobRow extends Record<string, SqlStorageValue> {
  readonly id: number;
  readonly oid: string;
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** Null for what is no text, or not held. */
  readonly encoding: TextEncodingName | null;
  readonly lines: number;
  readonly is_held: number;
  readonly is_minified: number;
  readonly secrets: number;
  readonly chunks: number;
}

export interface Blob
  extends Pick<
    BlobRow,
    "id" | "oid" | "sha256" | "size" | "encoding" | "lines" | "secrets" | "chunks"
  > {
  readonly is_held: boolean;
  readonly is_minified: boolean;
}

function blobOf(row: BlobRow): Blob {
  const { id, oid, sha256, size, encoding, lines, secrets, chunks } = row;
  const flags = { is_held: row.is_held !== 0, is_minified: row.is_minified !== 0 };
  return { id, oid, sha256, size, encoding, lines, secrets, chunks, ...flags };
}

const decoders = new Map<TextEncodingName, TextDecoder>();

function decoderOf(encoding: TextEncodingName): TextDecoder {
  let decoder = decoders.get(encoding);
  if (decoder === undefined) {
    decoder = new TextDecoder(encoding);
    decoders.set(encoding, decoder);
  }
  return decoder;
}

/**
 * A content in the form that is searched fastest, and takes no more memory than its bytes: a string
 * with a code unit for each of them, which is the text itself where all are ASCII.
 */
export interface Content {
  readonly bytes: string;
  readonly isAscii: boolean;
}

/** What candidates are found by. */
export type Match = Pick<Candidates & { kind: "match" }, "expression" | "formula" | "trigrams">;

const countRow = z.object({ count: z.number() });
const idRow = z.object({ id: z.number() });

export class BlobStore {
  readonly #sql: SqlStorage;
  readonly #contents: Parts;
  readonly #warm = new FrequentCache<Content>(WARM_BYTES);
  readonly #secrets = new FrequentCache<readonly SecretSpan[]>(WARM_SECRETS);
  readonly #recent = new Map<number, string>();
  #recentChars = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#contents = new Parts(sql, "contents");
  }

  /** Those of the OIDs that are stored. */
  known(oids: readonly string[]): Map<string, number> {
    const rows = this.#each<{ oid: string; id: number }>(
      oids,
      "SELECT b.oid, b.id FROM json_each(?) AS j CROSS JOIN blobs AS b WHERE b.oid = j.value",
    );
    return new Map(rows.map(({ oid, id }) => [oid, id]));
  }

  /** Bytes of those of the OIDs whose content was read, where others are what a manifest says. */
  sizes(oids: readonly string[]): Map<string, number> {
    const rows = this.#each<{ oid: string; size: number }>(
      oids,
      "SELECT b.oid, b.size FROM json_each(?) AS j CROSS JOIN blobs AS b WHERE b.oid = j.value AND b.sha256 <> ''",
    );
    return new Map(rows.map(({ oid, size }) => [oid, size]));
  }

  ofIds(ids: readonly number[]): Map<number, Blob> {
    const rows = this.#each<BlobRow>(
      ids,
      "SELECT b.* FROM json_each(?) AS j CROSS JOIN blobs AS b WHERE b.id = j.value",
    );
    return new Map(rows.map((row) => [row.id, blobOf(row)]));
  }

  named(oid: string): Blob | null {
    const [row] = this.#sql.exec<BlobRow>("SELECT * FROM blobs WHERE oid = ?", oid).toArray();
    return row === undefined ? null : blobOf(row);
  }

  count(): number {
    const [row] = this.#sql.exec("SELECT count(*) AS count FROM blobs").toArray();
    return countRow.parse(row).count;
  }

  /** The id that the next new blob will be above. */
  lastId(): number {
    const [row] = this.#sql.exec("SELECT coalesce(max(id), 0) AS id FROM blobs").toArray();
    return idRow.parse(row).id;
  }

  /**
   * Stores those that are not there. Texts go into the index after all rows: a statement on another
   * table in between makes FTS5 write out what it has gathered, which takes five times as long.
   */
  put(blobs: readonly TakenBlob[]): void {
    this.#giveWay(blobs);
    const rows = blobs.flatMap((blob) => this.#insert(blob));
    for (const { rowid, content } of rows) {
      this.#sql.exec("INSERT INTO tri (rowid, content) VALUES (?, ?)", rowid, content);
    }
  }

  /** What a manifest merely said of a content gives way to the content itself. */
  #giveWay(blobs: readonly TakenBlob[]): void {
    const claimed = new Set(this.claimed(blobs.map(({ oid }) => oid)));
    for (const { oid, sha256 } of blobs) {
      const known = sha256 !== "" && claimed.has(oid) ? this.named(oid) : null;
      if (known !== null) this.remove(known);
    }
  }

  /** Those of the OIDs that a manifest called too large, and that nobody has sent. */
  claimed(oids: readonly string[]): string[] {
    const rows = this.#each<{ oid: string }>(
      oids,
      "SELECT b.oid FROM json_each(?) AS j CROSS JOIN blobs AS b WHERE b.oid = j.value AND b.sha256 = ''",
    );
    return rows.map(({ oid }) => oid);
  }

  /** Returns the rows of the text index. */
  #insert(blob: TakenBlob): { readonly rowid: number; readonly content: string }[] {
    if (this.named(blob.oid) !== null) return [];
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
    const { id } = idRow.parse(row);
    if (deflated !== null) this.#contents.put(id, deflated);
    return chunks.map((content, chunk) => ({ rowid: id * PARTS + chunk, content }));
  }

  /** Null when it is not held. */
  content({ id, size }: Pick<Blob, "id" | "size">): Uint8Array | null {
    return this.#contents.get(id, size);
  }

  /** Null for what is binary or not held. */
  text(blob: Pick<Blob, "id" | "encoding" | "size">): string | null {
    const { id, encoding } = blob;
    if (encoding === null) return null;
    const known = this.#recent.get(id);
    if (known !== undefined) return known;
    const content = this.#inflated(blob);
    if (content === null) return null;
    if (encoding === "utf-8" && content.isAscii) return content.bytes;
    const text = decoderOf(encoding).decode(Buffer.from(content.bytes, "latin1"));
    this.#remember(id, text);
    return text;
  }

  /** The content of a text in UTF-8; null for any other. */
  utf8(blob: Pick<Blob, "id" | "encoding" | "size">): Content | null {
    return blob.encoding === "utf-8" ? this.#inflated(blob) : null;
  }

  #inflated({ id, size }: Pick<Blob, "id" | "size">): Content | null {
    const known = this.#warm.get(id);
    if (known !== undefined) return known;
    const inflated = this.#contents.get(id, size);
    if (inflated === null) return null;
    const buffer = Buffer.from(inflated.buffer, inflated.byteOffset, inflated.byteLength);
    const content = { bytes: buffer.toString("latin1"), isAscii: isAscii(buffer) };
    this.#warm.offer(id, content, content.bytes.length);
    return content;
  }

  /** Where its text has what looks like a secret. */
  secrets(blob: Pick<Blob, "id" | "encoding" | "size">): readonly SecretSpan[] {
    const known = this.#secrets.get(blob.id);
    if (known !== undefined) return known;
    const spans = findSecrets(this.text(blob) ?? "");
    this.#secrets.offer(blob.id, spans, spans.length + 1);
    return spans;
  }

  #remember(id: number, text: string): void {
    this.#recent.set(id, text);
    this.#recentChars += text.length;
    for (const [oldest, { length }] of this.#recent) {
      if (this.#recentChars <= RECENT_CHARS) return;
      this.#recent.delete(oldest);
      this.#recentChars -= length;
    }
  }

  /**
   * Ids of blobs that may hold what a formula of trigrams asks for. Of those in several rows, of
   * which one may hold what another lacks, `chunked` are looked at by each trigram.
   */
  matching({ expression, formula, trigrams }: Match, chunked: ReadonlySet<number>): Set<number> {
    const found = this.#rows(expression);
    if (chunked.size === 0) return found;
    const held = new Map([...chunked].map((id) => [id, new Set<string>()]));
    for (const trigram of trigrams) {
      for (const id of this.#rows(expressionOf({ kind: "trigram", trigram }))) {
        held.get(id)?.add(trigram);
      }
    }
    for (const [id, own] of held) if (holds(formula, own)) found.add(id);
    return found;
  }

  #rows(expression: string): Set<number> {
    const found = new Set<number>();
    for (const [row] of this.#sql
      .exec("SELECT rowid FROM tri WHERE tri MATCH ?", expression)
      .raw()) {
      if (typeof row === "number") found.add(Math.floor(row / PARTS));
    }
    return found;
  }

  remove({ id, chunks }: Pick<Blob, "id" | "chunks">): void {
    this.#recentChars -= this.#recent.get(id)?.length ?? 0;
    this.#recent.delete(id);
    this.#warm.delete(id);
    this.#secrets.delete(id);
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      this.#sql.exec("DELETE FROM tri WHERE rowid = ?", id * PARTS + chunk);
    }
    this.#contents.remove(id);
    this.#sql.exec("DELETE FROM blobs WHERE id = ?", id);
  }

  #each<Row extends Record<string, SqlStorageValue>>(
    keys: readonly (string | number)[],
    query: string,
  ): Row[] {
    const rows: Row[] = [];
    for (let at = 0; at < keys.length; at += IDS_PER_QUERY) {
      const page = JSON.stringify(keys.slice(at, at + IDS_PER_QUERY));
      rows.push(...this.#sql.exec<Row>(query, page).toArray());
    }
    return rows;
  }
}

function chunksOf(text: string): string[] {
  if (text.length <= CHUNK_BYTES && utf8Bytes(text) <= CHUNK_BYTES) return [text];
  const chunks: string[] = [];
  for (let at = 0; at < text.length; at += CHUNK_CHARS - OVERLAP_CHARS) {
    chunks.push(text.slice(at, at + CHUNK_CHARS));
    if (at + CHUNK_CHARS >= text.length) break;
  }
  return chunks;
}
