/** What parsers say of blobs: symbols, references and imports, and the words that find symbols. */
import { z } from "zod";
import type { CodeImport, CodeSymbol, ParsedFile } from "../../languages/parsed-file.ts";
import { FrequentCache } from "./frequent-cache.ts";
import { NameIndex } from "./names.ts";
import {
  NO_REFERENCES,
  type PackedReferences,
  packReferences,
  unpackReferences,
} from "./packed-references.ts";
import { deflate, Parts } from "./parts.ts";

/** Rows of the word index of one blob are numbered below this: 0 is the file itself, others its symbols. */
const WORDS = 65_536;

/** How the rows of the word index weigh: name, path, signature, body. */
const WEIGHTS = "10.0, 2.0, 4.0, 1.0";

export interface Definitions {
  readonly symbols: readonly CodeSymbol[];
  readonly imports: readonly CodeImport[];
}
/** Written by this object alone, of what a parser's answer was checked for. */
const definitionsSchema = z.custom<Definitions>((value) => typeof value === "object");

/** Where names are defined, which is all that searches ask of symbols, and little of what is known. */
export type DefinedName = Pick<CodeSymbol, "name" | "kind" | "exported" | "line" | "column">;

/** Definitions are kept in memory as long as they have so many symbols together. */
const RECENT_SYMBOLS = 20_000;
/** Names that are kept for the next search. */
const WARM_NAMES = 150_000;
const NOTHING: Definitions = { symbols: [], imports: [] };

const waitingRow = z.object({
  blob: z.number(),
  language: z.string(),
  path: z.string(),
  tries: z.number(),
  size: z.number(),
});
export type Unparsed = z.output<typeof waitingRow>;

const parsedRow = z.object({
  language: z.string(),
  symbols: z.number(),
  refs: z.number(),
  problem: z.string().nullable(),
});
export type ParsedState = z.output<typeof parsedRow>;

export interface WordHit {
  readonly blob: number;
  /** Index of the symbol; null for a file without any. */
  readonly symbol: number | null;
  /** Greater is better. */
  readonly bm25: number;
}

const pathRow = z.object({ blob: z.number(), path: z.string() });
const stateRow = z.object({ state: z.string() });
const hitRow = z.object({ rowid: z.number(), score: z.number() });

