/** Tree-sitter with one grammar and its query, and a second one where the language embeds scripts. */
import { Language, type Node, Parser, Query, type QueryMatch, type Tree } from "web-tree-sitter";
import type { Budget } from "./budget.ts";
import { handOver, readPredicates, satisfies } from "./predicates.ts";

/** States that a query keeps at once; more are a sign of a tree that it cannot cope with. */
const MATCH_LIMIT = 100_000;
const MAX_ERRORS = 1_000;
/** Children of an ERROR node: so many take a query some 100 ms. */
const MAX_ERROR_WIDTH = 10_000;
/** Nodes that are looked at in search of a wide one. */
const MAX_VISITS = 20_000;

export type CompiledGrammar = WebAssembly.Module;

/** Starts tree-sitter's core. Once an isolate. */
export async function startCore(core: WebAssembly.Module): Promise<void> {
  // Tree-sitter takes a process with this type for a browser, which has no `require`.
  Object.assign(globalThis.process, { type: "renderer" });
  await Parser.init({
    instantiateWasm(
      imports: WebAssembly.Imports,
      done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
    ) {
      done(new WebAssembly.Instance(core, imports), core);
      return {};
    },
  });
}

export interface Part {
  readonly start: number;
  readonly end: number;
}

function loadGrammar(grammar: WebAssembly.Module): Language {
  try {
    return Language.loadSync(grammar);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `${why}; a grammar is what "tree-sitter build --wasm" of version 0.22 or later writes`,
    );
  }
}

export class Engine {
  readonly #parser = new Parser();
  readonly #language: Language;
  readonly #query: Query;
  readonly #errors: Query;
  readonly #predicates: ReturnType<typeof readPredicates>;

  /** Throws when the grammar's format is not known or when the query does not fit it. */
  constructor(grammar: CompiledGrammar, query: string) {
    this.#language = loadGrammar(grammar);
    this.#parser.setLanguage(this.#language);
    this.#query = new Query(this.#language, handOver(query));
    this.#errors = new Query(this.#language, "(ERROR) @error (MISSING) @error");
    this.#predicates = readPredicates(this.#query);
  }

  /** Parses a text, or only parts of it; null when the budget is spent. */
  parse(text: string, budget: Budget, ranges: readonly Node[] | null): Tree | null {
    const tree = this.#parser.parse(text, null, {
      progressCallback: budget.spend,
      ...(ranges && { includedRanges: [...ranges] }),
    });
    if (tree === null) this.#parser.reset();
    return tree;
  }

  /**
   * True when an error took in so much that a query would not end: it looks at the children of an
   * ERROR node in quadratic time, and one step of it can take longer than a whole file should.
   */
  isWreck(tree: Tree): boolean {
    if (!tree.rootNode.hasError) return false;
    const cursor = tree.walk();
    try {
      for (let visits = 0; visits < MAX_VISITS; visits += 1) {
        const node = cursor.currentNode;
        if (node.isError && node.childCount > MAX_ERROR_WIDTH) return true;
        if (node.hasError && cursor.gotoFirstChild()) continue;
        while (!cursor.gotoNextSibling()) {
          if (!cursor.gotoParent()) return false;
        }
      }
      return false;
    } finally {
      cursor.delete();
    }
  }

  /** Every match of the query; fewer when the budget ends first. */
  matches(tree: Tree, text: string, budget: Budget): { matches: QueryMatch[]; truncated: boolean } {
    const matches = this.#query
      .matches(tree.rootNode, { matchLimit: MATCH_LIMIT, progressCallback: budget.spend })
      .filter((match) => satisfies(match, this.#predicates, text));
    return { matches, truncated: budget.isSpent || this.#query.didExceedMatchLimit() };
  }

  errors(tree: Tree, budget: Budget): number {
    if (!tree.rootNode.hasError) return 0;
    const { length } = this.#errors.captures(tree.rootNode, { progressCallback: budget.spend });
    return Math.min(MAX_ERRORS, Math.max(1, length));
  }
}
