/**
 * A map of a codebase within a token budget: the signatures that matter most to what is being looked
 * at. Files are ranked by who refers to whom, definitions by how much rank their references carry.
 */

import { estimateTokens } from "../query/budget.ts";
import {
  countShown,
  filesOfSymbols,
  type MapGraph,
  MapGraphBuilder,
  type MapInterest,
  rankGraph,
  topSymbols,
} from "./map-graph.ts";
import type { CodeSymbol } from "./parsed-file.ts";
import type { Confidence } from "./resolve/resolution.ts";

/** What is shown of a definition. */
export type MapSymbol = Pick<CodeSymbol, "name" | "kind" | "signature" | "container">;

export interface MapFile {
  readonly path: string;
  readonly symbols: readonly MapSymbol[];
}

/** References of one file to one name, resolved or not. */
export interface MapReference {
  readonly from: string;
  readonly name: string;
  readonly count: number;
  /** The definition that is meant; null when only the name is known. */
  readonly target: {
    readonly path: string;
    readonly symbol: number;
    readonly confidence: Confidence;
  } | null;
}

export interface MapOptions {
  /** Tokens that the text may have; it has at most these, and nearly these when there is enough. */
  readonly tokens: number;
  /** Files that are open or talked about. */
  readonly focusFiles?: Iterable<string>;
  /** Names that are talked about. */
  readonly focusIdentifiers?: Iterable<string>;
}

export interface RankedFile {
  readonly path: string;
  readonly rank: number;
  /** Definitions of it that are in the text. */
  readonly shown: number;
}

export interface RepoMap {
  readonly text: string;
  readonly tokens: number;
  /** Every file, the highest rank first. */
  readonly files: readonly RankedFile[];
  /** Definitions that are in the text, of those that could be. */
  readonly shown: number;
  readonly of: number;
}

const MAX_LINE_CHARS = 160;
/** No definition takes fewer tokens: its indent, a word, the end of the line. */
const MIN_LANDMARK_TOKENS = 3;
/** Definitions that are passed over, one after the other, because they do not fit. */
const MAX_MISSES = 200;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Makes the map. The same input gives the same text, whatever order it comes in. */
export function repoMap(
  input: { readonly files: readonly MapFile[]; readonly references: readonly MapReference[] },
  { tokens, focusFiles = [], focusIdentifiers = [] }: MapOptions,
): RepoMap {
  const files = [...input.files].sort((a, b) => compare(a.path, b.path));
  const index = new Map(files.map(({ path }, file) => [path, file]));
  const builder = new MapGraphBuilder();
  const named = new Map<string, number[]>();
  for (const [file, { symbols }] of files.entries()) {
    builder.addFile(symbols);
    for (const [at, { name }] of symbols.entries()) {
      const number = builder.numberOf(file, at);
      if (number !== null) named.set(name, [...(named.get(name) ?? []), number]);
    }
  }
  const references = [...input.references].sort(
    (a, b) =>
      compare(a.from, b.from) ||
      compare(a.name, b.name) ||
      compare(a.target?.path ?? "", b.target?.path ?? "") ||
      (a.target?.symbol ?? -1) - (b.target?.symbol ?? -1),
  );
  for (const { from, name, count, target } of references) {
    const source = index.get(from);
    if (source === undefined || count <= 0) continue;
    if (target === null) {
      builder.referByName(source, named.get(name) ?? [], count);
      continue;
    }
    const file = index.get(target.path);
    const symbol = file === undefined ? null : builder.numberOf(file, target.symbol);
    const meant = file === undefined ? undefined : files[file]?.symbols[target.symbol];
    if (symbol === null || meant === undefined) continue;
    const definers = named.get(meant.name)?.length ?? 1;
    builder.refer(source, symbol, { count, definers, confidence: target.confidence });
  }
  const interest: MapInterest = {
    files: new Set([...focusFiles].flatMap((path) => index.get(path) ?? [])),
    symbols: new Set([...focusIdentifiers].flatMap((name) => named.get(name) ?? [])),
  };
  const described: MapFiles = {
    path: (file) => files[file]?.path ?? "",
    symbols: (file) => files[file]?.symbols ?? [],
  };
  return mapOf(builder.build(), described, interest, tokens);
}

/** The files of a graph; symbols are asked for only where some may be shown. */
export interface MapFiles {
  path(file: number): string;
  symbols(file: number): readonly MapSymbol[];
}

/** Makes the map of a graph. */
export function mapOf(
  graph: MapGraph,
  described: MapFiles,
  interest: MapInterest,
  tokens: number,
): RepoMap {
  const { ranks, scores } = rankGraph(graph, interest);
  const most = Math.ceil(tokens / MIN_LANDMARK_TOKENS) + MAX_MISSES;
  const fileOf = filesOfSymbols(graph);
  const sheet = new Sheet(described, tokens);
  let misses = 0;
  let shown = 0;
  for (const symbol of topSymbols(graph, scores, most)) {
    if (misses > MAX_MISSES || sheet.spare < MIN_LANDMARK_TOKENS) break;
    const file = fileOf[symbol] ?? 0;
    if (sheet.add(file, symbol - (graph.offsets[file] ?? 0))) shown += 1;
    else misses += 1;
  }
  const rankOf = (file: number) => ranks[file] ?? 0;
  const order = [...ranks.keys()].sort((a, b) => rankOf(b) - rankOf(a) || a - b);
  const text = sheet.write(order);
  return {
    text,
    tokens: estimateTokens(text),
    files: order.map((file) => ({
      path: described.path(file),
      rank: rankOf(file),
      shown: sheet.shownOf(file),
    })),
    shown,
    of: countShown(graph),
  };
}

/** Takes definitions as long as there is room: the tokens of lines add up. */
class Sheet {
  readonly #files: MapFiles;
  readonly #lines = new Map<number, Map<number, string>>();
  #spare: number;

  constructor(files: MapFiles, tokens: number) {
    this.#files = files;
    this.#spare = tokens;
  }

  get spare(): number {
    return this.#spare;
  }

  shownOf(file: number): number {
    return this.#lines.get(file)?.size ?? 0;
  }

  /** Adds a definition under what contains it, unless there is no room for it. */
  add(file: number, symbol: number): boolean {
    const symbols = this.#files.symbols(file);
    const known = this.#lines.get(file);
    const chain: number[] = [];
    for (let at: number | null = symbol; at !== null; at = symbols[at]?.container ?? null) {
      chain.unshift(at);
    }
    const added = chain.flatMap((at, depth): [number, string][] => {
      const shown = symbols[at];
      if (shown === undefined || known?.has(at) === true) return [];
      const text = (shown.signature || shown.name).slice(0, MAX_LINE_CHARS);
      return [[at, `${"  ".repeat(depth + 1)}${text}`]];
    });
    const heading = known === undefined ? estimateTokens(`${this.#files.path(file)}:\n\n`) : 0;
    const cost = added.reduce((sum, [, line]) => sum + estimateTokens(`${line}\n`), heading);
    if (cost > this.#spare) return false;
    this.#spare -= cost;
    this.#lines.set(file, new Map([...(known ?? []), ...added]));
    return true;
  }

  /** The definitions of each file in the order of its text. */
  write(order: readonly number[]): string {
    const blocks = order.flatMap((file) => {
      const lines = this.#lines.get(file);
      if (lines === undefined) return [];
      const sorted = [...lines].sort(([a], [b]) => a - b).map(([, line]) => line);
      return [[`${this.#files.path(file)}:`, ...sorted].join("\n")];
    });
    return blocks.length === 0 ? "" : `${blocks.join("\n\n")}\n`;
  }
}
