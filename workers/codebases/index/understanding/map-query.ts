/** Maps a snapshot: the definitions that matter most to what is being looked at. */
import type { MapInterest } from "../../languages/map-graph.ts";
import { type MapFiles, type MapSymbol, mapOf } from "../../languages/repomap.ts";
import {
  maskerFor,
  type OpenSnapshot,
  openSnapshot,
  pendingFiles,
  type ReadReceipt,
  receiptFor,
  type SnapshotDeps,
} from "../reading/pages.ts";
import type { NoSnapshot } from "../reading/pinned.ts";
import { has, type ListedFile } from "../storage/listing.ts";
import type { SnapshotGraph } from "./graph-pack.ts";
import type { Graphs } from "./graphs.ts";
import { filesWith } from "./references-query.ts";

export interface MapRequest {
  readonly snapshot: string | null;
  readonly max_tokens: number;
  /** Files, or folders with all that is below, that are open or talked about. */
  readonly focus: readonly string[];
  /** Names of definitions that are talked about. */
  readonly mention: readonly string[];
}

export interface MappedFile {
  readonly path: string;
  /** Its share of all rank. */
  readonly rank: number;
  /** Definitions of it that are shown. */
  readonly shown: number;
}

interface MapBody {
  readonly text: string;
  readonly tokens: number;
  /** Files that are shown, the highest rank first. */
  readonly files: readonly MappedFile[];
  /** Definitions that are shown, of those that could be. */
  readonly shown: number;
  readonly of: number;
}

export type MapAnswer =
  | (MapBody & { readonly status: "found"; readonly receipt: ReadReceipt })
  | { readonly status: "no_file"; readonly path: string }
  | NoSnapshot;

export interface MapDeps extends SnapshotDeps {
  readonly graphs: Graphs;
}

/** Answers that are kept, since callers ask again with nothing changed. */
const KEPT_MAPS = 8;

export class MapQueries {
  readonly #deps: MapDeps;
  readonly #kept = new Map<string, MapBody>();

  constructor(deps: MapDeps) {
    this.#deps = deps;
  }

  async map(request: MapRequest, now: number): Promise<MapAnswer> {
    const { symbols, graphs } = this.#deps;
    const opened = openSnapshot(request.snapshot, this.#deps);
    if (opened === null) return { status: "no_snapshot" };
    const pending = pendingFiles(opened.listing, symbols);
    const { focus, mention, max_tokens } = request;
    const state = pending === 0 ? "" : symbols.wordState();
    const key = JSON.stringify([opened.row.root, state, max_tokens, focus, mention]);
    let body = this.#kept.get(key);
    if (body === undefined) {
      const focused = new Set<number>();
      for (const path of focus) {
        const found = filesAt(path, opened);
        if (found.length === 0) return { status: "no_file", path };
        for (const index of found) focused.add(index);
      }
      const graph = await graphs.of(opened, now);
      await this.#deps.yielded();
      body = this.#draw(graph, opened, focused, request);
      this.#kept.set(key, body);
      const [oldest] = this.#kept.keys();
      if (this.#kept.size > KEPT_MAPS && oldest !== undefined) this.#kept.delete(oldest);
    }
    return { ...body, status: "found", receipt: receiptFor(opened, { pending }) };
  }

  #draw(
    graph: SnapshotGraph,
    { listing }: OpenSnapshot,
    focused: ReadonlySet<number>,
    { mention, max_tokens }: MapRequest,
  ): MapBody {
    const { symbols } = this.#deps;
    const nodeOf = new Map([...graph.files].map((index, node) => [index, node]));
    const nodes = (indexes: Iterable<number>) =>
      [...indexes].flatMap((index) => nodeOf.get(index) ?? []);
    const mentioned = mention.flatMap((name) =>
      nodes(filesWith(symbols.defining(name), { listing })).flatMap((node) => {
        const blob = listing.files[graph.files[node] ?? -1]?.blob;
        if (blob === undefined || blob === null) return [];
        return symbols
          .definitions(blob.id)
          .symbols.flatMap((symbol, index) =>
            symbol.name === name ? [(graph.offsets[node] ?? 0) + index] : [],
          );
      }),
    );
    const interest: MapInterest = { files: new Set(nodes(focused)), symbols: new Set(mentioned) };
    const shown = new Map<number, readonly MapSymbol[]>();
    const fileOf = (node: number) => listing.files[graph.files[node] ?? -1];
    const described: MapFiles = {
      path: (node) => fileOf(node)?.path ?? "",
      symbols: (node) => {
        const known = shown.get(node) ?? this.#symbolsOf(fileOf(node));
        shown.set(node, known);
        return known;
      },
    };
    const { files, ...rest } = mapOf(graph, described, interest, max_tokens);
    return { ...rest, files: files.filter((file) => file.shown > 0) };
  }

  #symbolsOf(file: ListedFile | undefined): readonly MapSymbol[] {
    if (file?.blob == null) return [];
    const { symbols } = this.#deps.symbols.definitions(file.blob.id);
    if (!has(file, "secret")) return symbols;
    const masked = maskerFor(file);
    return symbols.map((symbol) => ({ ...symbol, signature: masked(symbol.signature) }));
  }
}

/** Places of a file, or of all files below a folder. */
function filesAt(path: string, { listing }: OpenSnapshot): number[] {
  const own = listing.indexOf(path);
  if (own !== null) return [own];
  const prefix = `${path.replace(/\/+$/, "")}/`;
  return listing.files.flatMap((file, index) => (file.path.startsWith(prefix) ? [index] : []));
}
