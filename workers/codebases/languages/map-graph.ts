/** Who refers to whom in a codebase, in columns of numbers: a graph of files, whose edges end at symbols. */
import { type EdgeColumns, outgoingWeights, pageRankOf } from "./pagerank.ts";
import type { CodeSymbol } from "./parsed-file.ts";
import type { Confidence } from "./resolve/resolution.ts";

/** More definers than these make a name say little. */
export const COMMON_DEFINERS = 5;
/** How much of all interest is in what is in focus, if anything is: in a large codebase, too. */
const FOCUS_SHARE = 0.8;
const NOTABLE_FACTOR = 10;
const PRIVATE_FACTOR = 0.1;
const COMMON_FACTOR = 0.1;
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

/** Parts of other definitions and data: they are not landmarks. */
const NOT_SHOWN = new Set(["field", "property", "variable", "enum-member", "anchor", "id", "test"]);

const SHOWN = 1;
const NOTABLE = 2;
const PRIVATE = 4;

export interface MapGraph {
  /** The number of each file's first symbol, and at the end how many there are. */
  readonly offsets: Int32Array;
  /** Bits of each symbol: it can be shown, its name is notable, its name is private. */
  readonly traits: Uint8Array;
  /** Edges from files to symbols, with what a reference between them is worth. */
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly weight: Float64Array;
}

const isNotable = (name: string) =>
  name.length >= MIN_NOTABLE_CHARS && /[a-z][A-Z]|[^_]_[^_]|-/.test(name);

function traitsOf({ name, kind }: Pick<CodeSymbol, "name" | "kind">): number {
  let bits = NOT_SHOWN.has(kind) ? 0 : SHOWN;
  if (isNotable(name)) bits |= NOTABLE;
  if (name.startsWith("_")) bits |= PRIVATE;
  return bits;
}

function factorOf(traits: number): number {
  return (
    ((traits & NOTABLE) !== 0 ? NOTABLE_FACTOR : 1) *
    ((traits & PRIVATE) !== 0 ? PRIVATE_FACTOR : 1)
  );
}

/** Takes all files first, in the order of their paths, then what they refer to. */
export class MapGraphBuilder {
  readonly #offsets: number[] = [0];
  readonly #traits: number[] = [];
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly #weight: number[] = [];

  addFile(symbols: readonly Pick<CodeSymbol, "name" | "kind">[]): void {
    for (const symbol of symbols) this.#traits.push(traitsOf(symbol));
    this.#offsets.push(this.#traits.length);
  }

