/**
 * Says which definition a reference means, without a compiler: its own file, what the file imports,
 * its package, and last a name that only few define.
 */
import type { CodeImport, CodeReference, CodeSymbol } from "./parsed-file.ts";
import { folderOf, nearest } from "./resolve/paths.ts";
import type { Confidence, Resolution } from "./resolve/resolution.ts";

/** Names with more definers than this say nothing about which one is meant. */
export const MAX_DEFINERS = 5;
/** Files that pass on what they import, one after the other. */
const MAX_RE_EXPORTS = 5;
/** Files that one file passes on whole, directly and by others: headers of a large library. */
const MAX_REACH = 500;
/** Of those, how many are asked for what they pass on by name. */
const MAX_PASSING_FILES = 50;

/** What resolution looks at of a symbol. */
export type ResolvableSymbol = Pick<CodeSymbol, "name" | "kind" | "container" | "exported">;

export interface ResolvableFile {
  readonly path: string;
  readonly language: string;
  readonly symbols: readonly ResolvableSymbol[];
  readonly imports: readonly (Pick<CodeImport, "module" | "names"> & {
    /** What each of `names` comes from; one for the module itself when there are none. */
    readonly resolutions: readonly Resolution[];
  })[];
}

/** A symbol by its file and its index there. */
export interface Definition {
  readonly path: string;
  readonly symbol: number;
}

export interface Found {
  readonly definition: Definition;
  readonly confidence: Confidence;
}

/** `outside` when an import leads out of the snapshot, null when the name alone is known. */
export type Meaning = Found | "outside" | null;

export interface ResolvedReference extends Found {
  /** Index among the file's references. */
  readonly reference: number;
}

/** Where the resolver finds the files of a snapshot. */
export interface ResolverSource {
  file(path: string): IndexedFile | undefined;
  /** The symbol of a definition. */
  symbol(definition: Definition): ResolvableSymbol | undefined;
  /** The files right in a folder that define a name, in the order of their paths. */
  inFolder(folder: string, name: string): readonly IndexedFile[];
  /**
   * The definitions of a name in the languages that can mean it, in the order of their paths; of
   * other files than `within`, if it is given, it may leave some out.
   */
  definers(language: string, name: string, within?: ReadonlySet<string>): readonly Definition[];
}

/** Languages that can name each other's definitions. */
const FAMILIES: ReadonlyMap<string, string> = new Map([
  ["tsx", "typescript"],
  ["javascript", "typescript"],
  ["vue", "typescript"],
  ["cpp", "c"],
  ["kotlin", "java"],
  ["scala", "java"],
]);
export const familyOf = (language: string): string => FAMILIES.get(language) ?? language;

/** Languages in which an import brings every name of the file. */
const IMPORT_BRINGS_ALL = new Set(["c", "ruby", "bash", "php", "dart", "csharp", "swift"]);
/** Languages whose files see all of their folder without an import. */
const FOLDER_IS_PACKAGE = new Set(["go", "java", "csharp", "swift", "elixir"]);
/** Languages in which a name of another file has to be imported: without, it is only a guess. */
const IMPORTS_EVERY_NAME = new Set(["typescript", "python", "rust"]);
/** Languages in which a file gives out nothing that it imports. */
const ONLY_OWN = new Set(["go", "java", "csharp", "php", "swift", "elixir", "lua", "zig"]);
/** They add to what another symbol of the same name defines. */
const NOT_DEFINING = new Set(["impl", "extension", "prototype", "anchor"]);
/** They are no types, so that what stands for a type cannot mean them. */
const NO_TYPES = new Set(["function", "method", "constructor", "field", "property", "test"]);
const TYPE_REFERENCES = new Set(["type", "implements"]);
const SELF = new Set(["this", "self", "Self", "super", "cls", "static", "@"]);

interface Bound {
  readonly resolution: Resolution;
  /** The name in its module; `*` for the module itself. */
  readonly name: string;
}

/** A file as the resolver looks things up in it. */
export interface IndexedFile {
  readonly file: ResolvableFile;
  readonly byName: ReadonlyMap<string, readonly number[]>;
  readonly bindings: ReadonlyMap<string, Bound>;
  /** What is imported, by its name where it comes from. */
  readonly imported: ReadonlyMap<string, Bound>;
  /** Modules all of whose names are the file's own. */
  readonly wildcards: readonly Resolution[];
}

/** What a module is called by whoever imports it whole. */
function lastPart(module: string): string {
  return (
    module
      .replace(/\/v\d+$/, "")
      .split(/[/.:\\]+/)
      .findLast((part) => part !== "") ?? module
  );
}

export const isDefining = ({ kind }: Pick<CodeSymbol, "kind">): boolean => !NOT_DEFINING.has(kind);

