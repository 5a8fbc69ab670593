/** Answers the leaves of a query that are not about one file's text: its symbols, its history. */
import { diffTrees } from "../../intake/trees.ts";
import { ReferenceResolver } from "../../languages/references.ts";
import { wordExpression } from "../../query/identifiers.ts";
import type { QueryPlan } from "../../query/plan.ts";
import type { QueryProblem } from "../../query/problem.ts";
import { type DiffLeaf, type FactLeaf, isFact, leavesOf } from "../../query/query.ts";
import { compilePattern } from "../../query/regex.ts";
import { toTrigramPlan, trigramFormula } from "../../query/trigrams.ts";
import type { BlobStore } from "../storage/blobs.ts";
import type { Listing } from "../storage/listing.ts";
import { referenceAt, rowsNamed } from "../storage/packed-references.ts";
import type { SnapshotStore } from "../storage/snapshots.ts";
import type { Definitions, SymbolStore } from "../storage/symbols.ts";
import type { TreeStore } from "../storage/trees.ts";
import { filesWith } from "../understanding/references-query.ts";
import { definedAs, type Sources } from "../understanding/source.ts";
import { blobMask, type FactsOf, type Mask, maskOf } from "./candidates.ts";

/** Files that `near:` finds at most. */
const MAX_NEAR = 200;

export interface FactDeps {
  readonly blobs: BlobStore;
  readonly trees: TreeStore;
  readonly snapshots: SnapshotStore;
  readonly symbols: SymbolStore;
  readonly sources: Sources;
  /** Files that import a file of the snapshot, by the path that a query has for it. */
  readonly importers: ReadonlyMap<string, readonly number[]>;
  /** Paths that executions of this snapshot touched, or failed in. */
  readonly executed: (kind: "ran" | "failed", value: string) => ReadonlySet<string>;
}

export type PreparedFacts =
  | { readonly facts: FactsOf; readonly problems: null }
  | { readonly facts: null; readonly problems: readonly QueryProblem[] };

const NOT_HERE: Readonly<Partial<Record<string, string>>> = {
  covered: "Coverage is not collected. Use ran: for files that an execution touched.",
};

/** Works each fact of a plan out over a whole listing, so that files only look it up. */
export function prepareFacts(
  plan: QueryPlan,
  listing: Listing,
  root: string,
  deps: FactDeps,
): PreparedFacts {
  const masks = new Map<FactLeaf | DiffLeaf, Mask>();
  const problems: QueryProblem[] = [];
  for (const { leaf } of leavesOf(plan.query)) {
    // Structure is asked for while files are read.
    if ((!isFact(leaf) && leaf.kind !== "diff") || leaf.kind === "ast") continue;
    const outcome =
      leaf.kind === "diff" ? diffMask(leaf, listing, deps) : factMask(leaf, listing, root, deps);
    if (outcome instanceof Uint8Array) masks.set(leaf, outcome);
    else problems.push({ ...outcome, start: leaf.start, end: leaf.end });
  }
  if (problems.length > 0) return { facts: null, problems };
  return {
    facts: (leaf) => masks.get(leaf) ?? new Uint8Array(listing.files.length),
    problems: null,
  };
}

type Refused = Pick<QueryProblem, "message" | "hint">;

function factMask(leaf: FactLeaf, listing: Listing, root: string, deps: FactDeps): Mask | Refused {
  const { value } = leaf;
  const elsewhere = NOT_HERE[leaf.kind];
  if (elsewhere !== undefined)
    return { message: `${leaf.kind}: cannot be answered here.`, hint: elsewhere };
  switch (leaf.kind) {
    case "ref":
      return referencing(value, null, listing, deps);
    case "calls":
      return referencing(value, "call", listing, deps);
    case "implements":
      return referencing(value, "implements", listing, deps);
    case "calledby":
      return calledBy(value, listing, deps, root);
    case "imports":
      return importing(value, listing, deps);
    case "near":
      return blobMask(nearest(value, deps.symbols).keys(), listing);
    case "rev":
      // Which snapshot is searched was decided before; what is left of the leaf always holds.
      return new Uint8Array(listing.files.length).fill(1);
    case "ran":
    case "failed": {
      const paths = deps.executed(leaf.kind, value);
      return maskOf(listing, ({ path }) => paths.has(path));
    }
    default:
      return { message: `${leaf.kind}: cannot be answered here.`, hint: "Leave it out." };
  }
}