  /** The number of a file's symbol; null when it has none of that index. */
  numberOf(file: number, symbol: number): number | null {
    const number = (this.#offsets[file] ?? 0) + symbol;
    return symbol >= 0 && number < (this.#offsets[file + 1] ?? 0) ? number : null;
  }

  /** References of a file to a symbol, whose name so many symbols have. */
  refer(
    file: number,
    symbol: number,
    { count, definers, confidence }: { count: number; definers: number; confidence: Confidence },
  ): void {
    const common = definers > COMMON_DEFINERS ? COMMON_FACTOR : 1;
    const factor = factorOf(this.#traits[symbol] ?? 0) * common * CONFIDENCE_FACTORS[confidence];
    this.#edge(file, symbol, Math.sqrt(count) * factor);
  }

  /** References of a file to a name of which it is not known which definition is meant. */
  referByName(file: number, definers: readonly number[], count: number): void {
    if (definers.length > COMMON_DEFINERS) return;
    for (const symbol of definers) {
      const factor = factorOf(this.#traits[symbol] ?? 0) * NAME_ONLY_FACTOR;
      if (!this.#isOf(file, symbol))
        this.#edge(file, symbol, (Math.sqrt(count) * factor) / definers.length);
    }
  }

  build(): MapGraph {
    return {
      offsets: Int32Array.from(this.#offsets),
      traits: Uint8Array.from(this.#traits),
      from: Int32Array.from(this.#from),
      to: Int32Array.from(this.#to),
      weight: Float64Array.from(this.#weight),
    };
  }

  #isOf(file: number, symbol: number): boolean {
    return symbol >= (this.#offsets[file] ?? 0) && symbol < (this.#offsets[file + 1] ?? 0);
  }

  #edge(file: number, symbol: number, weight: number): void {
    this.#from.push(file);
    this.#to.push(symbol);
    this.#weight.push(weight);
  }
}

/** The file of each symbol. */
export function filesOfSymbols({ offsets, traits }: MapGraph): Int32Array {
  const files = new Int32Array(traits.length);
  for (let file = 0; file + 1 < offsets.length; file += 1) {
    files.fill(file, offsets[file], offsets[file + 1]);
  }
  return files;
}

export interface MapInterest {
  /** Files that are open or talked about. */
  readonly files: ReadonlySet<number>;
  /** Symbols whose names are talked about. */
  readonly symbols: ReadonlySet<number>;
}

export interface RankedGraph {
  /** The rank of each file; their sum is 1. */
  readonly ranks: Float64Array;
  /** What each symbol is worth: the rank that flows to it, and a little for being there. */
  readonly scores: Float64Array;
}

export function rankGraph(graph: MapGraph, { files, symbols }: MapInterest): RankedGraph {
  const { from, to, traits, offsets } = graph;
  const size = offsets.length - 1;
  const fileOf = filesOfSymbols(graph);
  const weight = graph.weight.slice();
  if (symbols.size > 0) {
    for (let edge = 0; edge < to.length; edge += 1) {
      const symbol = to[edge] ?? 0;
      const isRaised = symbols.has(symbol) && ((traits[symbol] ?? 0) & NOTABLE) === 0;
      if (isRaised) weight[edge] = (weight[edge] ?? 0) * NOTABLE_FACTOR;
    }
  }
  const edges: EdgeColumns = { from, to: to.map((symbol) => fileOf[symbol] ?? 0), weight };
  const focused = new Set(files);
  for (const symbol of symbols) focused.add(fileOf[symbol] ?? 0);
  const rest = size - focused.size;
  const share = (FOCUS_SHARE / (1 - FOCUS_SHARE)) * Math.max(1, rest);
  const personalization = new Float64Array(size).fill(1);
  for (const file of focused) personalization[file] = share / focused.size;
  const { ranks } = pageRankOf(size, edges, { personalization });

  const outgoing = outgoingWeights(size, edges);
  const scores = new Float64Array(traits.length);
  for (let symbol = 0; symbol < scores.length; symbol += 1) {
    const file = fileOf[symbol] ?? 0;
    const rank = ranks[file] ?? 0;
    const count = (offsets[file + 1] ?? 0) - (offsets[file] ?? 0);
    // What is asked for by name is worth more than the file that defines it.
    scores[symbol] = symbols.has(symbol)
      ? rank * NOTABLE_FACTOR
      : (rank * UNREFERENCED_SHARE * (factorOf(traits[symbol] ?? 0) / NOTABLE_FACTOR)) / count;
  }
  for (let edge = 0; edge < to.length; edge += 1) {
    const symbol = to[edge] ?? 0;
    const file = from[edge] ?? 0;
    const flow = ((ranks[file] ?? 0) * (weight[edge] ?? 0)) / (outgoing[file] ?? 1);
    scores[symbol] = (scores[symbol] ?? 0) + flow;
  }
  return { ranks, scores };
}

/** The symbols that can be shown, those worth most first, `most` of them at most. */
export function topSymbols({ traits }: MapGraph, scores: Float64Array, most: number): number[] {
  const shown: number[] = [];
  for (let symbol = 0; symbol < traits.length; symbol += 1) {
    if (((traits[symbol] ?? 0) & SHOWN) !== 0) shown.push(symbol);
  }
  const least =
    shown.length <= most
      ? Number.NEGATIVE_INFINITY
      : (Float64Array.from(shown, (symbol) => scores[symbol] ?? 0).sort()[shown.length - most] ??
        0);
  return shown
    .filter((symbol) => (scores[symbol] ?? 0) >= least)
    .sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b)
    .slice(0, most);
}

export function countShown({ traits }: MapGraph): number {
  return traits.reduce((sum, bits) => sum + (bits & SHOWN), 0);
}
