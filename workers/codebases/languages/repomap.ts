/**
 * A map of a codebase within a token budget: the signatures that matter most to what is being looked
 * at. Files are ranked by who refers to whom, definitions by how much rank their references carry.
 */

import { type Edge, pageRank } from "./pagerank.ts";
import type { CodeSymbol } from "./parsed-file.ts";
import type { Confidence } from "./resolve/resolution.ts";

export interface MapFile {
  readonly path: string;
  readonly symbols: readonly CodeSymbol[];
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
  /** By default four characters are a token. */
  readonly countTokens?: (text: string) => number;
}

export interface RepoMap {
  readonly text: string;
  readonly tokens: number;
  /** Every file, the highest rank first. */
  readonly files: readonly { readonly path: string; readonly rank: number }[];
  /** Definitions that are in the text, of those that could be. */
  readonly shown: number;
  readonly of: number;
}

const FOCUS_FACTOR = 50;
const NOTABLE_FACTOR = 10;
const PRIVATE_FACTOR = 0.1;
const COMMON_FACTOR = 0.1;
const COMMON_DEFINERS = 5;
const MIN_NOTABLE_CHARS = 8;
const CONFIDENCE_FACTORS: Readonly<Record<Confidence, number>> = {
  exact: 1,
  likely: 0.5,
  ambiguous: 0.2,
};
/** A name alone is a weak sign; it is shared among its definers. */
const NAME_ONLY_FACTOR = 0.1;
/** What a definition is worth that nothing refers to: the last to be shown. */
const UNREFERENCED_SHARE = 1e-3;
const CHARS_PER_TOKEN = 4;
const MAX_LINE_CHARS = 160;

/** Parts of other definitions and data: they are not landmarks. */
const NOT_SHOWN = new Set(["field", "property", "variable", "enum-member", "anchor", "id", "test"]);

const isNotable = (name: string) =>
  name.length >= MIN_NOTABLE_CHARS && /[a-z][A-Z]|[^_]_[^_]|-/.test(name);

function nameFactor(name: string, definers: number, mentioned: ReadonlySet<string>): number {
  let factor = 1;
  if (mentioned.has(name) || isNotable(name)) factor *= NOTABLE_FACTOR;
  if (name.startsWith("_")) factor *= PRIVATE_FACTOR;
  if (definers > COMMON_DEFINERS) factor *= COMMON_FACTOR;
  return factor;
}

interface Landmark {
  readonly file: number;
  readonly symbol: number;
  score: number;
}

interface WeightedEdge extends Edge {
  readonly symbol: number;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

class Graph {
  readonly files: readonly MapFile[];
  readonly index: ReadonlyMap<string, number>;
  readonly edges: WeightedEdge[] = [];
  readonly #definers = new Map<string, { file: number; symbol: number }[]>();
  readonly #focus: ReadonlySet<string>;
  readonly #mentioned: ReadonlySet<string>;

  constructor(
    files: readonly MapFile[],
    focus: ReadonlySet<string>,
    mentioned: ReadonlySet<string>,
  ) {
    this.files = files;
    this.index = new Map(files.map(({ path }, index) => [path, index]));
    this.#focus = focus;
    this.#mentioned = mentioned;
    for (const [file, { symbols }] of files.entries()) {
      for (const [symbol, { name }] of symbols.entries()) {
        const known = this.#definers.get(name);
        if (known === undefined) this.#definers.set(name, [{ file, symbol }]);
        else known.push({ file, symbol });
      }
    }
  }