export function indexFile(file: ResolvableFile): IndexedFile {
  const byName = new Map<string, number[]>();
  for (const [index, symbol] of file.symbols.entries()) {
    if (!isDefining(symbol)) continue;
    const { name } = symbol;
    const known = byName.get(name);
    if (known === undefined) byName.set(name, [index]);
    else known.push(index);
  }
  const bindings = new Map<string, Bound>();
  const imported = new Map<string, Bound>();
  const wildcards: Resolution[] = [];
  for (const { module, names, resolutions } of file.imports) {
    const [whole] = resolutions;
    if (names.length === 0 && whole !== undefined) {
      if (IMPORT_BRINGS_ALL.has(familyOf(file.language))) wildcards.push(whole);
      else bindings.set(lastPart(module), { resolution: whole, name: "*" });
    }
    for (const [index, { name, alias }] of names.entries()) {
      const resolution = resolutions[index] ?? whole;
      if (resolution === undefined) continue;
      if (name === "*" && alias === null) wildcards.push(resolution);
      else bindings.set(alias ?? name, { resolution, name });
      if (!imported.has(name)) imported.set(name, { resolution, name });
    }
  }
  return { file, byName, bindings, imported, wildcards };
}

/** All files of a snapshot in memory. */
export class WholeSnapshot implements ResolverSource {
  readonly #files = new Map<string, IndexedFile>();
  /** By folder and name. */
  readonly #folders = new Map<string, Map<string, IndexedFile[]>>();
  readonly #definers = new Map<string, Definition[]>();

  constructor(files: Iterable<ResolvableFile> = []) {
    for (const file of files) this.add(file);
  }

  /** Files come in the order of their paths. */
  add(file: ResolvableFile): void {
    const indexed = indexFile(file);
    this.#files.set(file.path, indexed);
    const folder = folderOf(file.path);
    const inFolder = this.#folders.get(folder) ?? new Map<string, IndexedFile[]>();
    this.#folders.set(folder, inFolder);
    for (const [name, symbols] of indexed.byName) {
      const others = inFolder.get(name);
      if (others === undefined) inFolder.set(name, [indexed]);
      else others.push(indexed);
      const key = `${familyOf(file.language)}:${name}`;
      const definers = this.#definers.get(key) ?? [];
      if (definers.length === 0) this.#definers.set(key, definers);
      for (const symbol of symbols) definers.push({ path: file.path, symbol });
    }
  }

  file(path: string): IndexedFile | undefined {
    return this.#files.get(path);
  }

  symbol({ path, symbol }: Definition): ResolvableSymbol | undefined {
    return this.#files.get(path)?.file.symbols[symbol];
  }

  inFolder(folder: string, name: string): readonly IndexedFile[] {
    return this.#folders.get(folder)?.get(name) ?? [];
  }

  definers(language: string, name: string): readonly Definition[] {
    return this.#definers.get(`${familyOf(language)}:${name}`) ?? [];
  }
}

/** Resolves references of a snapshot's files. */
export class ReferenceResolver {
  readonly #source: ResolverSource;
  readonly #reaches = new Map<string, ReadonlySet<string>>();
  #isCut = false;

  constructor(source: ResolverSource) {
    this.#source = source;
  }

  /** A file passed on more than is followed: what is beyond was resolved by name, if at all. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** The references of one file that mean a definition of the snapshot. */
  resolve(path: string, references: readonly CodeReference[]): ResolvedReference[] {
    return references.flatMap((reference, index) => {
      const found = this.meaning(path, reference);
      return found === null || found === "outside" ? [] : [{ reference: index, ...found }];
    });
  }

  /** What one reference of a file means. */
  meaning(path: string, reference: CodeReference): Meaning {
    const indexed = this.#source.file(path);
    if (indexed === undefined) return null;
    const { name, qualifier, kind } = reference;
    const bound =
      (kind === "import" ? indexed.imported.get(name) : undefined) ??
      indexed.bindings.get(qualifier ?? name);
    // An import that leads out of the snapshot means nothing in it.
    const outside = bound?.resolution;
    if (outside?.path === null && outside.confidence === "exact") return "outside";
    if (kind === "import" && bound !== undefined && bound.name !== "*") {
      const found = this.#exportOf(bound.resolution, bound.name, 0);
      if (found !== null) return found;
    }
    if (qualifier !== null && !SELF.has(qualifier)) {
      return this.#ofQualifier(indexed, qualifier, name) ?? this.#byName(indexed, reference);
    }
    return (
      inOwnFile(indexed, reference) ??
      this.#imported(indexed, name) ??
      this.#inPackage(indexed, reference) ??
      this.#byName(indexed, reference)
    );
  }

