/** Compares two snapshots: their files, lines and symbols. */
import { unifiedHunks } from "../../diff/hunks.ts";
import { diffLines, linesOf } from "../../diff/lines.ts";
import { findRenames, type RenameSide } from "../../diff/renames.ts";
import {
  diffSymbols,
  type FileSymbols,
  joinMoved,
  type SymbolChange,
  type SymbolSide,
} from "../../diff/symbols.ts";
import { diffTrees } from "../../intake/trees.ts";
import {
  maskerFor,
  type OpenSnapshot,
  openPage,
  openSnapshot,
  type PageRequest,
  pendingFiles,
  placeOf,
  type ReadReceipt,
  receiptFor,
  type SnapshotDeps,
  writePlace,
} from "../reading/pages.ts";
import type { BadCursor } from "../reading/pinned.ts";
import type { BlobStore } from "../storage/blobs.ts";
import { has, isSearched, type ListedFile, type Listing } from "../storage/listing.ts";
import type { SnapshotRow } from "../storage/snapshots.ts";

export const FILE_CHANGES = ["added", "removed", "changed", "renamed"] as const;
export type FileChangeKind = (typeof FILE_CHANGES)[number];

export interface DiffRequest extends PageRequest {
  /** Null for the ready snapshot before the head, or for nothing when there is none. */
  readonly base: string | null;
  /** Adds unified hunks. */
  readonly patch: boolean;
  /** A folder or file that alone is compared; empty for all. */
  readonly path: string;
}

export interface FileDiff {
  readonly change: FileChangeKind;
  readonly path: string;
  /** Where it was, when it was renamed. */
  readonly old_path: string | null;
  readonly oid: string | null;
  readonly old_oid: string | null;
  readonly mode: ListedFile["mode"] | null;
  readonly old_mode: ListedFile["mode"] | null;
  /** Of contents of a renamed file, 1 when they are the same; null for others. */
  readonly similarity: number | null;
  /** Null when it is no text. */
  readonly lines_added: number | null;
  readonly lines_removed: number | null;
  readonly symbols: readonly SymbolChange[];
  /** Unified hunks; null unless asked for, and when there is no text or too much of it. */
  readonly patch: string | null;
  readonly patch_omitted: "binary" | "too_large" | null;
}

export interface DiffReceipt extends ReadReceipt {
  readonly base: number | null;
  readonly base_root: string | null;
}

export type DiffAnswer =
  | {
      readonly status: "found";
      readonly counts: Readonly<Record<FileChangeKind, number>>;
      readonly items: readonly FileDiff[];
      readonly next_cursor: string | null;
      readonly receipt: DiffReceipt;
    }
  | { readonly status: "no_snapshot"; readonly name: string | null }
  | BadCursor;

export interface DiffDeps extends SnapshotDeps {
  readonly blobs: BlobStore;
}

const CONTEXT_LINES = 3;
const MAX_PATCH_CHARS = 256 * 1024;
/** A page ends when its patches have so many characters. */
const PAGE_PATCH_CHARS = 1024 * 1024;
/** Lines of larger files are counted as all replaced. */
const MAX_COMPARED_CHARS = 2 * 1024 * 1024;
/** Symbols that moved are looked for among so many files. */
const MAX_FILES_OF_MOVES = 3_000;
const SLICE = 100;
const KEPT_COMPARISONS = 2;

interface Pair {
  readonly change: FileChangeKind;
  readonly path: string;
  readonly before: ListedFile | null;
  readonly after: ListedFile | null;
  readonly similarity: number | null;
}

interface Comparison {
  readonly pairs: readonly Pair[];
  /** What moved, by the place of the file among the pairs. */
  readonly moves: ReadonlyMap<number, readonly SymbolChange[]>;
}

const EMPTY: Pick<Listing, "at"> = { at: () => null };

export class DiffQueries {
  readonly #deps: DiffDeps;
  readonly #kept = new Map<string, Comparison>();

  constructor(deps: DiffDeps) {
    this.#deps = deps;
  }

