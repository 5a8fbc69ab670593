/** ast-grep with one grammar. */

import type { SgNode } from "@ast-grep/wasm";
import * as astGrepModule from "@ast-grep/wasm/wasm_bg.js";
import { Language, Parser, type Tree } from "web-tree-sitter";
import { hasWords, wordsOfPattern } from "../../query/structure.ts";
import { Budget } from "../child/budget.ts";
import { startCore } from "../child/engine.ts";
import type { StructureParts } from "../structure-protocol.ts";

const { __wbg_set_wasm, dumpPattern, initializeTreeSitter, parse, registerDynamicLanguage } =
  astGrepModule;

/** ast-grep knows the one language of this isolate by it. */
const LANGUAGE = "own";
const MAX_FILE_MS = 3_000;

/** Smaller pieces of code are walked whole. */
const WALKED_CHARS = 400;

/** The pattern is not code of the language. */
export class PatternProblem extends Error {
  readonly at: number | null;

  constructor(message: string, at: number | null) {
    super(message);
    this.at = at;
  }
}

/** A file takes longer to parse than is allowed. */
export class TooLong extends Error {}

export interface MatcherModules {
  readonly core: WebAssembly.Module;
  readonly grammar: WebAssembly.Module;
  readonly astGrep: WebAssembly.Module;
  readonly expando: string;
}

/** Starts tree-sitter and ast-grep. Once an isolate. */
export async function startMatcher({ core, grammar, astGrep, expando }: MatcherModules) {
  await startCore(core);
  // ast-grep starts and loads by itself what it is given here instead.
  Object.assign(Parser, { init: async () => undefined });
  Object.assign(Language, { load: async () => Language.loadSync(grammar) });
  boundParses();
  const imports = Object.fromEntries(Object.entries(astGrepModule));
  const instance = new WebAssembly.Instance(astGrep, { "./wasm_bg.js": imports });
  __wbg_set_wasm(instance.exports);
  const { __wbindgen_start: begin } = instance.exports;
  if (typeof begin === "function") begin();
  await initializeTreeSitter();
  await registerDynamicLanguage({ [LANGUAGE]: { libraryPath: "grammar", expandoChar: expando } });
}

/** What came of the last parse: a tree that ast-grep leaves to be freed, or none in time. */
interface Parsed {
  tree: Tree | null;
  isTooLong: boolean;
}
const last: Parsed = { tree: null, isTooLong: false };

/** Bounds every parse, which ast-grep asks of tree-sitter without a bound. */
function boundParses(): void {
  const { parse: unbounded } = Parser.prototype;
  Parser.prototype.parse = function parseWithin(source, oldTree, options) {
    const budget = new Budget(typeof source === "string" ? source.length : 0, MAX_FILE_MS);
    const within = { ...options, progressCallback: budget.spend };
    const tree = unbounded.call(this, source, oldTree, within);
    Object.assign(last, { tree, isTooLong: tree === null } satisfies Parsed);
    if (tree === null) this.reset();
    return tree;
  };
}

