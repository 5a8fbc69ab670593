/** All symbols of a snapshot in columns of numbers, so that references of large ones resolve in little memory. */
import {
  type Definition,
  familyOf,
  type IndexedFile,
  indexFile,
  isDefining,
  type ResolvableFile,
  type ResolvableSymbol,
  type ResolverSource,
} from "../../languages/references.ts";
import { folderOf } from "../../languages/resolve/paths.ts";

/** Files are kept as objects, those used last, as long as they have so many symbols together. */
const KEPT_SYMBOLS = 40_000;
/** Names whose definers are kept. */
const KEPT_NAMES = 2_000;

const EXPORTED = [null, false, true] as const;

/** Numbers that are added one by one. */
class Ints {
  #data = new Int32Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#data.length) {
      const larger = new Int32Array(2 * this.#length);
      larger.set(this.#data);
      this.#data = larger;
    }
    this.#data[this.#length] = value;
    this.#length += 1;
  }

  at(index: number): number {
    return this.#data[index] ?? 0;
  }
}

/** Numbers for texts. */
class Names {
  readonly #numbers = new Map<string, number>();
  readonly texts: string[] = [];

  add(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#numbers.set(text, this.texts.length);
    this.texts.push(text);
    return this.texts.length - 1;
  }

  find(text: string): number | null {
    return this.#numbers.get(text) ?? null;
  }
}

/** Takes all files by path, then resolves in them. Files are its nodes, in their order. */
export class SymbolTable implements ResolverSource {
  readonly #load: (node: number) => ResolvableFile;
  readonly #nodes = new Map<string, number>();
  readonly #paths: string[] = [];
  readonly #languages: string[] = [];
  readonly #offsets = new Ints();
  readonly #names = new Names();
  readonly #kinds = new Names();
  /** By symbol: its name, kind, container (one higher, 0 for none), and whether it is exported. */
  readonly #name = new Ints();
  readonly #kind = new Ints();
  readonly #container = new Ints();
  readonly #exported = new Ints();
  /** Symbols by name: those of a name are from its start on up to the next name's. */
  #starts = new Int32Array(0);
  #symbols = new Int32Array(0);
  #nodeOfSymbol = new Int32Array(0);
  readonly #files = new Map<number, IndexedFile>();
  #keptSymbols = 0;
  readonly #definers = new Map<string, readonly Definition[]>();

  /** `load` reads a file again when it is needed as a whole. */
  constructor(load: (node: number) => ResolvableFile) {
    this.#load = load;
    this.#offsets.push(0);
  }

  add(path: string, language: string, symbols: readonly ResolvableSymbol[]): void {
    this.#nodes.set(path, this.#paths.length);
    this.#paths.push(path);
    this.#languages.push(language);
    for (const { name, kind, container, exported } of symbols) {
      this.#name.push(this.#names.add(name));
      this.#kind.push(this.#kinds.add(kind));
      this.#container.push(container === null ? 0 : container + 1);
      this.#exported.push(EXPORTED.indexOf(exported));
    }
    this.#offsets.push(this.#name.length);
  }

  /** Arranges the symbols by name, once all files are in. */
  seal(): void {
    const count = this.#name.length;
    this.#starts = new Int32Array(this.#names.texts.length + 1);
    for (let symbol = 0; symbol < count; symbol += 1) {
      const next = this.#name.at(symbol) + 1;
      this.#starts[next] = (this.#starts[next] ?? 0) + 1;
    }
    for (let name = 1; name < this.#starts.length; name += 1) {
      this.#starts[name] = (this.#starts[name] ?? 0) + (this.#starts[name - 1] ?? 0);
    }
    const next = this.#starts.slice();
    this.#symbols = new Int32Array(count);
    for (let symbol = 0; symbol < count; symbol += 1) {
      const name = this.#name.at(symbol);
      const at = next[name] ?? 0;
      this.#symbols[at] = symbol;
      next[name] = at + 1;
    }
    this.#nodeOfSymbol = new Int32Array(count);
    for (let node = 0; node < this.#paths.length; node += 1) {
      this.#nodeOfSymbol.fill(node, this.#offsets.at(node), this.#offsets.at(node + 1));
    }
  }

