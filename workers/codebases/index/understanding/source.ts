/** The files of a snapshot as references are resolved in them, read from the index as they are needed. */
import type { CodeImport, CodeSymbol } from "../../languages/parsed-file.ts";
import {
  type Definition,
  familyOf,
  type IndexedFile,
  indexFile,
  isDefining,
  type ResolvableSymbol,
  type ResolverSource,
} from "../../languages/references.ts";
import { folderOf } from "../../languages/resolve/paths.ts";
import {
  CONFIGURATION_FILES,
  type ImportResolver,
  importResolver,
  type Resolution,
} from "../../languages/resolve.ts";
import type { BlobStore } from "../storage/blobs.ts";
import { grammarFor, type ListedFile, type Listing } from "../storage/listing.ts";
import type { Definitions, SymbolStore } from "../storage/symbols.ts";

export interface SourceDeps {
  readonly blobs: BlobStore;
  readonly symbols: SymbolStore;
}

/** Files are kept in memory for the next question, as long as they have so many symbols together. */
const KEPT_SYMBOLS = 30_000;
/** A name that more files define is not looked up in all of them. */
export const MAX_DEFINING_FILES = 500;
/** Names whose definers are kept, since many references to one name are resolved together. */
const KEPT_NAMES = 500;
/** Snapshots whose paths are kept arranged for resolving. */
const KEPT_SNAPSHOTS = 2;

export class SnapshotSource implements ResolverSource {
  readonly listing: Listing;
  readonly imports: ImportResolver;
  readonly #symbols: SymbolStore;
  readonly #files = new Map<string, IndexedFile>();
  readonly #named = new Map<string, readonly ListedFile[]>();
  readonly #definers = new Map<string, Definers>();
  #keptSymbols = 0;
  #isCut = false;

  constructor(listing: Listing, { blobs, symbols }: SourceDeps) {
    this.listing = listing;
    this.#symbols = symbols;
    const configurations = listing.files.flatMap(({ path, blob }) => {
      if (blob === null || !CONFIGURATION_FILES.has(path.slice(path.lastIndexOf("/") + 1)))
        return [];
      const text = blobs.text(blob);
      return text === null ? [] : [{ path, text }];
    });
    this.imports = importResolver(
      listing.files.map(({ path }) => path),
      configurations,
    );
  }

  /** Some name had more definers than are looked at; asking again forgets it. */
  takeCut(): boolean {
    const wasCut = this.#isCut;
    this.#isCut = false;
    return wasCut;
  }

  file(path: string): IndexedFile | undefined {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const listed = this.listing.at(path);
    const language = listed === null ? null : grammarFor(listed);
    if (listed === null || language === null || listed.blob === null) return undefined;
    const { symbols, imports } = this.#symbols.definitions(listed.blob.id);
    const file = indexFile({
      ...{ path, language, symbols },
      imports: this.resolved(language, path, imports),
    });
    this.#keep(path, file);
    return file;
  }

  inFolder(folder: string, name: string): readonly IndexedFile[] {
    return this.#defining(name)
      .filter(({ path }) => folderOf(path) === folder)
      .flatMap(({ path }) => this.file(path) ?? [])
      .filter(({ byName }) => byName.has(name));
  }

  definers(language: string, name: string, within?: ReadonlySet<string>): readonly Definition[] {
    const family = familyOf(language);
    if (within !== undefined) return this.#definersIn(family, name, within).definitions;
    const key = `${family}:${name}`;
    const known = this.#definers.get(key) ?? this.#definersIn(family, name, null);
    keep(this.#definers, key, known, KEPT_NAMES);
    if (known.isCut) this.#isCut = true;
    return known.definitions;
  }

  /** Imports with what each of their names comes from. */
  resolved(
    language: string,
    from: string,
    imports: readonly CodeImport[],
  ): (CodeImport & { readonly resolutions: readonly Resolution[] })[] {
    return imports.map((imported) => {
      const { module, names } = imported;
      const asked = names.length === 0 ? [[]] : names.map((name) => [name]);
      return {
        ...imported,
        resolutions: asked.map((each) =>
          this.imports.resolve(language, from, { module, names: each }),
        ),
      };
    });
  }

  symbolAt({ path, symbol }: Definition): CodeSymbol | null {
    const blob = this.listing.at(path)?.blob;
    if (blob === undefined || blob === null) return null;
    return this.#symbols.definitions(blob.id).symbols[symbol] ?? null;
  }

  symbol(definition: Definition): ResolvableSymbol | undefined {
    return this.file(definition.path)?.file.symbols[definition.symbol];
  }

  /** Symbols are known that were not before. */
  forget(): void {
    this.#files.clear();
    this.#keptSymbols = 0;
    this.#named.clear();
    this.#definers.clear();
  }

  #keep(path: string, file: IndexedFile): void {
    this.#files.set(path, file);
    this.#keptSymbols += file.file.symbols.length;
    for (const [oldest, { file: dropped }] of this.#files) {
      if (this.#keptSymbols <= KEPT_SYMBOLS || oldest === path) break;
      this.#files.delete(oldest);
      this.#keptSymbols -= dropped.symbols.length;
    }
  }

  #definersIn(family: string, name: string, within: ReadonlySet<string> | null): Definers {
    const files = this.#defining(name).filter((file) => {
      const grammar = grammarFor(file);
      const isOfFamily = grammar !== null && familyOf(grammar) === family;
      return isOfFamily && (within === null || within.has(file.path));
    });
    return {
      isCut: files.length > MAX_DEFINING_FILES,
      definitions: files
        .slice(0, MAX_DEFINING_FILES)
        .flatMap(({ path }) =>
          (this.file(path)?.byName.get(name) ?? []).map((symbol) => ({ path, symbol })),
        ),
    };
  }

  /** Files that may define a name, by path. */
  #defining(name: string): readonly ListedFile[] {
    const known = this.#named.get(name);
    if (known !== undefined) return known;
    const { listing } = this;
    const files = this.#symbols
      .defining(name)
      .flatMap((blob) => listing.withBlob(blob))
      .sort((a, b) => a - b)
      .flatMap((index) => listing.files[index] ?? []);
    keep(this.#named, name, files, KEPT_NAMES);
    return files;
  }
}

interface Definers {
  readonly definitions: readonly Definition[];
  readonly isCut: boolean;
}

/** The oldest goes when there are too many. */
function keep<Value>(map: Map<string, Value>, key: string, value: Value, most: number): void {
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}

/** Definitions of a name in a file, by their indexes. */
export function definedAs(name: string, { symbols }: Definitions): number[] {
  return symbols.flatMap((symbol, index) =>
    symbol.name === name && isDefining(symbol) ? [index] : [],
  );
}

/** The sources of the snapshots that were asked about last. */
export class Sources {
  readonly #deps: SourceDeps;
  readonly #known = new Map<string, SnapshotSource>();

  constructor(deps: SourceDeps) {
    this.#deps = deps;
  }

  of(root: string, listing: Listing): SnapshotSource {
    const known = this.#known.get(root);
    if (known?.listing === listing) return known;
    const source = new SnapshotSource(listing, this.#deps);
    this.#known.delete(root);
    keep(this.#known, root, source, KEPT_SNAPSHOTS);
    return source;
  }

  /** New symbols are known: what files were read without is read again. */
  forget(): void {
    for (const source of this.#known.values()) source.forget();
  }
}