  /** A member of what is imported, or of what the file itself defines. */
  #ofQualifier(indexed: IndexedFile, qualifier: string, name: string): Found | null {
    const bound = indexed.bindings.get(qualifier);
    if (bound !== undefined) {
      if (bound.name === "*") return this.#exportOf(bound.resolution, name, 0);
      const owner = this.#exportOf(bound.resolution, bound.name, 0);
      return owner === null ? null : this.#memberOf(owner.definition, name, owner.confidence);
    }
    for (const symbol of indexed.byName.get(qualifier) ?? []) {
      const member = this.#memberOf({ path: indexed.file.path, symbol }, name, "exact");
      if (member !== null) return member;
    }
    return null;
  }

  #memberOf(owner: Definition, name: string, confidence: Confidence): Found | null {
    const indexed = this.#source.file(owner.path);
    const symbol = indexed?.byName
      .get(name)
      ?.find((index) => indexed.file.symbols[index]?.container === owner.symbol);
    return symbol === undefined ? null : { definition: { path: owner.path, symbol }, confidence };
  }

  #imported(indexed: IndexedFile, name: string): Found | null {
    const bound = indexed.bindings.get(name);
    if (bound !== undefined) {
      return bound.name === "*"
        ? this.#exportOf(bound.resolution, name, 0)
        : this.#exportOf(bound.resolution, bound.name, 0, name);
    }
    for (const resolution of indexed.wildcards) {
      const found = this.#exportOf(resolution, name, 0);
      if (found !== null) return { ...found, confidence: weaker(found.confidence, "likely") };
    }
    return null;
  }

  /** What a module gives out under a name; `local` is what the importer calls it. */
  #exportOf(resolution: Resolution, name: string, depth: number, local = name): Found | null {
    const { path, isFolder, confidence } = resolution;
    if (path === null || depth > MAX_RE_EXPORTS) return null;
    const files = isFolder ? this.#source.inFolder(path, name) : [this.#source.file(path)];
    for (const indexed of files) {
      if (indexed === undefined) continue;
      const symbol = exportedSymbol(indexed, name, local);
      if (symbol !== null) return { definition: { path: indexed.file.path, symbol }, confidence };
    }
    const [only] = files;
    if (isFolder || only === undefined || ONLY_OWN.has(familyOf(only.file.language))) return null;
    const passed = this.#passedOn(only, name, depth);
    return passed && { ...passed, confidence: weaker(passed.confidence, confidence) };
  }

  /** What a file gives out that it has from elsewhere: by name, or with all that a module has. */
  #passedOn(indexed: IndexedFile, name: string, depth: number): Found | null {
    const further = ({ resolution, name: original }: Bound) =>
      this.#exportOf(resolution, original === "*" ? name : original, depth + 1);
    const bound = indexed.bindings.get(name);
    if (bound !== undefined) return further(bound);
    const reach = this.#reach(indexed.file.path);
    if (reach.size <= 1) return null;
    for (const { path, symbol } of this.#source.definers(indexed.file.language, name, reach)) {
      const other = reach.has(path) ? this.#source.file(path) : undefined;
      if (other && exportedSymbol(other, name, name) === symbol) {
        return { definition: { path, symbol }, confidence: "exact" };
      }
    }
    if (reach.size > MAX_PASSING_FILES) this.#isCut = true;
    for (const path of [...reach].slice(1, MAX_PASSING_FILES)) {
      const passed = this.#source.file(path)?.bindings.get(name);
      const found = passed === undefined ? null : further(passed);
      if (found !== null) return found;
    }
    return null;
  }

  /** A file and all whose names it passes on as its own, nearest first. */
  #reach(path: string): ReadonlySet<string> {
    const known = this.#reaches.get(path);
    if (known !== undefined) return known;
    const reach = new Set([path]);
    for (const at of reach) {
      if (reach.size > MAX_REACH) {
        this.#isCut = true;
        break;
      }
      for (const wildcard of this.#source.file(at)?.wildcards ?? []) {
        if (wildcard.path !== null && !wildcard.isFolder) reach.add(wildcard.path);
      }
    }
    this.#reaches.set(path, reach);
    return reach;
  }

  #inPackage(indexed: IndexedFile, reference: CodeReference): Found | null {
    const { name } = reference;
    const { path, language } = indexed.file;
    const family = familyOf(language);
    const isPackage = FOLDER_IS_PACKAGE.has(family);
    const found = this.#source
      .inFolder(folderOf(path), name)
      .filter(({ file }) => file.path !== path && familyOf(file.language) === family)
      .flatMap((other) => {
        const symbol = exportedSymbol(other, name, name, isPackage);
        if (symbol === null || !canMean(reference, other.file.symbols[symbol], family)) return [];
        return [{ path: other.file.path, symbol }];
      });
    const [definition, ...others] = found;
    if (definition === undefined || (others.length > 0 && !isPackage)) return null;
    if (isPackage) return { definition, confidence: others.length === 0 ? "exact" : "ambiguous" };
    return { definition, confidence: IMPORTS_EVERY_NAME.has(family) ? "ambiguous" : "likely" };
  }

  /** A name that few define; of several, the nearest. */
  #byName(indexed: IndexedFile, reference: CodeReference): Found | null {
    const { name, qualifier, kind } = reference;
    const { path, language } = indexed.file;
    const definers = this.#source.definers(language, name).filter((definition) => {
      const symbol = this.symbol(definition);
      if (symbol === undefined || !canMean(reference, symbol, familyOf(language))) return false;
      const isMember = symbol.container !== null || symbol.kind === "method";
      if (kind === "call" && qualifier !== null && !isMember) return false;
      if (kind === "call" && qualifier === null && symbol.container !== null) return false;
      return definition.path === path || symbol.exported !== false;
    });
    if (definers.length === 0 || definers.length > MAX_DEFINERS) return null;
    const place = nearest([...new Set(definers.map((definer) => definer.path))], path);
    const definition = definers.find((definer) => definer.path === place);
    if (definition === undefined) return null;
    const isBare = qualifier === null && IMPORTS_EVERY_NAME.has(familyOf(language));
    return { definition, confidence: definers.length > 1 || isBare ? "ambiguous" : "likely" };
  }

  /** The symbol of a definition. */
  symbol(definition: Definition): ResolvableSymbol | undefined {
    return this.#source.symbol(definition);
  }
}