  async diff(request: DiffRequest, now: number): Promise<DiffAnswer> {
    const { symbols, yielded } = this.#deps;
    const head = openPage(request, this.#deps);
    if ("status" in head) {
      return head.status === "no_snapshot" ? { ...head, name: request.snapshot } : head;
    }
    const base = request.base === null ? this.#before(head.row) : this.#open(request.base);
    if (base === null && request.base !== null)
      return { status: "no_snapshot", name: request.base };
    const { path, patch, limit, deadline_ms } = request;
    const place = placeOf(
      request.cursor,
      head,
      JSON.stringify([base?.row.number ?? null, path, patch]),
    );
    if ("status" in place) return place;
    const pending = new Set([
      pendingFiles(head.listing, symbols),
      base === null ? 0 : pendingFiles(base.listing, symbols),
    ]);
    const missing = Math.max(...pending);
    const { pairs: all, moves } = await this.#compare(base, head, missing > 0);
    const places = [...all.keys()].filter((at) => isBelow(all[at], path));

    const items: FileDiff[] = [];
    let chars = 0;
    let time = now;
    let at = place.f;
    for (; at < places.length && items.length < limit && chars < PAGE_PATCH_CHARS; at += 1) {
      if (time - now >= deadline_ms) break;
      const index = places[at] ?? 0;
      const pair = all[index];
      if (pair === undefined) continue;
      const item = this.#describe(pair, moves.get(index) ?? [], patch);
      chars += item.patch?.length ?? 0;
      items.push(item);
      time = await yielded();
    }
    const hasMore = at < places.length;
    const counts = { added: 0, removed: 0, changed: 0, renamed: 0 };
    for (const each of places) counts[all[each]?.change ?? "changed"] += 1;
    const bound =
      all.length > MAX_FILES_OF_MOVES
        ? `More than ${MAX_FILES_OF_MOVES} files differ: symbols that moved are shown as removed and added.`
        : null;
    const next = { ...place, f: at, o: 0, m: place.m || missing > 0 };
    return {
      ...{ status: "found", counts, items },
      next_cursor: hasMore ? writePlace(next) : null,
      receipt: {
        ...receiptFor(head, { pending: missing, hasMore, missedBefore: place.m, bound }),
        ...{ base: base?.row.number ?? null, base_root: base?.row.root ?? null },
      },
    };
  }

  #open(name: string): OpenSnapshot | null {
    return openSnapshot(name, this.#deps);
  }

  /** The ready snapshot before one. */
  #before({ number }: SnapshotRow): OpenSnapshot | null {
    const row = this.#deps.snapshots.readyBefore(number);
    return row === null ? null : this.#open(String(row.number));
  }

