/** Sorts the captures of a query by what they say: definitions, references, imports, exports. */
import type { Node, QueryMatch } from "web-tree-sitter";

/** A part of the text, as the tree gives it. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly row: number;
  readonly column: number;
}

export interface FoundDefinition {
  readonly kind: string;
  readonly name: Span;
  readonly whole: Span;
  readonly body: number | null;
}

export interface FoundReference {
  readonly kind: string;
  readonly name: Span;
}

export interface FoundImport {
  readonly whole: Span;
  readonly module: Span | null;
  readonly name: Span | null;
  /** `default` and `namespace` stand for themselves; a tree is read by its language's rules. */
  readonly form: "named" | "default" | "namespace" | "module" | "tree";
  readonly alias: Span | null;
}

export interface Found {
  readonly definitions: FoundDefinition[];
  readonly references: FoundReference[];
  readonly imports: FoundImport[];
  readonly exports: Span[];
  readonly exportedNames: Span[];
  readonly injections: Span[];
}

/** Words of the usual tag queries for kinds that have another name here. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ["implementation", "implements"],
  ["class", "type"],
]);

function spanOf(node: Node): Span {
  const { startIndex: start, startPosition } = node;
  return { start, end: node.endIndex, row: startPosition.row, column: startPosition.column };
}

interface Roles {
  definition: { kind: string; node: Node } | null;
  reference: { kind: string; node: Node } | null;
  import: Node | null;
  readonly others: Map<string, Node>;
}

function rolesOf(match: QueryMatch): Roles {
  const roles: Roles = { definition: null, reference: null, import: null, others: new Map() };
  for (const { name, node } of match.captures) {
    if (name.startsWith("definition.")) roles.definition ??= { kind: name.slice(11), node };
    else if (name.startsWith("reference.")) roles.reference ??= { kind: name.slice(10), node };
    else if (name === "import") roles.import ??= node;
    else if (!roles.others.has(name)) roles.others.set(name, node);
  }
  return roles;
}

function importOf(whole: Node, others: ReadonlyMap<string, Node>): FoundImport {
  const span = (name: string) => {
    const node = others.get(`import.${name}`);
    return node === undefined ? null : spanOf(node);
  };
  const form = others.has("import.tree")
    ? "tree"
    : others.has("import.name")
      ? "named"
      : others.has("import.default")
        ? "default"
        : others.has("import.namespace")
          ? "namespace"
          : "module";
  const alias = span("alias") ?? (form === "named" ? null : (span("default") ?? span("namespace")));
  const module = span("module") ?? span("tree");
  return { whole: spanOf(whole), module, name: span("name"), form, alias };
}

/** The first pattern that names a place has the say on it: queries put the specific ones first. */
class ByPlace<T> {
  readonly #isFuller: (item: T, known: T) => boolean;
  readonly #found = new Map<number, { pattern: number; item: T }>();

  /** Among matches of one pattern, an optional part can be missing. */
  constructor(isFuller: (item: T, known: T) => boolean = () => false) {
    this.#isFuller = isFuller;
  }

  add(start: number, pattern: number, item: T): void {
    const known = this.#found.get(start);
    if (known === undefined || pattern < known.pattern) this.#found.set(start, { pattern, item });
    else if (pattern === known.pattern && this.#isFuller(item, known.item)) known.item = item;
  }

  has(start: number): boolean {
    return this.#found.has(start);
  }

  get items(): T[] {
    return [...this.#found.values()].map(({ item }) => item);
  }
}

/** Reads the matches of one tree. A name that is defined is not a reference to itself. */
export function readMatches(matches: readonly QueryMatch[]): Found {
  const definitions = new ByPlace<FoundDefinition>(
    (item, known) => item.body !== null && known.body === null,
  );
  const references = new ByPlace<FoundReference>();
  const imports: FoundImport[] = [];
  const exports: Span[] = [];
  const exportedNames: Span[] = [];
  const injections: Span[] = [];
  for (const match of matches) {
    const { definition, reference, import: imported, others } = rolesOf(match);
    if (definition !== null) {
      const { kind, node } = definition;
      const name = others.get("name") ?? node;
      const body = others.get("body") ?? node.childForFieldName("body");
      const whole = spanOf(node);
      // In some grammars a body is the declaration's neighbor, not its part.
      const end = Math.max(whole.end, body?.endIndex ?? 0);
      const item = {
        kind,
        name: spanOf(name),
        whole: { ...whole, end },
        body: body?.startIndex ?? null,
      };
      definitions.add(name.startIndex, match.patternIndex, item);
    } else if (reference !== null) {
      const name = others.get("name") ?? reference.node;
      const kind = KINDS.get(reference.kind) ?? reference.kind;
      references.add(name.startIndex, match.patternIndex, { kind, name: spanOf(name) });
    } else if (imported !== null) {
      imports.push(importOf(imported, others));
    } else {
      for (const { name, node } of match.captures) {
        if (name === "export") exports.push(spanOf(node));
        else if (name === "export.name") exportedNames.push(spanOf(node));
        else if (name === "injection") injections.push(spanOf(node));
      }
    }
  }
  return {
    definitions: definitions.items,
    references: references.items.filter(({ name }) => !definitions.has(name.start)),
    imports,
    exports,
    exportedNames,
    injections,
  };
}
