/** Says what files import, and who imports them. */

import { folderOf } from "../../languages/resolve/paths.ts";
import type { Confidence, Resolution } from "../../languages/resolve.ts";
import {
  type NoFile,
  type OpenSnapshot,
  openPage,
  type PageRequest,
  pendingFiles,
  placeOf,
  type ReadReceipt,
  receiptFor,
  type SnapshotDeps,
  writePlace,
} from "../reading/pages.ts";
import type { BadCursor, NoSnapshot } from "../reading/pinned.ts";
import { grammarFor, type ListedFile, type Listing } from "../storage/listing.ts";
import type { SnapshotGraph } from "./graph-pack.ts";
import type { Graphs } from "./graphs.ts";
import type { SnapshotSource, Sources } from "./source.ts";

export const DIRECTIONS = ["out", "in", "both"] as const;
export type Direction = (typeof DIRECTIONS)[number];

export interface ImportsRequest extends PageRequest {
  /** Null for the imports of all files. */
  readonly path: string | null;
  readonly direction: Direction;
  /** Shows imports that lead to no file of the snapshot, too. */
  readonly outside: boolean;
}

/** What an import leads to: `missing` is what the snapshot should have and has not. */
export const IMPORT_TARGETS = ["file", "folder", "outside", "missing"] as const;
export type ImportTarget = (typeof IMPORT_TARGETS)[number];

/** The names that one statement takes from one place. */
export interface ImportDocument {
  readonly from: string;
  readonly line: number;
  /** As it is written. */
  readonly module: string;
  readonly names: readonly { readonly name: string; readonly alias: string | null }[];
  readonly target: ImportTarget;
  /** A path of the snapshot; null for `outside` and `missing`. */
  readonly to: string | null;
  /** Null where there is no path. */
  readonly confidence: Confidence | null;
}

export type ImportsAnswer =
  | {
      readonly status: "found";
      readonly items: readonly ImportDocument[];
      readonly next_cursor: string | null;
      readonly receipt: ReadReceipt;
    }
  | NoSnapshot
  | NoFile
  | BadCursor;

export interface ImportDeps extends SnapshotDeps {
  readonly sources: Sources;
  readonly graphs: Graphs;
}

/** Files that are read before others get a turn. */
const SLICE = 100;

export class ImportQueries {
  readonly #deps: ImportDeps;

  constructor(deps: ImportDeps) {
    this.#deps = deps;
  }

  async imports(request: ImportsRequest, now: number): Promise<ImportsAnswer> {
    const { symbols, sources, yielded } = this.#deps;
    const opened = openPage(request, this.#deps);
    if ("status" in opened) return opened;
    const { path, direction, outside, limit, deadline_ms } = request;
    const asked = JSON.stringify([path, direction, outside]);
    const place = placeOf(request.cursor, opened, asked);
    if ("status" in place) return place;
    const { listing, row } = opened;
    const about = path === null ? null : listing.indexOf(path);
    if (path !== null && about === null) return { status: "no_file" };
    const source = sources.of(row.root, listing);
    const pending = pendingFiles(listing, symbols);
    const files =
      about === null
        ? [...listing.files.keys()]
        : await this.#filesAbout(opened, about, direction, now);

    const items: ImportDocument[] = [];
    let next: typeof place | null = null;
    let time = now;
    // The file itself comes before those that import it.
    for (let at = place.f; at < files.length && next === null; at += 1) {
      if (at % SLICE === SLICE - 1) time = await yielded();
      if (time - now >= deadline_ms) next = { ...place, f: at, o: 0 };
      const file = listing.files[files[at] ?? -1];
      if (file === undefined || next !== null) continue;
      const isOwn = file.path === path;
      const found = this.#statements(file, source).filter(
        (each) =>
          (outside || each.to !== null) &&
          ((isOwn && direction !== "in" && at === 0) || path === null || leadsTo(each, path)),
      );
      const from = at === place.f ? place.o : 0;
      const taken = found.slice(from, from + limit - items.length);
      items.push(...taken);
      if (from + taken.length < found.length) next = { ...place, f: at, o: from + taken.length };
    }
    const missed = place.m || pending > 0;
    return {
      status: "found",
      items,
      next_cursor: next === null ? null : writePlace({ ...next, m: missed }),
      receipt: receiptFor(opened, { pending, hasMore: next !== null, missedBefore: place.m }),
    };
  }

  /** The file itself, then those that import it, or the folder that it is in as a whole. */
  async #filesAbout(
    opened: OpenSnapshot,
    about: number,
    direction: Direction,
    now: number,
  ): Promise<number[]> {
    if (direction === "out") return [about];
    const importers = importersOf(about, opened.listing, await this.#deps.graphs.of(opened, now));
    return direction === "in" ? importers : [about, ...importers];
  }

  /** One item for each place that a statement takes names from. */
  #statements(file: ListedFile, source: SnapshotSource): ImportDocument[] {
    const language = grammarFor(file);
    if (language === null || file.blob === null) return [];
    const { imports } = this.#deps.symbols.definitionsOnce(file.blob.id);
    return source.resolved(language, file.path, imports).flatMap((imported) => {
      const { module, line, names, resolutions } = imported;
      const byPlace = Map.groupBy(
        resolutions.map((resolution, index) => ({ resolution, name: names[index] })),
        ({ resolution }) => `${targetOf(resolution)} ${resolution.path ?? ""}`,
      );
      return [...byPlace.values()].flatMap((members) => {
        const [first] = members;
        if (first === undefined) return [];
        const { resolution } = first;
        return [
          {
            ...{ from: file.path, line, module, to: resolution.path },
            names: members.flatMap(({ name }) => name ?? []),
            target: targetOf(resolution),
            confidence: resolution.path === null ? null : resolution.confidence,
          },
        ];
      });
    });
  }
}

/** Indexes of the files that import a file, or the folder that it is in as a whole; in the listing's order. */
export function importersOf(
  about: number,
  { files }: Listing,
  { importers, imported }: SnapshotGraph,
): number[] {
  const folder = folderOf(files[about]?.path ?? "");
  const first = files.findIndex(({ path }) => folderOf(path) === folder);
  const found = new Set<number>();
  for (let edge = 0; edge < imported.length; edge += 1) {
    const target = imported[edge];
    if (target === about || target === -1 - first) found.add(importers[edge] ?? -1);
  }
  return [...found].sort((a, b) => a - b);
}

function targetOf({ path, isFolder, confidence }: Resolution): ImportTarget {
  if (path !== null) return isFolder ? "folder" : "file";
  return confidence === "exact" ? "outside" : "missing";
}

function leadsTo({ to, target }: ImportDocument, path: string): boolean {
  return target === "folder" ? to === folderOf(path) : to === path;
}
