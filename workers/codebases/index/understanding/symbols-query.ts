/** Finds definitions by name, by a part of it or by words, and outlines a file. */
import picomatch from "picomatch";
import { containersOf } from "../../diff/symbols.ts";
import type { CodeSymbol } from "../../languages/parsed-file.ts";
import { wordExpression } from "../../query/identifiers.ts";
import { planTrigrams } from "../../query/trigrams.ts";
import {
  maskerFor,
  type NoFile,
  type OpenSnapshot,
  openPage,
  openSnapshot,
  type PageRequest,
  type Place,
  pendingFiles,
  placeOf,
  type ReadReceipt,
  receiptFor,
  type SnapshotDeps,
  writePlace,
} from "../reading/pages.ts";
import type { BadCursor, NoSnapshot } from "../reading/pinned.ts";
import { has, type ListedFile, type Listing } from "../storage/listing.ts";
import type { SymbolStore } from "../storage/symbols.ts";

/** How definitions are looked for: all of them, by the whole name, by a part of it in any case, by words. */
export const SYMBOL_MODES = ["all", "name", "prefix", "contains", "words"] as const;
export type SymbolMode = (typeof SYMBOL_MODES)[number];

export interface SymbolsRequest extends PageRequest {
  readonly by: SymbolMode;
  readonly text: string;
  readonly kind: string | null;
  readonly language: string | null;
  /** A glob of paths. */
  readonly path: string | null;
  readonly exported: boolean | null;
}

/** A definition as it is shown. */
export interface SymbolDocument {
  readonly path: string;
  readonly name: string;
  readonly kind: string;
  readonly line: number;
  readonly column: number;
  readonly end_line: number;
  /** Names of what it is defined in, outermost first. */
  readonly containers: readonly string[];
  readonly signature: string;
  readonly doc: string | null;
  readonly exported: boolean | null;
  readonly language: string | null;
  /** BM25 of its words, greater is better; null for what is found by name. */
  readonly score: number | null;
}

export type SymbolsAnswer =
  | {
      readonly status: "found";
      readonly items: readonly SymbolDocument[];
      readonly next_cursor: string | null;
      readonly receipt: ReadReceipt;
    }
  | NoSnapshot
  | BadCursor;

export type OutlineAnswer =
  | {
      readonly status: "found";
      readonly path: string;
      readonly language: string | null;
      /** In the order of the text; a container comes before what it contains. */
      readonly symbols: readonly (Omit<SymbolDocument, "path" | "language" | "score"> & {
        /** Index of the symbol around it. */
        readonly parent: number | null;
      })[];
      readonly receipt: ReadReceipt;
    }
  | NoSnapshot
  | NoFile;

/** Files, or hits of the word index, that are looked at before others get a turn. */
const SLICE = 200;
const WORDS_PER_SLICE = 500;

/** Such files repeat what the code that matters says: they come last. */
const REPEATING = ["test", "vendored", "generated", "minified", "doc"] as const;

export class SymbolQueries {
  readonly #deps: SnapshotDeps;

  constructor(deps: SnapshotDeps) {
    this.#deps = deps;
  }