/** Whether a definition is of a sort that a reference can mean. */
export function canMean(
  { kind, qualifier }: Pick<CodeReference, "kind" | "qualifier">,
  symbol: Pick<CodeSymbol, "kind" | "container"> | undefined,
  family: string,
): boolean {
  if (symbol === undefined) return false;
  if (TYPE_REFERENCES.has(kind)) return !NO_TYPES.has(symbol.kind);
  // The methods of Go stand beside their type, but are called on something as those of any other.
  return family !== "go" || qualifier !== null || symbol.kind !== "method";
}

const ORDER: readonly Confidence[] = ["exact", "likely", "ambiguous"];

function weaker(a: Confidence, b: Confidence): Confidence {
  return ORDER.indexOf(a) > ORDER.indexOf(b) ? a : b;
}

/** A name of the file's outermost level that others can use; null when it gives none out. */
function exportedSymbol(
  { file, byName }: IndexedFile,
  name: string,
  local: string,
  includesPrivate = false,
): number | null {
  const isGiven = (index: number) => {
    const symbol = file.symbols[index];
    if (symbol === undefined || (symbol.exported === false && !includesPrivate)) return false;
    const around = symbol.container === null ? undefined : file.symbols[symbol.container];
    return around === undefined || around.kind === "namespace" || around.kind === "module";
  };
  const direct = byName.get(name)?.find(isGiven);
  if (direct !== undefined || name !== "default") return direct ?? null;
  // What is exported by default has a name of its own, often the one that importers give it.
  const named = byName.get(local)?.find(isGiven);
  if (named !== undefined) return named;
  const given = [...file.symbols.keys()].filter(
    (index) => file.symbols[index]?.exported && isGiven(index),
  );
  return given.length === 1 ? (given[0] ?? null) : null;
}

/** A definition of the same file that is in scope where the reference stands. */
function inOwnFile({ file, byName }: IndexedFile, reference: CodeReference): Found | null {
  const family = familyOf(file.language);
  const candidates = (byName.get(reference.name) ?? []).filter((index) =>
    canMean(reference, file.symbols[index], family),
  );
  if (candidates.length === 0) return null;
  const at = (symbol: number): Found => ({
    definition: { path: file.path, symbol },
    confidence: "exact",
  });
  // From the innermost symbol outwards; a member is in scope of its siblings by `this` alone.
  for (let around = reference.container; ; ) {
    const kind = around === null ? "file" : file.symbols[around]?.kind;
    const isType =
      kind !== undefined &&
      /^(class|struct|interface|trait|impl|enum|protocol|object|mixin|extension)$/.test(kind);
    const inScope = candidates.find((index) => file.symbols[index]?.container === around);
    if (
      inScope !== undefined &&
      (!isType || reference.qualifier !== null || MEMBERS_IN_SCOPE.has(family))
    ) {
      return at(inScope);
    }
    if (around !== null && candidates.includes(around)) return at(around);
    if (around === null) break;
    around = file.symbols[around]?.container ?? null;
  }
  if (reference.qualifier === null || candidates.length > MAX_DEFINERS) return null;
  const [only, ...others] = candidates;
  if (only === undefined) return null;
  return { ...at(only), confidence: others.length === 0 ? "likely" : "ambiguous" };
}

/** Languages in which a member is called without naming its object. */
const MEMBERS_IN_SCOPE = new Set(["java", "csharp", "c", "ruby", "swift", "dart", "zig", "elixir"]);