  async #compare(
    base: OpenSnapshot | null,
    head: OpenSnapshot,
    isPending: boolean,
  ): Promise<Comparison> {
    const state = isPending ? this.#deps.symbols.wordState() : "";
    const key = `${base?.row.root ?? ""} ${head.row.root} ${state}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const pairs = this.#pairs(base, head);
    const moves = new Map<number, readonly SymbolChange[]>();
    if (pairs.length <= MAX_FILES_OF_MOVES) {
      const changes: SymbolChange[][] = [];
      for (const { before, after } of pairs) {
        changes.push(diffSymbols(this.#symbolsOf(before, false), this.#symbolsOf(after, false)));
        if (changes.length % SLICE === 0) await this.#deps.yielded();
      }
      for (const [index, joined] of joinMoved(changes).entries()) {
        const moved = joined.filter(({ change }) => change === "moved");
        if (moved.length > 0) moves.set(index, moved);
      }
    }
    const comparison = { pairs, moves };
    this.#kept.set(key, comparison);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT_COMPARISONS && oldest !== undefined) this.#kept.delete(oldest);
    return comparison;
  }

  /** Files that differ, by path. */
  #pairs(base: OpenSnapshot | null, head: OpenSnapshot): Pair[] {
    const { trees } = this.#deps;
    const old = base?.listing ?? EMPTY;
    const changed: Pair[] = [];
    const removed: RenameSide[] = [];
    const added: RenameSide[] = [];
    for (const change of diffTrees(base?.row.root ?? null, head.row.root, (oid) =>
      trees.get(oid),
    )) {
      const { kind, path } = change;
      const before = old.at(path);
      const after = head.listing.at(path);
      if (kind === "removed") removed.push(sideOf(path, before));
      else if (kind === "added") added.push(sideOf(path, after));
      else changed.push({ change: "changed", path, before, after, similarity: null });
    }
    const textOf = (side: RenameSide) =>
      this.#textOf((removed.includes(side) ? old : head.listing).at(side.path));
    const renames = findRenames(removed, added, textOf);
    const from = new Set(renames.map(({ before }) => before));
    const to = new Set(renames.map(({ after }) => after));
    const pairs: Pair[] = [
      ...changed,
      ...renames.map(
        (each): Pair => ({
          ...{ change: "renamed", path: each.after, similarity: each.similarity },
          ...{ before: old.at(each.before), after: head.listing.at(each.after) },
        }),
      ),
      ...removed
        .filter(({ path }) => !from.has(path))
        .map(
          ({ path }): Pair => ({
            ...{ change: "removed", path, similarity: null },
            ...{ before: old.at(path), after: null },
          }),
        ),
      ...added
        .filter(({ path }) => !to.has(path))
        .map(
          ({ path }): Pair => ({
            ...{ change: "added", path, similarity: null },
            ...{ before: null, after: head.listing.at(path) },
          }),
        ),
    ];
    return pairs.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  }

  #describe(pair: Pair, moves: readonly SymbolChange[], wantsPatch: boolean): FileDiff {
    const { change, path, before, after, similarity } = pair;
    const isRenamed = change === "renamed";
    return {
      ...{ change, path, similarity },
      old_path: isRenamed ? (before?.path ?? null) : null,
      oid: after?.oid ?? null,
      old_oid: before?.oid ?? null,
      mode: after?.mode ?? null,
      old_mode: before?.mode ?? null,
      ...this.#lines(pair, wantsPatch),
      symbols: withMoves(
        diffSymbols(this.#symbolsOf(before, true), this.#symbolsOf(after, true)),
        moves,
      ).map((each) => masked(each, before, after)),
    };
  }

  #lines(
    { before, after }: Pair,
    wantsPatch: boolean,
  ): Pick<FileDiff, "lines_added" | "lines_removed" | "patch" | "patch_omitted"> {
    const isText = (file: ListedFile | null) => file === null || isSearched(file);
    if (!isText(before) || !isText(after)) {
      const patch_omitted = wantsPatch ? "binary" : null;
      return { lines_added: null, lines_removed: null, patch: null, patch_omitted };
    }
    const old = this.#textOf(before) ?? "";
    const now = this.#textOf(after) ?? "";
    const left = linesOf(old);
    const right = linesOf(now);
    const isLarge = old.length + now.length > MAX_COMPARED_CHARS;
    const changes =
      old === now
        ? []
        : isLarge
          ? [{ before: 0, removed: left.length, after: 0, added: right.length }]
          : diffLines(left, right);
    const counts = {
      lines_added: changes.reduce((sum, { added }) => sum + added, 0),
      lines_removed: changes.reduce((sum, { removed }) => sum + removed, 0),
    };
    if (!wantsPatch) return { ...counts, patch: null, patch_omitted: null };
    const shown = (file: ListedFile | null, text: string, lines: readonly string[]) =>
      file !== null && has(file, "secret") ? linesOf(maskerFor(file)(text)) : lines;
    const patch = isLarge
      ? null
      : unifiedHunks(shown(before, old, left), shown(after, now, right), changes, CONTEXT_LINES);
    const isTooLong = patch === null || patch.length > MAX_PATCH_CHARS;
    return {
      ...counts,
      patch: isTooLong ? null : patch,
      patch_omitted: isTooLong ? "too_large" : null,
    };
  }

  #symbolsOf(file: ListedFile | null, withText: boolean): FileSymbols | null {
    if (file === null || file.blob === null) return null;
    const { symbols } = this.#deps.symbols.definitionsOnce(file.blob.id);
    return { path: file.path, symbols, text: withText ? this.#textOf(file) : null };
  }

  #textOf(file: ListedFile | null): string | null {
    if (file === null || file.blob === null || !isSearched(file)) return null;
    return this.#deps.blobs.text(file.blob);
  }
}

function sideOf(path: string, file: ListedFile | null): RenameSide {
  return { path, oid: file?.oid ?? "", size: file?.blob?.size ?? 0 };
}

/** Whether a pair is a file, or below a folder, under either of its names. */
function isBelow(pair: Pair | undefined, folder: string): boolean {
  if (folder === "" || pair === undefined) return pair !== undefined;
  const names = [pair.path, pair.before?.path ?? pair.path];
  return names.some((name) => name === folder || name.startsWith(`${folder}/`));
}

/** What moved to or from the file, in place of having been added or removed. */
function withMoves(
  changes: readonly SymbolChange[],
  moves: readonly SymbolChange[],
): SymbolChange[] {
  const isSame = (one: SymbolSide | null, other: SymbolSide | null) =>
    one !== null && other !== null && one.path === other.path && one.line === other.line;
  return changes.map((each) => {
    const moved = moves.find(
      ({ name, before, after }) =>
        name === each.name &&
        (each.change === "added" ? isSame(each.after, after) : isSame(each.before, before)),
    );
    const isWhole = each.change === "added" || each.change === "removed";
    return isWhole && moved !== undefined ? moved : each;
  });
}

function masked(
  change: SymbolChange,
  before: ListedFile | null,
  after: ListedFile | null,
): SymbolChange {
  const hasSecrets = [before, after].some((file) => file !== null && has(file, "secret"));
  if (!hasSecrets) return change;
  const file = { traits: (before?.traits ?? 0) | (after?.traits ?? 0) };
  const cover = maskerFor(file);
  const side = (each: SymbolSide | null) =>
    each === null ? null : { ...each, signature: cover(each.signature) };
  return { ...change, before: side(change.before), after: side(change.after) };
}
