/**
 * What an attempt's object keeps on its disk. Secrets' values are not among it. There are no tables
 * before the first commit, so that an object that was only asked something leaves nothing behind.
 */
import { z } from "zod";
import type { OutputEntry } from "../detached.ts";
import type { AttemptRequest, Outcome } from "../port.ts";
import { type AttemptState, stateSchema } from "./state.ts";

const SCHEMA = `
  CREATE TABLE documents (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE parts (
    name TEXT NOT NULL, part INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name, part)
  ) WITHOUT ROWID;
  CREATE TABLE entries (
    number INTEGER PRIMARY KEY, stream TEXT NOT NULL, value TEXT NOT NULL, chars INTEGER NOT NULL
  );
  CREATE TABLE artifacts (
    number INTEGER PRIMARY KEY, path TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL,
    is_reported INTEGER NOT NULL DEFAULT 0
  );
`;
/** A row holds at most 2 MB; a character takes at most 3 bytes. */
const PART_CHARS = 600_000;

const progressSchema = z.object({
  /** Bytes of each stream that were read. */
  read: z.object({ stdout: z.int(), stderr: z.int() }),
  /** Characters of each stream that became entries. */
  shown: z.object({ stdout: z.int(), stderr: z.int() }),
  /** Entries of the dispatch so far. */
  entries: z.int(),
  is_cut: z.boolean(),
  stderr_tail: z.string(),
});
/** How far the output was taken, in the terms of its files and of the owner. */
export type Progress = Readonly<z.output<typeof progressSchema>>;

const NO_PROGRESS: Progress = {
  read: { stdout: 0, stderr: 0 },
  shown: { stdout: 0, stderr: 0 },
  entries: 0,
  is_cut: false,
  stderr_tail: "",
};

const entrySchema = z.object({
  number: z.int(),
  stream: z.enum(["stdout", "stderr"]),
  value: z.string(),
});
const artifactSchema = z.object({
  number: z.int(),
  path: z.string(),
  bytes: z.int(),
  sha256: z.string(),
});
export type StoredArtifact = Readonly<z.output<typeof artifactSchema>>;
const valueSchema = z.object({ value: z.string() });
const sumSchema = z.object({ value: z.number() });

export interface Change {
  readonly state?: AttemptState;
  readonly progress?: Progress;
  /** New entries; `progress` counts them in. */
  readonly entries?: readonly OutputEntry[];
  readonly request?: AttemptRequest;
  readonly outcome?: Outcome;
  readonly artifact?: Omit<StoredArtifact, "number">;
  readonly taken?: { readonly entries: number; readonly artifacts: number };
}

