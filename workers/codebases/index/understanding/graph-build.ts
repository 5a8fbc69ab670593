/** Works out who refers to whom in a snapshot, in slices that let others have the object in between. */
import { MapGraphBuilder, rankGraph } from "../../languages/map-graph.ts";
import type { CodeReference } from "../../languages/parsed-file.ts";
import {
  canMean,
  familyOf,
  type Meaning,
  ReferenceResolver,
  type ResolvableFile,
} from "../../languages/references.ts";
import { folderOf } from "../../languages/resolve/paths.ts";
import type { Confidence } from "../../languages/resolve.ts";
import { grammarFor, type Listing } from "../storage/listing.ts";
import { meaningKey, referenceAt } from "../storage/packed-references.ts";
import type { SymbolStore } from "../storage/symbols.ts";
import type { SnapshotGraph } from "./graph-pack.ts";
import type { SnapshotSource } from "./source.ts";
import { SymbolTable } from "./symbol-table.ts";

/** A slice ends after so many files, symbols that were read, or references that were looked at. */
const FILES_PER_SLICE = 40;
const SYMBOLS_PER_SLICE = 2_000;
const REFERENCES_PER_SLICE = 4_000;

export interface GraphBuildDeps {
  readonly symbols: SymbolStore;
  readonly yielded: () => Promise<number>;
}

interface Node {
  readonly path: string;
  readonly language: string;
  readonly blob: number;
}

export async function buildGraph(
  source: SnapshotSource,
  { symbols, yielded }: GraphBuildDeps,
): Promise<SnapshotGraph> {
  const { listing } = source;
  const builder = new MapGraphBuilder();
  const imports = new ImportEdges(listing);
  const files: number[] = [];
  const nodes: Node[] = [];
  const resolvable = ({ path, language, blob }: Node): ResolvableFile => {
    const { symbols: defined, imports: imported } = symbols.definitionsOnce(blob);
    const resolved = source.resolved(language, path, imported);
    return { path, language, symbols: defined, imports: resolved };
  };
  const table = new SymbolTable((node) => resolvable(nodes[node] ?? NO_NODE));
  let read = 0;
  for (const [index, file] of listing.files.entries()) {
    const language = grammarFor(file);
    if (language === null || file.blob === null) continue;
    const node: Node = { path: file.path, language, blob: file.blob.id };
    const { symbols: defined, imports: imported } = resolvable(node);
    table.add(file.path, language, defined);
    builder.addFile(defined);
    for (const { resolutions } of imported) imports.add(index, resolutions);
    files.push(index);
    nodes.push(node);
    read += defined.length;
    if (read < SYMBOLS_PER_SLICE && files.length % FILES_PER_SLICE !== 0) continue;
    read = 0;
    await yielded();
  }
  table.seal();
  await yielded();

  const resolver = new ReferenceResolver(table);
  let looked = 0;
  for (const [node, file] of nodes.entries()) {
    looked += addReferences(node, file, { symbols, resolver, table, builder });
    if (looked < REFERENCES_PER_SLICE && node % FILES_PER_SLICE !== 0) continue;
    looked = 0;
    await yielded();
  }
  const graph = builder.build();
  await yielded();
  const nothing = { files: new Set<number>(), symbols: new Set<number>() };
  const { ranks } = rankGraph(graph, nothing);
  return { ...graph, ...imports.build(), files: Int32Array.from(files), ranks };
}

const NO_NODE: Node = { path: "", language: "", blob: 0 };

interface Parts {
  readonly symbols: SymbolStore;
  readonly resolver: ReferenceResolver;
  readonly table: SymbolTable;
  readonly builder: MapGraphBuilder;
}

interface Tally {
  readonly symbol: number;
  readonly name: string;
  readonly confidence: Confidence;
  count: number;
}

/** Adds what one file refers to; returns how many references it has. */
function addReferences(
  node: number,
  { path, language, blob }: Node,
  { symbols, resolver, table, builder }: Parts,
): number {
  const packed = symbols.references(blob);
  const indexed = table.file(path);
  if (indexed === undefined) return 0;
  const { byName, file } = indexed;
  const meanings = new Map<number, Meaning>();
  const tallies = new Map<string, Tally>();
  const unresolved = new Map<string, { reference: CodeReference; count: number }>();
  for (let row = 0; row < packed.count; row += 1) {
    const reference = referenceAt(packed, row);
    const { name, container } = reference;
    // Where it stands matters only for what the file itself defines.
    const scope = byName.has(name) && container !== null ? container + 1 : 0;
    const key = meaningKey(packed, row) * (file.symbols.length + 1) + scope;
    let meaning = meanings.get(key);
    if (meaning === undefined) {
      meaning = resolver.meaning(path, reference);
      meanings.set(key, meaning);
    }
    if (meaning === "outside") continue;
    if (meaning === null) {
      const sort = `${reference.kind} ${reference.qualifier === null} ${name}`;
      const known = unresolved.get(sort);
      if (known === undefined) unresolved.set(sort, { reference, count: 1 });
      else known.count += 1;
      continue;
    }
    const symbol = table.numberOf(meaning.definition);
    const meant = resolver.symbol(meaning.definition);
    if (symbol === null || meant === undefined) continue;
    const { confidence } = meaning;
    const tally = tallies.get(`${symbol}${confidence}`);
    if (tally !== undefined) tally.count += 1;
    else tallies.set(`${symbol}${confidence}`, { symbol, name: meant.name, confidence, count: 1 });
  }
  for (const { symbol, name, count, confidence } of tallies.values()) {
    builder.refer(node, symbol, { count, definers: table.countOf(name), confidence });
  }
  for (const { reference, count } of unresolved.values()) {
    const definers = table
      .definers(language, reference.name)
      .filter((each) => canMean(reference, resolver.symbol(each), familyOf(language)))
      .flatMap((each) => table.numberOf(each) ?? []);
    builder.referByName(node, definers, count);
  }
  return packed.count;
}

/** Collects which files import which, once each. */
class ImportEdges {
  readonly #listing: Listing;
  readonly #firstIn = new Map<string, number>();
  readonly #importers: number[] = [];
  readonly #imported: number[] = [];

  constructor(listing: Listing) {
    this.#listing = listing;
    for (const [index, { path }] of listing.files.entries()) {
      const folder = folderOf(path);
      if (!this.#firstIn.has(folder)) this.#firstIn.set(folder, index);
    }
  }

  add(
    importer: number,
    resolutions: readonly { readonly path: string | null; readonly isFolder: boolean }[],
  ): void {
    const targets = new Set<number>();
    for (const { path, isFolder } of resolutions) {
      if (path === null) continue;
      const index = isFolder ? this.#firstIn.get(path) : this.#listing.indexOf(path);
      if (index !== undefined && index !== null) targets.add(isFolder ? -1 - index : index);
    }
    for (const target of targets) {
      this.#importers.push(importer);
      this.#imported.push(target);
    }
  }

  build(): Pick<SnapshotGraph, "importers" | "imported"> {
    return {
      importers: Int32Array.from(this.#importers),
      imported: Int32Array.from(this.#imported),
    };
  }
}