  async symbols(request: SymbolsRequest, now: number): Promise<SymbolsAnswer> {
    const { symbols } = this.#deps;
    const opened = openPage(request, this.#deps);
    if ("status" in opened) return opened;
    const { by, text, kind, language, path, exported } = request;
    // Scores depend on all that is indexed, so that pages by score are of one state of it.
    const state = by === "words" ? symbols.wordState() : "";
    const asked = JSON.stringify([by, text, kind, language, path, exported, state]);
    const place = placeOf(request.cursor, opened, asked);
    if ("status" in place) return place;
    const pending = pendingFiles(opened.listing, symbols);
    const accepts = acceptor(request);
    const page =
      by === "words"
        ? await this.#byWords(opened, place, request, accepts, now)
        : await this.#byName(opened, place, request, accepts, now);
    const missed = place.m || pending > 0;
    return {
      status: "found",
      items: page.items,
      next_cursor: page.next === null ? null : writePlace({ ...page.next, m: missed }),
      receipt: receiptFor(opened, { pending, hasMore: page.next !== null, missedBefore: place.m }),
    };
  }

  outline(snapshot: string | null, path: string): OutlineAnswer {
    const { symbols } = this.#deps;
    const opened = openSnapshot(snapshot, this.#deps);
    if (opened === null) return { status: "no_snapshot" };
    const file = opened.listing.at(path);
    if (file === null) return { status: "no_file" };
    const { blob } = file;
    const known = blob === null ? [] : symbols.definitions(blob.id).symbols;
    const isPending = blob !== null && symbols.isWaiting(blob.id);
    const problem = blob === null ? null : (symbols.state(blob.id)?.problem ?? null);
    return {
      status: "found",
      path,
      language: file.language,
      symbols: known.map((symbol, index) => {
        const { path: _, language: __, score: ___, ...shown } = show(file, known, index, null);
        return { ...shown, parent: symbol.container };
      }),
      receipt: receiptFor(opened, {
        pending: isPending ? 1 : 0,
        bound: problem === null ? null : (PROBLEMS.get(problem) ?? UNREAD),
      }),
    };
  }

  /** Files in an order that only the snapshot decides, so that pages fit together. */
  async #byName(
    { listing }: OpenSnapshot,
    place: Place,
    { by, text, limit, deadline_ms }: SymbolsRequest,
    { file: acceptsFile, symbol: acceptsSymbol }: Acceptor,
    now: number,
  ): Promise<Page> {
    const { symbols, yielded } = this.#deps;
    const order = candidates(by, text, listing, symbols);
    const isNamed = matcherOf(by, text);
    const items: SymbolDocument[] = [];
    let time = now;
    for (const [done, rank] of order.entries()) {
      if (rank < place.f) continue;
      if (done % SLICE === SLICE - 1) time = await yielded();
      if (time - now >= deadline_ms) return { items, next: { ...place, f: rank, o: 0 } };
      const file = listing.files[rank % listing.files.length];
      if (file?.blob == null || !acceptsFile(file)) continue;
      const known = symbols.definitions(file.blob.id).symbols;
      for (let index = rank === place.f ? place.o : 0; index < known.length; index += 1) {
        const symbol = known[index];
        if (symbol === undefined || !isNamed(symbol.name) || !acceptsSymbol(symbol)) continue;
        if (items.length === limit) return { items, next: { ...place, f: rank, o: index } };
        items.push(show(file, known, index, null));
      }
    }
    return { items, next: null };
  }

  /** `f` of the place counts hits of the word index, `o` paths of one hit. */
  async #byWords(
    { listing }: OpenSnapshot,
    place: Place,
    { text, limit, deadline_ms }: SymbolsRequest,
    { file: acceptsFile, symbol: acceptsSymbol }: Acceptor,
    now: number,
  ): Promise<Page> {
    const { symbols, yielded } = this.#deps;
    const expression = wordExpression(text, "OR");
    const items: SymbolDocument[] = [];
    if (expression === null) return { items, next: null };
    let time = now;
    for (let from = place.f; ; from += WORDS_PER_SLICE) {
      if (time - now >= deadline_ms) return { items, next: { ...place, f: from, o: 0 } };
      const hits = symbols.byWords(expression, WORDS_PER_SLICE, from);
      for (const [at, { blob, symbol: index, bm25 }] of hits.entries()) {
        if (index === null) continue;
        const paths = listing.withBlob(blob);
        const known = paths.length === 0 ? [] : symbols.definitions(blob).symbols;
        const symbol = known[index];
        if (symbol === undefined || !acceptsSymbol(symbol)) continue;
        for (const [nth, path] of paths.entries()) {
          const file = listing.files[path];
          if (file === undefined || !acceptsFile(file)) continue;
          if (from + at === place.f && nth < place.o) continue;
          if (items.length === limit) return { items, next: { ...place, f: from + at, o: nth } };
          items.push(show(file, known, index, bm25));
        }
      }
      if (hits.length < WORDS_PER_SLICE) return { items, next: null };
      time = await yielded();
    }
  }
}

interface Page {
  readonly items: readonly SymbolDocument[];
  readonly next: Place | null;
}

interface Acceptor {
  readonly file: (file: ListedFile) => boolean;
  readonly symbol: (symbol: CodeSymbol) => boolean;
}

function acceptor({ kind, language, path, exported }: SymbolsRequest): Acceptor {
  const matches = path === null ? null : picomatch(path, { dot: true });
  return {
    file: (file) =>
      (language === null || file.language === language) && matches?.(file.path) !== false,
    symbol: (symbol) =>
      (kind === null || symbol.kind === kind) &&
      (exported === null || symbol.exported === exported),
  };
}

function matcherOf(by: SymbolMode, text: string): (name: string) => boolean {
  if (by === "all") return () => true;
  if (by === "name") return (name) => name === text;
  const folded = text.toLowerCase();
  return by === "prefix"
    ? (name) => name.toLowerCase().startsWith(folded)
    : (name) => name.toLowerCase().includes(folded);
}

/** Places of the files that may define it, of those that repeat others behind all that do not. */
function candidates(
  by: SymbolMode,
  text: string,
  listing: Listing,
  symbols: SymbolStore,
): number[] {
  const plan =
    by === "prefix" || by === "contains" ? planTrigrams({ kind: "literal", text }) : null;
  const blobs =
    by === "name"
      ? symbols.defining(text)
      : plan?.kind === "match"
        ? symbols.matching(plan.expression)
        : listing.blobs;
  const ranks: number[] = [];
  for (const blob of blobs) {
    for (const index of listing.withBlob(blob)) {
      const file = listing.files[index];
      const repeats = file !== undefined && REPEATING.some((trait) => has(file, trait));
      ranks.push(repeats ? listing.files.length + index : index);
    }
  }
  return ranks.sort((a, b) => a - b);
}

/** What a parser stopped at, as receipts say it. */
const UNREAD = "The file could not be parsed: its symbols are not known.";
const PROBLEMS: ReadonlyMap<string, string> = new Map([
  ["too_large_to_parse", "The file is too large to be parsed: its symbols are not known."],
  ["parse_timeout", "Parsing the file took too long: its symbols are not known."],
  ["parse_lost", "Parsing the file was tried several times and did not come to an end."],
]);

function show(
  file: ListedFile,
  symbols: readonly CodeSymbol[],
  index: number,
  score: number | null,
): SymbolDocument {
  const symbol = symbols[index];
  if (symbol === undefined) throw new RangeError(`${file.path} has no symbol ${index}.`);
  const { name, kind, line, column, end_line, signature, doc, exported } = symbol;
  const masked = maskerFor(file);
  return {
    ...{ path: file.path, name, kind, line, column, end_line, exported, score },
    containers: containersOf(symbols, index),
    signature: masked(signature),
    doc: doc === null ? null : masked(doc),
    language: file.language,
  };
}