export class AttemptStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  /** Whether there are tables. */
  #isThere: boolean;
  /** Characters of entries that the owner has not taken. */
  #heldChars = 0;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    const tables = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'documents'");
    this.#isThere = tables.toArray().length > 0;
    for (const row of this.#rows("SELECT COALESCE(SUM(chars), 0) AS value FROM entries")) {
      this.#heldChars = sumSchema.parse(row).value;
    }
  }

  #rows(query: string, ...bindings: string[]): Record<string, SqlStorageValue>[] {
    return this.#isThere ? this.#sql.exec(query, ...bindings).toArray() : [];
  }

  /** Null when the object holds no attempt. */
  state(): AttemptState | null {
    const text = this.#document("state");
    return text === null ? null : stateSchema.parse(JSON.parse(text));
  }

  progress(): Progress {
    const text = this.#document("progress");
    return text === null ? NO_PROGRESS : progressSchema.parse(JSON.parse(text));
  }

  request(): AttemptRequest | null {
    const text = this.#joined("request");
    if (text === null) return null;
    const request: AttemptRequest = JSON.parse(text);
    return request;
  }

  outcome(): Outcome | null {
    const text = this.#joined("outcome");
    if (text === null) return null;
    const outcome: Outcome = JSON.parse(text);
    return outcome;
  }

  get heldChars(): number {
    return this.#heldChars;
  }

  get hasUnreported(): boolean {
    if (this.#heldChars > 0) return true;
    return this.#rows("SELECT 1 FROM artifacts WHERE is_reported = 0 LIMIT 1").length > 0;
  }

  /** The oldest entries, about `maxChars` of them, and how many came before. */
  entries(maxChars: number): { from: number; entries: OutputEntry[]; isAll: boolean } {
    const entries: OutputEntry[] = [];
    let from = 0;
    let chars = 0;
    if (!this.#isThere) return { from, entries, isAll: true };
    for (const row of this.#sql.exec("SELECT number, stream, value FROM entries ORDER BY number")) {
      if (chars >= maxChars) return { from, entries, isAll: false };
      const { number, stream, value } = entrySchema.parse(row);
      if (entries.length === 0) from = number;
      entries.push([stream, value]);
      chars += value.length;
    }
    return { from, entries, isAll: true };
  }

  /** Kept files, in the order in which they were kept. */
  artifacts(which: "all" | "unreported"): StoredArtifact[] {
    const condition = which === "all" ? "" : "WHERE is_reported = 0";
    return this.#rows(
      `SELECT number, path, bytes, sha256 FROM artifacts ${condition} ORDER BY number`,
    ).map((row) => artifactSchema.parse(row));
  }

  /** Writes everything of a change or nothing. */
  commit(change: Change): void {
    this.#storage.transactionSync(() => {
      if (!this.#isThere) this.#sql.exec(SCHEMA);
      this.#apply(change);
    });
    this.#isThere = true;
  }

  #apply({ state, progress, entries, request, outcome, artifact, taken }: Change): void {
    if (request) this.#split("request", JSON.stringify(request));
    if (state) this.#write("state", JSON.stringify(state));
    if (entries && progress) this.#append(progress.entries - entries.length, entries);
    if (progress) this.#write("progress", JSON.stringify(progress));
    if (outcome) this.#split("outcome", JSON.stringify(outcome));
    if (artifact) {
      const { path, bytes, sha256 } = artifact;
      this.#sql.exec(
        "INSERT INTO artifacts (path, bytes, sha256) VALUES (?, ?, ?)",
        path,
        bytes,
        sha256,
      );
    }
    if (taken) {
      this.#acknowledge(taken.entries);
      this.#sql.exec("UPDATE artifacts SET is_reported = 1 WHERE number <= ?", taken.artifacts);
    }
  }

  #acknowledge(entries: number): void {
    const freed = this.#sql
      .exec("SELECT COALESCE(SUM(chars), 0) AS value FROM entries WHERE number < ?", entries)
      .one();
    this.#sql.exec("DELETE FROM entries WHERE number < ?", entries);
    this.#heldChars -= sumSchema.parse(freed).value;
  }

  #append(from: number, entries: readonly OutputEntry[]): void {
    for (const [index, [stream, text]] of entries.entries()) {
      this.#sql.exec(
        "INSERT INTO entries (number, stream, value, chars) VALUES (?, ?, ?, ?)",
        from + index,
        stream,
        text,
        text.length,
      );
      this.#heldChars += text.length;
    }
  }

  /** Forgets everything, the alarm included. */
  async clear(): Promise<void> {
    this.#heldChars = 0;
    this.#isThere = false;
    await this.#storage.deleteAll();
  }

  #write(name: string, value: string): void {
    this.#sql.exec(
      "INSERT INTO documents (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
      name,
      value,
    );
  }

  #document(name: string): string | null {
    const [row] = this.#rows("SELECT value FROM documents WHERE name = ?", name);
    return row === undefined ? null : valueSchema.parse(row).value;
  }

  #split(name: string, text: string): void {
    this.#sql.exec("DELETE FROM parts WHERE name = ?", name);
    for (let part = 0; part * PART_CHARS < text.length; part += 1) {
      const value = text.slice(part * PART_CHARS, (part + 1) * PART_CHARS);
      this.#sql.exec("INSERT INTO parts (name, part, value) VALUES (?, ?, ?)", name, part, value);
    }
  }

  #joined(name: string): string | null {
    const rows = this.#rows("SELECT value FROM parts WHERE name = ? ORDER BY part", name);
    return rows.length === 0 ? null : rows.map((row) => valueSchema.parse(row).value).join("");
  }
}