  /** How many symbols have a name. */
  countOf(name: string): number {
    return this.#named(name).length;
  }

  /** The number of a symbol among all; null for one that is not there. */
  numberOf({ path, symbol }: Definition): number | null {
    const node = this.#nodes.get(path);
    if (node === undefined) return null;
    const number = this.#offsets.at(node) + symbol;
    return number < this.#offsets.at(node + 1) ? number : null;
  }

  symbol(definition: Definition): ResolvableSymbol | undefined {
    const number = this.numberOf(definition);
    if (number === null) return undefined;
    const container = this.#container.at(number);
    return {
      name: this.#names.texts[this.#name.at(number)] ?? "",
      kind: this.#kinds.texts[this.#kind.at(number)] ?? "",
      container: container === 0 ? null : container - 1,
      exported: EXPORTED[this.#exported.at(number)] ?? null,
    };
  }

  file(path: string): IndexedFile | undefined {
    const node = this.#nodes.get(path);
    if (node === undefined) return undefined;
    const file = this.#files.get(node) ?? this.#keep(indexFile(this.#load(node)));
    // Those used last come last.
    this.#files.delete(node);
    this.#files.set(node, file);
    return file;
  }

  inFolder(folder: string, name: string): readonly IndexedFile[] {
    const byNode = Map.groupBy(this.#named(name), (symbol) => this.#nodeOfSymbol[symbol] ?? 0);
    return [...byNode].flatMap(([node, symbols]) => {
      const path = this.#paths[node] ?? "";
      if (folderOf(path) !== folder) return [];
      const indexes = symbols.map((symbol) => symbol - this.#offsets.at(node));
      const found = name === "default" ? this.file(path) : this.#part(node, indexes);
      return found?.byName.has(name) ? [found] : [];
    });
  }

  /** A file with some of its symbols and what is around them: it is not read for them. */
  #part(node: number, indexes: readonly number[]): IndexedFile {
    const path = this.#paths[node] ?? "";
    const symbols: ResolvableSymbol[] = [];
    const byName = new Map<string, number[]>();
    for (const index of indexes) {
      const symbol = this.symbol({ path, symbol: index });
      if (symbol === undefined) continue;
      symbols[index] = symbol;
      const around = symbol.container;
      const container = around === null ? undefined : this.symbol({ path, symbol: around });
      if (around !== null && container !== undefined) symbols[around] = container;
      if (isDefining(symbol)) byName.set(symbol.name, [...(byName.get(symbol.name) ?? []), index]);
    }
    const file = { path, language: this.#languages[node] ?? "", symbols, imports: [] };
    return { file, byName, bindings: new Map(), imported: new Map(), wildcards: [] };
  }

  definers(language: string, name: string): readonly Definition[] {
    const family = familyOf(language);
    const key = `${family}:${name}`;
    const known = this.#definers.get(key);
    if (known !== undefined) return known;
    const found: Definition[] = [];
    for (const symbol of this.#named(name)) {
      const node = this.#nodeOfSymbol[symbol] ?? 0;
      const kind = this.#kinds.texts[this.#kind.at(symbol)] ?? "";
      if (familyOf(this.#languages[node] ?? "") !== family || !isDefining({ kind })) continue;
      found.push({ path: this.#paths[node] ?? "", symbol: symbol - this.#offsets.at(node) });
    }
    this.#definers.set(key, found);
    const [oldest] = this.#definers.keys();
    if (this.#definers.size > KEPT_NAMES && oldest !== undefined) this.#definers.delete(oldest);
    return found;
  }

  #named(name: string): Int32Array {
    const number = this.#names.find(name);
    if (number === null) return new Int32Array(0);
    return this.#symbols.subarray(this.#starts[number], this.#starts[number + 1]);
  }

  #keep(file: IndexedFile): IndexedFile {
    this.#keptSymbols += file.file.symbols.length;
    for (const [node, oldest] of this.#files) {
      if (this.#keptSymbols <= KEPT_SYMBOLS) break;
      this.#files.delete(node);
      this.#keptSymbols -= oldest.file.symbols.length;
    }
    return file;
  }
}
