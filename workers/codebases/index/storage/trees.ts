/** Trees of snapshots: equal folders are one tree, whatever snapshots they are in. */
import { z } from "zod";
import { Attributes, type AttributesFile, isAttributesFile } from "../../intake/attributes.ts";
import { GIT_MODES, modeOfNumber } from "../../intake/git-objects.ts";
import type { Blob, BlobStore } from "./blobs.ts";
import { Listing, listFile } from "./listing.ts";
import { Parts } from "./parts.ts";
import type { ProjectLanguages } from "./project-languages.ts";
import { type DescribedFile, type StoredEntry, TreeWriter } from "./tree-writer.ts";

export type { DescribedFile } from "./tree-writer.ts";

const entriesSchema = z.array(
  z.tuple([
    z.string(),
    z.number(),
    z.string(),
    z.string().nullable(),
    z.union([z.literal(0), z.literal(1)]),
  ]),
);
const idRow = z.object({ id: z.number() });

/** Files that listings in memory have together. */
const MAX_LISTED_FILES = 250_000;

export class TreeStore {
  readonly #sql: SqlStorage;
  readonly #blobs: BlobStore;
  readonly #languages: ProjectLanguages;
  readonly #entries: Parts;
  readonly #listings = new Map<string, Listing>();

  constructor(sql: SqlStorage, blobs: BlobStore, languages: ProjectLanguages) {
    this.#sql = sql;
    this.#blobs = blobs;
    this.#languages = languages;
    this.#entries = new Parts(sql, "tree_entries");
  }

  /** Stores the trees of files in the order of their paths, and lists them; returns the OID of the top one. */
  put(files: Iterable<DescribedFile>): string {
    const writer = new TreeWriter((oid, entries) => this.#store(oid, entries));
    const listed: DescribedFile[] = [];
    for (const file of files) {
      writer.add(file);
      listed.push(file);
    }
    const root = writer.finish();
    if (!this.#listings.has(root)) this.#keep(root, this.#list(listed));
    return root;
  }

  #store(oid: string, entries: readonly StoredEntry[]): void {
    if (this.#idOf(oid) !== null) return;
    const [row] = this.#sql.exec("INSERT INTO trees (oid) VALUES (?) RETURNING id", oid).toArray();
    const packed = entries.map(({ name, mode, oid: child, language, generated }) => {
      return [name, GIT_MODES[mode], child, language, generated ? 1 : 0];
    });
    this.#entries.putText(idRow.parse(row).id, JSON.stringify(packed));
  }

  /** The entries of a tree in git's order; undefined when it is not stored. */
  get(oid: string): StoredEntry[] | undefined {
    const id = this.#idOf(oid);
    const text = id === null ? null : this.#entries.getText(id);
    if (text === null) return undefined;
    return entriesSchema
      .parse(JSON.parse(text))
      .flatMap(([name, number, child, language, flag]) => {
        const mode = modeOfNumber(number);
        return mode === undefined
          ? []
          : [{ name, mode, oid: child, language, generated: flag === 1 }];
      });
  }

  /** Every file below a tree; kept in memory for the next search. */
  listing(root: string): Listing {
    const known = this.#listings.get(root);
    if (known !== undefined) {
      this.#listings.delete(root);
      this.#listings.set(root, known);
      return known;
    }
    const listing = this.#list([...this.#walk(root, "")]);
    this.#keep(root, listing);
    return listing;
  }

  #keep(root: string, listing: Listing): void {
    this.#listings.set(root, listing);
    let files = 0;
    for (const each of this.#listings.values()) files += each.files.length;
    for (const [oldest, each] of this.#listings) {
      if (files <= MAX_LISTED_FILES || oldest === root) break;
      files -= each.files.length;
      this.#listings.delete(oldest);
    }
  }

  forgetListings(): void {
    this.#listings.clear();
  }

  remove(oid: string): void {
    const id = this.#idOf(oid);
    if (id === null) return;
    this.#entries.remove(id);
    this.#sql.exec("DELETE FROM trees WHERE id = ?", id);
  }

  /** OIDs of all trees that are stored. */
  *oids(): Generator<string> {
    for (const [oid] of this.#sql.exec("SELECT oid FROM trees").raw()) {
      if (typeof oid === "string") yield oid;
    }
  }

  #list(files: readonly DescribedFile[]): Listing {
    const ids = this.#blobs.known([...new Set(files.map(({ oid }) => oid))]);
    const blobs = this.#blobs.ofIds([...ids.values()]);
    const blobOf = (oid: string): Blob | null => {
      const id = ids.get(oid);
      return id === undefined ? null : (blobs.get(id) ?? null);
    };
    const attributes = new Attributes(this.#attributesFiles(files, blobOf));
    return new Listing(
      files.map((file) => {
        const blob = file.mode === "submodule" ? null : blobOf(file.oid);
        return listFile(file, file, blob, {
          attributes: attributes.linguist(file.path),
          languages: this.#languages,
        });
      }),
    );
  }

  *#attributesFiles(
    files: readonly DescribedFile[],
    blobOf: (oid: string) => Blob | null,
  ): Generator<AttributesFile> {
    for (const { path, oid } of files) {
      const blob = isAttributesFile(path) ? blobOf(oid) : null;
      const content = blob === null ? null : this.#blobs.text(blob);
      if (content !== null) yield { path, content };
    }
  }

  *#walk(oid: string, prefix: string): Generator<DescribedFile> {
    for (const { name, mode, oid: child, language, generated } of this.get(oid) ?? []) {
      const path = `${prefix}${name}`;
      if (mode === "tree") yield* this.#walk(child, `${path}/`);
      else yield { path, mode, oid: child, language, generated };
    }
  }

  #idOf(oid: string): number | null {
    const [row] = this.#sql.exec("SELECT id FROM trees WHERE oid = ?", oid).toArray();
    return row === undefined ? null : idRow.parse(row).id;
  }
}
