/** Builds the trees of a snapshot from its paths in order, holding no more than the folders that are open. */
import {
  compareEntries,
  type EntryMode,
  type TreeEntry,
  treeOid,
} from "../../intake/git-objects.ts";
import type { Described } from "./listing.ts";

/** An entry of a tree, with what is known of a file by its name and content. */
export interface StoredEntry extends TreeEntry, Described {}

export interface DescribedFile extends Described {
  readonly path: string;
  readonly mode: Exclude<EntryMode, "tree">;
  readonly oid: string;
}

interface Folder {
  readonly name: string;
  readonly entries: StoredEntry[];
}

export class TreeWriter {
  readonly #store: (oid: string, entries: readonly StoredEntry[]) => void;
  readonly #open: Folder[] = [{ name: "", entries: [] }];

  /** `store` is given each tree, what is below it before itself; equal ones more than once. */
  constructor(store: (oid: string, entries: readonly StoredEntry[]) => void) {
    this.#store = store;
  }

  /** Takes a file; files come in the order of the bytes of their paths. */
  add({ path, mode, oid, language, generated }: DescribedFile): void {
    const parts = path.split("/");
    const name = parts.pop() ?? "";
    let shared = 0;
    while (shared < parts.length && this.#open[shared + 1]?.name === parts[shared]) shared += 1;
    this.#closeTo(shared);
    for (const part of parts.slice(shared)) this.#open.push({ name: part, entries: [] });
    this.#open.at(-1)?.entries.push({ name, mode, oid, language, generated });
  }

  /** Closes what is open; returns the OID of the top tree. */
  finish(): string {
    this.#closeTo(0);
    return this.#close(this.#open[0]?.entries ?? []);
  }

  /** Closes the folders below a depth. */
  #closeTo(depth: number): void {
    while (this.#open.length > depth + 1) {
      const folder = this.#open.pop();
      if (folder === undefined) return;
      const oid = this.#close(folder.entries);
      const entry = {
        name: folder.name,
        mode: "tree",
        oid,
        language: null,
        generated: false,
      } as const;
      this.#open.at(-1)?.entries.push(entry);
    }
  }

  #close(entries: StoredEntry[]): string {
    entries.sort(compareEntries);
    const oid = treeOid(entries);
    this.#store(oid, entries);
    return oid;
  }
}