  add({ from, name, count, target }: MapReference): void {
    const source = this.index.get(from);
    if (source === undefined || count <= 0) return;
    const focus = this.#focus.has(from) ? FOCUS_FACTOR : 1;
    if (target !== null) {
      const to = this.index.get(target.path);
      const symbol = to === undefined ? undefined : this.files[to]?.symbols[target.symbol];
      if (to === undefined || symbol === undefined) return;
      const definers = this.#definers.get(symbol.name)?.length ?? 1;
      const factor = nameFactor(symbol.name, definers, this.#mentioned);
      const weight = Math.sqrt(count) * factor * focus * CONFIDENCE_FACTORS[target.confidence];
      this.edges.push({ from: source, to, weight, symbol: target.symbol });
      return;
    }
    const definers = this.#definers.get(name) ?? [];
    if (definers.length === 0 || definers.length > COMMON_DEFINERS) return;
    const factor = nameFactor(name, definers.length, this.#mentioned);
    const weight = (Math.sqrt(count) * factor * focus * NAME_ONLY_FACTOR) / definers.length;
    for (const { file, symbol } of definers) {
      if (file !== source) this.edges.push({ from: source, to: file, weight, symbol });
    }
  }
}

/** What each definition is worth: the rank that flows to it, and a little for being there. */
function landmarks(graph: Graph, ranks: Float64Array, mentioned: ReadonlySet<string>): Landmark[] {
  const outgoing = new Float64Array(graph.files.length);
  for (const { from, weight } of graph.edges) outgoing[from] = (outgoing[from] ?? 0) + weight;
  const found = graph.files.flatMap(({ symbols }, file) =>
    symbols.map(({ name }, symbol): Landmark => {
      const rank = ranks[file] ?? 0;
      // What is asked for by name is worth more than the file that defines it.
      if (mentioned.has(name)) return { file, symbol, score: rank * NOTABLE_FACTOR };
      const factor = nameFactor(name, 1, mentioned) / NOTABLE_FACTOR;
      return { file, symbol, score: (rank * UNREFERENCED_SHARE * factor) / symbols.length };
    }),
  );
  const offsets: number[] = [];
  let offset = 0;
  for (const { symbols } of graph.files) {
    offsets.push(offset);
    offset += symbols.length;
  }
  for (const { from, to, weight, symbol } of graph.edges) {
    const landmark = found[(offsets[to] ?? 0) + symbol];
    if (landmark) landmark.score += ((ranks[from] ?? 0) * weight) / (outgoing[from] ?? 1);
  }
  const isShown = ({ file, symbol }: Landmark) => {
    const kind = graph.files[file]?.symbols[symbol]?.kind;
    return kind !== undefined && !NOT_SHOWN.has(kind);
  };
  // The order of the files is the order of their paths.
  return found
    .filter(isShown)
    .sort((a, b) => b.score - a.score || a.file - b.file || a.symbol - b.symbol);
}

/** The definitions of each file in the order of its text, under what contains them. */
function render(
  files: readonly MapFile[],
  chosen: readonly Landmark[],
  order: readonly number[],
): string {
  const byFile = new Map<number, Set<number>>();
  for (const { file, symbol } of chosen) {
    const symbols = byFile.get(file) ?? new Set();
    byFile.set(file, symbols);
    // A member without what it is a member of says little.
    for (let at: number | null = symbol; at !== null; ) {
      symbols.add(at);
      at = files[file]?.symbols[at]?.container ?? null;
    }
  }
  const blocks = order.flatMap((file) => {
    const { path = "", symbols = [] } = files[file] ?? {};
    const shown = byFile.get(file);
    if (shown === undefined) return [];
    const depths = new Map<number, number>();
    const lines = [...shown]
      .sort((a, b) => a - b)
      .map((index) => {
        const { container, signature, name } = symbols[index] ?? {
          container: null,
          signature: "",
          name: "",
        };
        const depth = container === null ? 0 : (depths.get(container) ?? 0) + 1;
        depths.set(index, depth);
        return `${"  ".repeat(depth + 1)}${(signature || name).slice(0, MAX_LINE_CHARS)}`;
      });
    return [[`${path}:`, ...lines].join("\n")];
  });
  return blocks.length === 0 ? "" : `${blocks.join("\n\n")}\n`;
}

const estimate = (text: string): number => Math.ceil(text.length / CHARS_PER_TOKEN);

/** Makes the map. The same input gives the same text, whatever order it comes in. */
export function repoMap(
  input: { readonly files: readonly MapFile[]; readonly references: readonly MapReference[] },
  options: MapOptions,
): RepoMap {
  const { tokens: budget, countTokens = estimate } = options;
  const focus = new Set(options.focusFiles ?? []);
  const mentioned = new Set(options.focusIdentifiers ?? []);
  const files = [...input.files].sort((a, b) => compare(a.path, b.path));
  const graph = new Graph(files, focus, mentioned);
  const references = [...input.references].sort(
    (a, b) =>
      compare(a.from, b.from) ||
      compare(a.name, b.name) ||
      compare(a.target?.path ?? "", b.target?.path ?? "") ||
      (a.target?.symbol ?? -1) - (b.target?.symbol ?? -1),
  );
  for (const reference of references) graph.add(reference);

  const isOfInterest = ({ path, symbols }: MapFile) =>
    focus.has(path) || symbols.some(({ name }) => mentioned.has(name));
  const interest = files.map((file) => (isOfInterest(file) ? FOCUS_FACTOR : 1));
  const { ranks } = pageRank(files.length, graph.edges, { personalization: interest });

  const all = landmarks(graph, ranks, mentioned);
  const rankOf = (file: number) => ranks[file] ?? 0;
  const order = [...files.keys()].sort((a, b) => rankOf(b) - rankOf(a) || a - b);
  const fit = fitting(all, budget, countTokens, (count) =>
    render(files, all.slice(0, count), order),
  );
  return {
    text: fit.text,
    tokens: fit.tokens,
    files: order.map((file) => ({ path: files[file]?.path ?? "", rank: rankOf(file) })),
    shown: fit.count,
    of: all.length,
  };
}

interface Fit {
  readonly count: number;
  readonly text: string;
  readonly tokens: number;
}

/** The most definitions whose text keeps to the budget, by halving. */
function fitting(
  all: readonly Landmark[],
  budget: number,
  countTokens: (text: string) => number,
  renderFirst: (count: number) => string,
): Fit {
  let best: Fit = { count: 0, text: "", tokens: 0 };
  let low = 1;
  // No line is shorter than a token or two.
  let high = Math.min(all.length, Math.max(0, Math.floor(budget)));
  while (low <= high) {
    const count = (low + high) >> 1;
    const text = renderFirst(count);
    const tokens = countTokens(text);
    if (tokens <= budget) {
      best = { count, text, tokens };
      low = count + 1;
    } else high = count - 1;
  }
  return best;
}
