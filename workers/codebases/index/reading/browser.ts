/** Reads the files of a snapshot: lists, folders and contents. */
import picomatch from "picomatch";
import type { BlobStore } from "../storage/blobs.ts";
import { type ListedFile, traitsOf } from "../storage/listing.ts";
import type { SnapshotStore } from "../storage/snapshots.ts";
import type { TreeStore } from "../storage/trees.ts";
import type { FileEntry } from "../types.ts";
import { type OpenSnapshot, openPage, openSnapshot, placeOf, writePlace } from "./pages.ts";
import type { BadCursor, NoSnapshot } from "./pinned.ts";

export interface FilePageRequest {
  /** A folder, without the last slash; empty for all. */
  readonly folder: string;
  readonly glob: string | null;
  readonly language: string | null;
  readonly cursor: string | null;
  readonly limit: number;
}

export type FilesAnswer =
  | {
      readonly status: "found";
      readonly snapshot: number;
      readonly items: readonly FileEntry[];
      readonly next_cursor: string | null;
    }
  | NoFolder
  | NoSnapshot
  | BadCursor;

export type NoFolder = { readonly status: "no_folder" };

export interface TreeFolder {
  readonly name: string;
  readonly path: string;
  readonly oid: string;
  /** Files below it, at any depth. */
  readonly files: number;
}

export type TreeFound =
  | {
      readonly status: "folder";
      readonly snapshot: number;
      readonly oid: string;
      readonly folders: readonly TreeFolder[];
      readonly files: readonly FileEntry[];
    }
  | NoFolder;

export type FoundFile =
  | {
      readonly status: "found";
      readonly snapshot: number;
      readonly entry: FileEntry;
      readonly sha256: string;
      /** Null for a submodule, and for what is too large to be held. */
      readonly content: Uint8Array | null;
    }
  | { readonly status: "no_file" };

export interface BrowserDeps {
  readonly blobs: BlobStore;
  readonly trees: TreeStore;
  readonly snapshots: SnapshotStore;
}

export class Browser {
  readonly #deps: BrowserDeps;

  constructor(deps: BrowserDeps) {
    this.#deps = deps;
  }

  /** A page of files in git's order. */
  files(snapshot: string | null, request: FilePageRequest): FilesAnswer {
    const { folder, glob, language, cursor, limit } = request;
    const opened = openPage({ snapshot, cursor }, this.#deps);
    if ("status" in opened) return opened;
    const place = placeOf(cursor, opened, JSON.stringify(["files", folder, glob, language]));
    if ("status" in place) return place;
    const { listing, row } = opened;
    if (this.#folderOid(row.root, folder) === null) return { status: "no_folder" };
    const prefix = folder === "" ? "" : `${folder}/`;
    const matches = glob === null ? null : picomatch(glob, { dot: true });
    const items: FileEntry[] = [];
    for (let at = place.f; at < listing.files.length; at += 1) {
      const file = listing.files[at];
      if (file === undefined || !file.path.startsWith(prefix)) continue;
      if (language !== null && file.language !== language) continue;
      if (matches !== null && !matches(file.path)) continue;
      if (items.length === limit) {
        const next_cursor = writePlace({ ...place, f: at });
        return { status: "found", snapshot: row.number, items, next_cursor };
      }
      items.push(entryOf(file));
    }
    return { status: "found", snapshot: row.number, items, next_cursor: null };
  }

  tree(name: string | null, path: string): TreeFound | null {
    const found = this.listing(name);
    if (found === null) return null;
    const { listing, row } = found;
    const oid = this.#folderOid(row.root, path);
    if (oid === null) return { status: "no_folder" };
    const prefix = path === "" ? "" : `${path}/`;
    const counts = new Map<string, number>();
    const files: FileEntry[] = [];
    for (const file of listing.files) {
      if (!file.path.startsWith(prefix)) continue;
      const slash = file.path.indexOf("/", prefix.length);
      if (slash < 0) files.push(entryOf(file));
      else {
        const folder = file.path.slice(prefix.length, slash);
        counts.set(folder, (counts.get(folder) ?? 0) + 1);
      }
    }
    const folders = (this.#deps.trees.get(oid) ?? []).flatMap((entry) =>
      entry.mode === "tree"
        ? [
            {
              ...{ name: entry.name, path: `${prefix}${entry.name}`, oid: entry.oid },
              files: counts.get(entry.name) ?? 0,
            },
          ]
        : [],
    );
    return { status: "folder", snapshot: row.number, oid, folders, files };
  }

  file(name: string | null, path: string): FoundFile | null {
    const found = this.listing(name);
    if (found === null) return null;
    const file = found.listing.at(path);
    if (file === null) return { status: "no_file" };
    const { blob } = file;
    return {
      status: "found",
      snapshot: found.row.number,
      entry: entryOf(file),
      sha256: blob?.sha256 ?? "",
      content: blob === null ? null : this.#deps.blobs.content(blob),
    };
  }

  /** The files of a ready snapshot. */
  listing(name: string | null): OpenSnapshot | null {
    return openSnapshot(name, this.#deps);
  }

  #folderOid(root: string | null, path: string): string | null {
    let oid = root;
    for (const name of path.split("/").filter((part) => part !== "")) {
      const entries = oid === null ? undefined : this.#deps.trees.get(oid);
      oid = entries?.find((entry) => entry.mode === "tree" && entry.name === name)?.oid ?? null;
    }
    return oid;
  }
}

export function entryOf(file: ListedFile): FileEntry {
  const { path, mode, oid, language, blob } = file;
  return {
    ...{ path, mode, oid, language },
    size: blob?.size ?? 0,
    lines: blob?.lines ?? 0,
    traits: traitsOf(file),
  };
}