export class SymbolStore {
  readonly #sql: SqlStorage;
  readonly #definitions: Parts;
  readonly #references: Parts;
  readonly #names: NameIndex;
  /** Definitions read last, since searches come back to the same files. */
  readonly #recent = new Map<number, Definitions>();
  #recentSymbols = 0;
  readonly #warm = new FrequentCache<readonly DefinedName[]>(WARM_NAMES);

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#definitions = new Parts(sql, "symbol_data");
    this.#references = new Parts(sql, "reference_data");
    this.#names = new NameIndex(sql);
  }

  /** Notes a blob as one to be parsed, unless it is or was. */
  expect(blob: number, language: string, path: string): boolean {
    const { rowsWritten } = this.#sql.exec(
      `INSERT INTO unparsed (blob, language, path)
       SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM parsed WHERE blob = ?1)
       ON CONFLICT (blob) DO NOTHING`,
      blob,
      language,
      path,
    );
    return rowsWritten > 0;
  }

  /** Blobs that wait for a parser and were not handed to one since `before`. */
  due(before: number, limit: number): Unparsed[] {
    return this.#sql
      .exec(
        `SELECT u.blob, u.language, u.path, u.tries, b.size FROM unparsed AS u
         JOIN blobs AS b ON b.id = u.blob
         WHERE u.sent_at IS NULL OR u.sent_at <= ? ORDER BY u.language, u.blob LIMIT ?`,
        before,
        limit,
      )
      .toArray()
      .map((row) => waitingRow.parse(row));
  }

  setSent(blobs: readonly number[], now: number): void {
    this.#sql.exec(
      `UPDATE unparsed SET sent_at = ?, tries = tries + 1
       WHERE blob IN (SELECT value FROM json_each(?))`,
      now,
      JSON.stringify(blobs),
    );
  }

  /** The grammar that each blob was parsed with or waits for. */
  grammars(): Map<number, string> {
    const rows = this.#sql.exec<{ blob: number; language: string }>(
      "SELECT blob, language FROM unparsed UNION ALL SELECT blob, language FROM parsed",
    );
    return new Map(rows.toArray().map(({ blob, language }) => [blob, language]));
  }

  /** Those of the blobs that still wait for this grammar, with a path of each. */
  waiting(
    grammar: string,
    blobs: readonly number[],
  ): { readonly blob: number; readonly path: string }[] {
    return this.#sql
      .exec(
        `SELECT blob, path FROM unparsed
         WHERE language = ? AND blob IN (SELECT value FROM json_each(?))`,
        grammar,
        JSON.stringify(blobs),
      )
      .toArray()
      .map((row) => pathRow.parse(row));
  }

  /** Changes with everything that the index of words says. */
  wordState(): string {
    const row = this.#sql
      .exec("SELECT count(*) || ':' || coalesce(max(blob), 0) AS state FROM parsed")
      .one();
    return stateRow.parse(row).state;
  }

  isWaiting(blob: number): boolean {
    return this.#sql.exec("SELECT 1 FROM unparsed WHERE blob = ?", blob).toArray().length > 0;
  }

  *waitingBlobs(): Generator<number> {
    for (const [blob] of this.#sql.exec("SELECT blob FROM unparsed").raw()) {
      if (typeof blob === "number") yield blob;
    }
  }

  /** Stores what a parser said of blobs; see `BlobStore.put` for the order. */
  put(language: string, parsed: readonly (readonly [blob: number, file: ParsedFile])[]): void {
    for (const [blob, file] of parsed) this.#store(blob, language, file);
    for (const [blob, { symbols, references }] of parsed) {
      const defined = symbols.map(({ name }) => name);
      const referred = references.map(({ name }) => name);
      this.#names.put(blob, defined, referred);
    }
    for (const [blob, { symbols }] of parsed) {
      if (symbols.length === 0) continue;
      const names = [...new Set(symbols.map(({ name }) => name))].join("\n");
      this.#sql.exec("INSERT INTO symtri (rowid, name) VALUES (?, ?)", blob, names);
    }
    for (const [blob, { chunks }] of parsed) this.#putWords(blob, chunks);
  }

  #putWords(blob: number, chunks: ParsedFile["chunks"]): void {
    for (const { symbol, name, path, signature, body } of chunks) {
      const index = symbol === null ? 0 : symbol + 1;
      if (index >= WORDS) continue;
      this.#sql.exec(
        "INSERT INTO word (rowid, name, path, sig, body) VALUES (?, ?, ?, ?, ?)",
        blob * WORDS + index,
        name,
        path,
        signature,
        body,
      );
    }
  }

  #store(blob: number, language: string, { symbols, references, imports, problem }: ParsedFile) {
    this.#forget(blob);
    this.#definitions.putText(blob, JSON.stringify({ symbols, imports }));
    if (references.length > 0) this.#references.put(blob, deflate(packReferences(references)));
    this.#sql.exec(
      "INSERT OR REPLACE INTO parsed VALUES (?, ?, ?, ?, ?)",
      blob,
      language,
      symbols.length,
      references.length,
      problem?.code ?? null,
    );
    this.#sql.exec("DELETE FROM unparsed WHERE blob = ?", blob);
  }

  /** A blob that no parser came back from has no symbols, and says why. */
  giveUp(blob: number, language: string): void {
    this.#forget(blob);
    this.#sql.exec("INSERT INTO parsed VALUES (?, ?, 0, 0, 'parse_lost')", blob, language);
    this.#sql.exec("DELETE FROM unparsed WHERE blob = ?", blob);
  }

  state(blob: number): ParsedState | null {
    const [row] = this.#sql.exec("SELECT * FROM parsed WHERE blob = ?", blob).toArray();
    return row === undefined ? null : parsedRow.parse(row);
  }

  /** Empty for a blob that is not parsed. */
  definitions(blob: number): Definitions {
    const known = this.#recent.get(blob);
    if (known !== undefined) return known;
    const text = this.#definitions.getText(blob);
    if (text === null) return NOTHING;
    const definitions = definitionsSchema.parse(JSON.parse(text));
    this.#recent.set(blob, definitions);
    // One for the blob itself: there may be many without any.
    this.#recentSymbols += definitions.symbols.length + 1;
    for (const [oldest, { symbols }] of this.#recent) {
      if (this.#recentSymbols <= RECENT_SYMBOLS || oldest === blob) break;
      this.#recent.delete(oldest);
      this.#recentSymbols -= symbols.length + 1;
    }
    return definitions;
  }

  /** Of a walk through all, which would drive out what searches come back to. */
  definitionsOnce(blob: number): Definitions {
    const known = this.#recent.get(blob);
    if (known !== undefined) return known;
    const text = this.#definitions.getText(blob);
    return text === null ? NOTHING : definitionsSchema.parse(JSON.parse(text));
  }

  /** The names of its definitions, in their order. */
  definedNames(blob: number): readonly DefinedName[] {
    const known = this.#warm.get(blob);
    if (known !== undefined) return known;
    const names = this.definitionsOnce(blob).symbols.map(
      ({ name, kind, exported, line, column }): DefinedName => ({
        ...{ name, kind, exported, line, column },
      }),
    );
    this.#warm.offer(blob, names, names.length + 1);
    return names;
  }

  references(blob: number): PackedReferences {
    const packed = this.#references.get(blob);
    return packed === null ? NO_REFERENCES : unpackReferences(packed);
  }

  /** Ids of blobs that define a name, and of a few that do not. */
  defining(name: string): number[] {
    return this.#names.defining(name);
  }

  /** Ids of blobs that refer to a name, and of a few that do not. */
  referring(name: string): number[] {
    return this.#names.referring(name);
  }

  /** Ids of blobs that may define a name with these trigrams. */
  matching(expression: string): Set<number> {
    const found = new Set<number>();
    for (const [row] of this.#sql
      .exec("SELECT rowid FROM symtri WHERE symtri MATCH ?", expression)
      .raw()) {
      if (typeof row === "number") found.add(row);
    }
    return found;
  }

  /** Symbols by their words, the best first. */
  byWords(expression: string, limit: number, offset = 0): WordHit[] {
    return this.#sql
      .exec(
        `SELECT rowid, bm25(word, ${WEIGHTS}) AS score FROM word WHERE word MATCH ?
         ORDER BY score, rowid LIMIT ? OFFSET ?`,
        expression,
        limit,
        offset,
      )
      .toArray()
      .map((row) => hitRow.parse(row))
      .map(({ rowid, score }) => ({
        blob: Math.floor(rowid / WORDS),
        symbol: rowid % WORDS === 0 ? null : (rowid % WORDS) - 1,
        bm25: -score,
      }));
  }

  remove(blob: number): void {
    this.#forget(blob);
    this.#sql.exec("DELETE FROM unparsed WHERE blob = ?", blob);
  }

  #forget(blob: number): void {
    this.#recentSymbols -= (this.#recent.get(blob)?.symbols.length ?? -1) + 1;
    this.#recent.delete(blob);
    this.#warm.delete(blob);
    const known = this.state(blob);
    if (known === null) return;
    for (let index = 0; index <= Math.min(known.symbols, WORDS - 1); index += 1) {
      this.#sql.exec("DELETE FROM word WHERE rowid = ?", blob * WORDS + index);
    }
    this.#sql.exec("DELETE FROM symtri WHERE rowid = ?", blob);
    this.#names.remove(blob);
    this.#sql.exec("DELETE FROM parsed WHERE blob = ?", blob);
    this.#definitions.remove(blob);
    this.#references.remove(blob);
  }
}