/** The best BM25 of each blob whose symbols have words of a text. */
function nearest(text: string, symbols: SymbolStore): Map<number, number> {
  const scores = new Map<number, number>();
  const words = wordExpression(text, "OR");
  if (words === null) return scores;
  for (const { blob, bm25 } of symbols.byWords(words, MAX_NEAR)) {
    scores.set(blob, Math.max(bm25, scores.get(blob) ?? 0));
  }
  return scores;
}

/** BM25 of the blobs that the `near:` leaves of a plan find. */
export function nearScores(plan: QueryPlan, symbols: SymbolStore): ReadonlyMap<number, number> {
  const leaf = plan.facts.find(({ kind }) => kind === "near");
  return leaf === undefined || !("value" in leaf) ? new Map() : nearest(leaf.value, symbols);
}

/** Blobs whose text may hold the name of a module. */
function* naming(name: string, listing: Listing, { blobs }: FactDeps): Generator<number> {
  const { formula } = trigramFormula({ kind: "literal", text: name });
  const plan = toTrigramPlan(formula, "");
  const found =
    plan.kind === "match" ? blobs.matching({ ...plan, formula }, listing.chunked) : null;
  for (const { blob } of listing.files) {
    if (blob === null || blob.encoding === null) continue;
    if (found === null || found.has(blob.id)) yield blob.id;
  }
}

/** Files that refer to a name, in one way or in any. */
function referencing(
  name: string,
  kind: string | null,
  listing: Listing,
  { symbols }: FactDeps,
): Mask {
  const named = new Set([name]);
  const holders = symbols.referring(name).filter((blob) => {
    if (listing.withBlob(blob).length === 0) return false;
    const packed = symbols.references(blob);
    return [...rowsNamed(packed, named)].some(
      (row) => kind === null || referenceAt(packed, row).kind === kind,
    );
  });
  return blobMask(holders, listing);
}

/** Files that define what a symbol calls, as far as its calls can be told apart. */
function calledBy(
  name: string,
  listing: Listing,
  { symbols, sources }: FactDeps,
  root: string,
): Mask {
  const source = sources.of(root, listing);
  const resolver = new ReferenceResolver(source);
  const mask = new Uint8Array(listing.files.length);
  for (const index of filesWith(symbols.defining(name), { listing })) {
    const file = listing.files[index];
    if (file?.blob == null) continue;
    const known = symbols.definitions(file.blob.id);
    const callers = new Set(definedAs(name, known));
    if (callers.size === 0) continue;
    const packed = symbols.references(file.blob.id);
    for (let row = 0; row < packed.count; row += 1) {
      const reference = referenceAt(packed, row);
      if (reference.kind !== "call" || !isWithin(callers, reference.container, known)) continue;
      const meaning = resolver.meaning(file.path, reference);
      const place =
        meaning === null || meaning === "outside" ? null : listing.indexOf(meaning.definition.path);
      if (place !== null) mask[place] = 1;
    }
  }
  return mask;
}

function isWithin(
  symbols: ReadonlySet<number>,
  container: number | null,
  { symbols: known }: Definitions,
): boolean {
  for (let at = container; at !== null; at = known[at]?.container ?? null) {
    if (symbols.has(at)) return true;
  }
  return false;
}

/** Files that name a module which has this in it, or import the file of this path. */
function importing(module: string, listing: Listing, deps: FactDeps): Mask {
  const { matcher } = compilePattern({ kind: "literal", text: module }, { mode: "no" });
  const holders = new Set<number>();
  for (const blob of new Set(naming(module, listing, deps))) {
    const { imports } = deps.symbols.definitions(blob);
    if (imports.some(({ module: named }) => matcher?.test(named))) holders.add(blob);
  }
  const mask = blobMask(holders, listing);
  for (const index of deps.importers.get(module) ?? []) mask[index] = 1;
  return mask;
}

function diffMask({ base, head }: DiffLeaf, listing: Listing, deps: FactDeps): Mask | Refused {
  const after = deps.snapshots.named(head);
  const before =
    base === null ? deps.snapshots.readyBefore(after?.number ?? 0) : deps.snapshots.named(base);
  const unknown = after === null ? head : base !== null && before === null ? base : null;
  if (unknown !== null) {
    return {
      message: `No snapshot is called ${JSON.stringify(unknown)}.`,
      hint: "Name a snapshot by its number, ref or commit; list them with GET …/snapshots.",
    };
  }
  const paths = new Set<string>();
  const getTree = (oid: string) => deps.trees.get(oid);
  for (const change of diffTrees(before?.root ?? null, after?.root ?? null, getTree)) {
    paths.add(change.path);
  }
  return maskOf(listing, ({ path }) => paths.has(path));
}
