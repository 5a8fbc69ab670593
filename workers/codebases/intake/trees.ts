/** Trees of a snapshot: built from its paths, and compared with those of another. */
import { IntakeError } from "./errors.ts";
import {
  compareEntries,
  EMPTY_TREE_OID,
  type EntryMode,
  type TreeEntry,
  treeOid,
} from "./git-objects.ts";

export interface TreeFile {
  readonly path: string;
  readonly mode: Exclude<EntryMode, "tree">;
  readonly oid: string;
}

export interface BuiltTrees {
  /** The OID of the top tree, as `git write-tree` prints it for the same files. */
  readonly root: string;
  /** Every tree by OID, entries in git's order; equal folders are one tree. */
  readonly trees: Map<string, TreeEntry[]>;
}

type Folder = Map<string, Folder | TreeFile>;

/** Builds the tree objects of a flat list of paths; throws IntakeError when two paths conflict. */
export function buildTrees(files: Iterable<TreeFile>): BuiltTrees {
  const top: Folder = new Map();
  for (const file of files) place(top, file);
  const trees = new Map<string, TreeEntry[]>();
  return { root: close(top, trees), trees };
}

function place(top: Folder, file: TreeFile): void {
  let folder = top;
  let start = 0;
  for (let slash = file.path.indexOf("/"); slash >= 0; slash = file.path.indexOf("/", start)) {
    const name = file.path.slice(start, slash);
    let next = folder.get(name);
    if (next === undefined) {
      next = new Map();
      folder.set(name, next);
    } else if (!(next instanceof Map)) throw conflict(file.path);
    folder = next;
    start = slash + 1;
  }
  const name = file.path.slice(start);
  if (folder.has(name)) throw conflict(file.path);
  folder.set(name, file);
}

function conflict(path: string): IntakeError {
  return new IntakeError(
    "path_conflict",
    "A path comes twice, or names both a file and a folder. Keep one of the two.",
    { path },
  );
}

function close(folder: Folder, trees: Map<string, TreeEntry[]>): string {
  const entries = Array.from(folder, ([name, child]): TreeEntry => {
    if (child instanceof Map) return { name, mode: "tree", oid: close(child, trees) };
    return { name, mode: child.mode, oid: child.oid };
  });
  entries.sort(compareEntries);
  const oid = treeOid(entries);
  trees.set(oid, entries);
  return oid;
}

/** One side of a change. */
export interface ChangeSide {
  readonly mode: Exclude<EntryMode, "tree">;
  readonly oid: string;
}

/** A path that differs between two trees; a file that became a folder is removed, its files added. */
export type TreeChange =
  | { readonly kind: "added"; readonly path: string; readonly after: ChangeSide }
  | { readonly kind: "removed"; readonly path: string; readonly before: ChangeSide }
  | {
      readonly kind: "changed";
      readonly path: string;
      readonly before: ChangeSide;
      readonly after: ChangeSide;
    };

/** Gives the entries of a tree in git's order; undefined when the tree is not stored. */
export type GetTree = (oid: string) => readonly TreeEntry[] | undefined;

/**
 * Yields the paths that differ, in git's order. Reads only trees that differ: equal OIDs are equal
 * subtrees. Null stands for no tree.
 */
export function* diffTrees(
  before: string | null,
  after: string | null,
  getTree: GetTree,
): Generator<TreeChange, void> {
  yield* diff(before ?? EMPTY_TREE_OID, after ?? EMPTY_TREE_OID, "", getTree);
}

function* diff(
  before: string,
  after: string,
  prefix: string,
  getTree: GetTree,
): Generator<TreeChange, void> {
  if (before === after) return;
  const old = read(before, getTree);
  const now = read(after, getTree);
  for (let i = 0, j = 0; i < old.length || j < now.length; ) {
    const a = old[i];
    const b = now[j];
    // Names are equal in this order only when both are trees or neither is.
    const order = a && b ? compareEntries(a, b) : a ? -1 : 1;
    if (order <= 0) i += 1;
    if (order >= 0) j += 1;
    yield* change(order <= 0 ? a : undefined, order >= 0 ? b : undefined, prefix, getTree);
  }
}

function* change(
  a: TreeEntry | undefined,
  b: TreeEntry | undefined,
  prefix: string,
  getTree: GetTree,
): Generator<TreeChange, void> {
  const name = a?.name ?? b?.name ?? "";
  const path = `${prefix}${name}`;
  if (a?.mode === "tree" || b?.mode === "tree") {
    yield* diff(a?.oid ?? EMPTY_TREE_OID, b?.oid ?? EMPTY_TREE_OID, `${path}/`, getTree);
    return;
  }
  const before = side(a);
  const after = side(b);
  if (before && after) {
    if (before.oid !== after.oid || before.mode !== after.mode) {
      yield { kind: "changed", path, before, after };
    }
  } else if (before) yield { kind: "removed", path, before };
  else if (after) yield { kind: "added", path, after };
}

function side(entry: TreeEntry | undefined): ChangeSide | undefined {
  if (entry === undefined || entry.mode === "tree") return undefined;
  return { mode: entry.mode, oid: entry.oid };
}

function read(oid: string, getTree: GetTree): readonly TreeEntry[] {
  if (oid === EMPTY_TREE_OID) return [];
  const entries = getTree(oid);
  if (entries) return entries;
  throw new IntakeError(
    "tree_missing",
    `The tree ${oid} is not stored. Send the snapshot it belongs to again.`,
  );
}
