/** Finds who refers to a name, and says which definition each reference means. */
import { containersOf } from "../../diff/symbols.ts";
import type { CodeReference } from "../../languages/parsed-file.ts";
import {
  type Definition,
  familyOf,
  type Meaning,
  ReferenceResolver,
} from "../../languages/references.ts";
import type { Confidence } from "../../languages/resolve.ts";
import {
  maskerFor,
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
import type { BlobStore } from "../storage/blobs.ts";
import { grammarFor, type ListedFile } from "../storage/listing.ts";
import { referenceAt, rowsNamed } from "../storage/packed-references.ts";
import type { Definitions } from "../storage/symbols.ts";
import { definedAs, MAX_DEFINING_FILES, type SnapshotSource, type Sources } from "./source.ts";

/** Why it is not known which definition a reference means. */
export const UNRESOLVED = ["name_only", "outside"] as const;
export type Unresolved = (typeof UNRESOLVED)[number];

export interface ReferencesRequest extends PageRequest {
  readonly symbol: string;
  /** The file of the definition that is meant; null for any of that name. */
  readonly path: string | null;
  /** The line of its name, or one that it spans; null for all of that name in the file. */
  readonly line: number | null;
  readonly kind: string | null;
  /** The least confidence; null for references of which only the name is known, too. */
  readonly confidence: Confidence | null;
}

/** A symbol by where it is defined. */
export interface SymbolPlace {
  readonly path: string;
  readonly name: string;
  readonly kind: string;
  readonly line: number;
  readonly column: number;
  readonly containers: readonly string[];
}

export interface ReferenceDocument {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly kind: string;
  /** What is written; another name than was asked for where an import renames it. */
  readonly name: string;
  readonly qualifier: string | null;
  /** The line, with what looks like a credential covered. */
  readonly text: string;
  /** The symbol that the reference stands in; null at the top of the file. */
  readonly within: SymbolPlace | null;
  readonly definition: SymbolPlace | null;
  readonly confidence: Confidence | null;
  /** Why there is no definition; null when there is. */
  readonly reason: Unresolved | null;
}

export type ReferencesAnswer =
  | {
      readonly status: "found";
      readonly items: readonly ReferenceDocument[];
      readonly next_cursor: string | null;
      readonly receipt: ReadReceipt;
    }
  | { readonly status: "no_definition"; readonly lines: readonly number[] }
  | NoSnapshot
  | NoFile
  | BadCursor;

export interface ReferenceDeps extends SnapshotDeps {
  readonly blobs: BlobStore;
  readonly sources: Sources;
}

/** Other names are looked for in so many files, and so many of them are followed. */
const MAX_RENAMING_FILES = 500;
const MAX_NAMES = 20;
const MANY_REFERRERS = `More than ${MAX_RENAMING_FILES} files refer to the name: where another file passes it on under another name, it is not followed.`;
/** Files that are read before others get a turn. */
const SLICE = 50;
const MAX_LINE_CHARS = 300;
const CONFIDENCES: readonly Confidence[] = ["ambiguous", "likely", "exact"];

/** The definitions that an answer is about; null for all of the name. */
type Targets = readonly Definition[] | null;

export class ReferenceQueries {
  readonly #deps: ReferenceDeps;

  constructor(deps: ReferenceDeps) {
    this.#deps = deps;
  }

  async references(request: ReferencesRequest, now: number): Promise<ReferencesAnswer> {
    const { symbols, sources, yielded } = this.#deps;
    const opened = openPage(request, this.#deps);
    if ("status" in opened) return opened;
    const { symbol, path, line, kind, confidence, limit, deadline_ms } = request;
    const place = placeOf(
      request.cursor,
      opened,
      JSON.stringify([symbol, path, line, kind, confidence]),
    );
    if ("status" in place) return place;
    const { listing, row } = opened;
    const source = sources.of(row.root, listing);
    const targets = this.#targets(request, opened);
    if (targets !== null && "status" in targets) return targets;

    const { names, isCut } = this.#namesOf(symbol, opened);
    const reader = new Reader(request, { targets, names }, source, this.#deps);
    const items: ReferenceDocument[] = [];
    const pending = pendingFiles(listing, symbols);
    let next: typeof place | null = null;
    let time = now;
    const blobs = new Set([...names].flatMap((name) => symbols.referring(name)));
    const files = filesWith(blobs, opened);
    for (const [done, index] of files.entries()) {
      if (index < place.f) continue;
      if (done % SLICE === SLICE - 1) time = await yielded();
      const file = listing.files[index];
      if (file === undefined) continue;
      if (time - now >= deadline_ms) {
        next = { ...place, f: index, o: 0 };
        break;
      }
      const found = reader.read(file, index === place.f ? place.o : 0, limit - items.length);
      items.push(...found.items);
      if (found.next !== null) {
        next = { ...place, f: index, o: found.next };
        break;
      }
    }
    const bound = reader.bound() ?? (isCut ? MANY_REFERRERS : null);
    const missed = place.m || pending > 0 || bound !== null;
    return {
      status: "found",
      items,
      next_cursor: next === null ? null : writePlace({ ...next, m: missed }),
      receipt: receiptFor(opened, {
        ...{ pending, bound },
        hasMore: next !== null,
        missedBefore: place.m && bound === null,
      }),
    };
  }

  /** The names that it goes by: those that files import it as, or pass it on as, too. */
  #namesOf(symbol: string, { listing }: OpenSnapshot) {
    const { symbols } = this.#deps;
    const names = new Set([symbol]);
    let looked = 0;
    for (const name of names) {
      const blobs = symbols.referring(name).filter((blob) => listing.withBlob(blob).length > 0);
      looked += blobs.length;
      if (looked > MAX_RENAMING_FILES || names.size > MAX_NAMES) return { names, isCut: true };
      for (const blob of blobs) {
        for (const alias of aliasesOf(name, symbols.definitions(blob))) names.add(alias);
      }
    }
    return { names, isCut: false };
  }

  #targets(
    { symbol, path, line }: ReferencesRequest,
    { listing }: OpenSnapshot,
  ): Targets | NoFile | Extract<ReferencesAnswer, { status: "no_definition" }> {
    if (path === null) return null;
    const blob = listing.at(path)?.blob;
    if (blob === undefined || blob === null) return { status: "no_file" };
    const known = this.#deps.symbols.definitions(blob.id);
    const named = definedAs(symbol, known).flatMap((index) => {
      const each = known.symbols[index];
      return each === undefined ? [] : [{ ...each, index }];
    });
    const atLine = named.filter((each) => line === null || each.line === line);
    const around = named.filter(
      (each) => line !== null && each.line <= line && line <= each.end_line,
    );
    // Of those that are nested, the innermost comes last.
    const meant = atLine.length > 0 ? atLine : around.slice(-1);
    if (meant.length > 0) return meant.map(({ index }) => ({ path, symbol: index }));
    return { status: "no_definition", lines: named.map((each) => each.line) };
  }
}

/** What files call a name that they import or pass on. */
function aliasesOf(name: string, { imports }: Definitions): string[] {
  return imports.flatMap(({ names }) =>
    names.flatMap((each) =>
      each.name === name && each.alias !== null && each.alias !== "default" ? [each.alias] : [],
    ),
  );
}

interface Wanted {
  readonly targets: Targets;
  readonly names: ReadonlySet<string>;
}

/** Reads the references of one file after the other. */
class Reader {
  readonly #request: ReferencesRequest;
  readonly #targets: Targets;
  readonly #names: ReadonlySet<string>;
  readonly #families: ReadonlySet<string>;
  readonly #source: SnapshotSource;
  readonly #resolver: ReferenceResolver;
  readonly #deps: ReferenceDeps;

  constructor(
    request: ReferencesRequest,
    { targets, names }: Wanted,
    source: SnapshotSource,
    deps: ReferenceDeps,
  ) {
    this.#request = request;
    this.#targets = targets;
    this.#names = names;
    this.#source = source;
    this.#deps = deps;
    source.takeCut();
    this.#resolver = new ReferenceResolver(source);
    this.#families = new Set(
      (targets ?? []).flatMap(({ path }) => {
        const file = source.file(path);
        return file === undefined ? [] : [familyOf(file.file.language)];
      }),
    );
  }

  /** References from a row on; `next` is the row that no more had room for. */
  read(file: ListedFile, from: number, room: number): ReadFile {
    const { symbols } = this.#deps;
    const grammar = grammarFor(file);
    if (file.blob === null || grammar === null) return { items: [], next: null };
    const packed = symbols.references(file.blob.id);
    const { symbol, kind } = this.#request;
    const renamed = aliasesOf(symbol, symbols.definitions(file.blob.id));
    let lines: readonly string[] | null = null;
    const items: ReferenceDocument[] = [];
    for (const row of rowsNamed(packed, new Set([...this.#names, ...renamed]))) {
      if (row < from) continue;
      const reference = referenceAt(packed, row);
      if (kind !== null && reference.kind !== kind) continue;
      const meaning = this.#resolver.meaning(file.path, reference);
      if (!this.#isMeant(reference, meaning, familyOf(grammar))) continue;
      if (items.length === room) return { items, next: row };
      lines ??= maskerFor(file)(this.#deps.blobs.text(file.blob) ?? "").split("\n");
      const text = lines[reference.line - 1] ?? "";
      items.push(this.#show(file, reference, meaning, text));
    }
    return { items, next: null };
  }

  /** What was left out by a bound. */
  bound(): string | null {
    if (this.#resolver.isCut) {
      return "Files that pass on what they import from hundreds of others were followed only so far: of some references only the name is known.";
    }
    return this.#source.takeCut()
      ? `More than ${MAX_DEFINING_FILES} files define the name: what no import explains is known by name only.`
      : null;
  }

  #isMeant(reference: CodeReference, meaning: Meaning, family: string): boolean {
    const { symbol, confidence } = this.#request;
    const targets = this.#targets;
    if (meaning === null || meaning === "outside") {
      // Another name stands for it only where it is known to.
      if (reference.name !== symbol || confidence !== null) return false;
      return targets === null || (meaning === null && this.#families.has(family));
    }
    if (
      confidence !== null &&
      CONFIDENCES.indexOf(meaning.confidence) < CONFIDENCES.indexOf(confidence)
    ) {
      return false;
    }
    const { definition } = meaning;
    if (targets !== null) {
      return targets.some((t) => t.path === definition.path && t.symbol === definition.symbol);
    }
    return reference.name === symbol || this.#source.symbolAt(definition)?.name === symbol;
  }

  #show(
    file: ListedFile,
    reference: CodeReference,
    meaning: Meaning,
    text: string,
  ): ReferenceDocument {
    const { name, kind, line, column, qualifier, container } = reference;
    const isKnown = meaning !== null && meaning !== "outside";
    return {
      ...{ path: file.path, line, column, kind, name, qualifier },
      text: text.trim().slice(0, MAX_LINE_CHARS),
      within: container === null ? null : this.#placeOf({ path: file.path, symbol: container }),
      definition: isKnown ? this.#placeOf(meaning.definition) : null,
      confidence: isKnown ? meaning.confidence : null,
      reason: isKnown ? null : meaning === "outside" ? "outside" : "name_only",
    };
  }

  #placeOf({ path, symbol: index }: Definition): SymbolPlace | null {
    const blob = this.#source.listing.at(path)?.blob;
    if (blob === undefined || blob === null) return null;
    const { symbols } = this.#deps.symbols.definitions(blob.id);
    const symbol = symbols[index];
    if (symbol === undefined) return null;
    const { name, kind, line, column } = symbol;
    return { path, name, kind, line, column, containers: containersOf(symbols, index) };
  }
}

interface ReadFile {
  readonly items: readonly ReferenceDocument[];
  readonly next: number | null;
}

/** Indexes of the files of some blobs, in the listing's order. */
export function filesWith(blobs: Iterable<number>, { listing }: Pick<OpenSnapshot, "listing">) {
  const files: number[] = [];
  for (const blob of blobs) files.push(...listing.withBlob(blob));
  return files.sort((a, b) => a - b);
}