/** Parses, and frees what was parsed. Throws TooLong. */
function withTree<Result>(text: string, use: (root: SgNode) => Result): Result {
  Object.assign(last, { tree: null, isTooLong: false } satisfies Parsed);
  try {
    return use(parse(LANGUAGE, text).root());
  } catch (error) {
    if (last.isTooLong) throw new TooLong();
    throw error;
  } finally {
    last.tree?.delete();
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** What is needed of ast-grep's own account of a pattern. */
interface Dump {
  readonly kind: string;
  readonly line: number;
  readonly column: number;
  readonly children: readonly Dump[];
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;
const numberOf = (value: unknown) => (typeof value === "number" ? value : 0);

function readDump(value: unknown): Dump {
  const { kind, start, children } = isRecord(value) ? value : {};
  const { line, column } = isRecord(start) ? start : {};
  return {
    kind: typeof kind === "string" ? kind : "",
    line: numberOf(line),
    column: numberOf(column),
    children: Array.isArray(children) ? children.map(readDump) : [],
  };
}

type PatternRule = string | { readonly context: string; readonly selector: string };

export class Matcher {
  readonly #rule: { readonly rule: { readonly any: readonly { pattern: PatternRule }[] } };

  readonly #words: readonly string[];
  readonly #language: string;

  /** Throws PatternProblem. */
  constructor(pattern: string, parts: StructureParts) {
    this.#words = wordsOfPattern(pattern);
    this.#language = parts.language;
    const alone = readPattern(pattern);
    const within = parts.context === null ? null : inContext(pattern, parts.context, parts.expando);
    const rules: PatternRule[] = [];
    if (!(alone instanceof PatternProblem)) rules.push(pattern);
    if (within !== null && (alone instanceof PatternProblem || alone.kind !== within.selector)) {
      rules.push(within);
    }
    if (rules.length === 0 && alone instanceof PatternProblem) throw alone;
    this.#rule = { rule: { any: rules.map((rule) => ({ pattern: rule })) } };
  }

  /** Throws TooLong. */
  find(text: string, max: number): [number, number][] {
    return withTree(text, (root) =>
      [...this.#matches(root, text)].slice(0, max).map((node): [number, number] => {
        const { start, end } = node.range();
        return [start.index, end.index];
      }),
    );
  }

  /** ast-grep walks slowly, so that what has not the words of the pattern is left out. */
  *#matches(node: SgNode, text: string): Generator<SgNode> {
    const { start, end } = node.range();
    if (!hasWords(text.slice(start.index, end.index), this.#words, this.#language)) return;
    if (end.index - start.index < WALKED_CHARS || this.#words.length === 0) {
      yield* node.findAll(this.#rule);
    } else if (node.matches(this.#rule)) {
      yield* node.findAll(this.#rule);
    } else {
      for (const child of node.children()) yield* this.#matches(child, text);
    }
  }
}

function readPattern(pattern: string): Dump | PatternProblem {
  try {
    const dump = readDump(dumpPattern(LANGUAGE, pattern, null, "smart"));
    const error = faultIn(dump);
    if (error === null) return dump;
    return new PatternProblem("It does not parse as code.", offsetOf(pattern, error));
  } catch (error) {
    return new PatternProblem(explain(messageOf(error)), null);
  }
}

/** The last place that is an error and has none inside: errors around it only follow from it. */
function faultIn(dump: Dump): Dump | null {
  for (const child of dump.children.toReversed()) {
    const fault = faultIn(child);
    if (fault !== null) return fault;
  }
  return dump.kind === "ERROR" ? dump : null;
}

function offsetOf(pattern: string, { line, column }: Dump): number {
  const before = pattern.split("\n").slice(0, line);
  return before.reduce((sum, text) => sum + text.length + 1, column);
}

/** ast-grep quotes the pattern, which may be long, and says what is wrong before. */
function explain(message: string): string {
  if (message.startsWith("Multiple AST nodes"))
    return "It is several pieces of code; it has to be one.";
  if (message.startsWith("No AST root")) return "It is no code.";
  return message.slice(0, 200);
}

/** The kind that the pattern is of within other code; null where it is no code there. */
function inContext(
  pattern: string,
  context: string,
  expando: string,
): { readonly context: string; readonly selector: string } | null {
  const bare = pattern.trim().replace(/;$/, "");
  const [before = "", after = ""] = context.split("@");
  const code = bare.replaceAll(/\$\$\$|\$(?=\$?[A-Z_])/g, (dollars) =>
    expando.repeat(dollars.length),
  );
  const selector = withTree(`${before}${code}${after}`, (root) => {
    if (root.has({ rule: { kind: "ERROR" } })) return null;
    let node: SgNode | undefined = root;
    const [start, end] = [before.length, before.length + code.length];
    const holds = (one: SgNode) => one.range().start.index <= start && one.range().end.index >= end;
    // A declaration may take in the semicolon that its context gives it.
    const ends = after.startsWith(";") ? [end, end + 1] : [end];
    const isIt = (one: SgNode) =>
      one.range().start.index === start && ends.includes(one.range().end.index);
    let found: SgNode | null = null;
    while (node !== undefined) {
      if (isIt(node) && node.isNamed() && !(found !== null && node.isLeaf())) found = node;
      node = node.children().find(holds);
    }
    return found?.kind() ?? null;
  });
  if (selector === null) return null;
  const rule = { context: `${before}${bare}${after}`, selector };
  try {
    dumpPattern(LANGUAGE, rule.context, selector, "smart");
    return rule;
  } catch {
    return null;
  }
}
