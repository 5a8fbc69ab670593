/** Takes one file apart: tree, symbols, references, imports, words. */
import type { QueryMatch, Tree } from "web-tree-sitter";
import { emptyAnswer } from "../empty-answer.ts";
import type { Answer, Problem } from "../parsed-file.ts";
import type { LanguageTraits } from "../traits.ts";
import { Budget } from "./budget.ts";
import { type Found, type FoundDefinition, readMatches } from "./captures.ts";
import { makeChunks } from "./chunks.ts";
import type { Engine } from "./engine.ts";
import { scanLines } from "./line-scan.ts";
import { Lines } from "./lines.ts";
import { makeReferences } from "./references.ts";
import { makeSymbols } from "./symbols.ts";

export const MAX_FILE_CHARS = 1 << 20;
const MAX_FILE_MS = 5_000;
const MAX_INJECTIONS = 50;

export interface Analyzer {
  readonly engine: Engine;
  readonly traits: LanguageTraits;
  /** What reads the scripts that files of the language embed. */
  readonly embedded: { readonly engine: Engine; readonly traits: LanguageTraits } | null;
}

interface Reading {
  readonly found: Found;
  readonly errors: number;
  readonly truncated: boolean;
}

const isInjection = ({ captures }: QueryMatch) => captures.some(({ name }) => name === "injection");

/** Reads what the tree holds, and the scripts in it; whoever made the tree lets it go. */
function readTree(tree: Tree, text: string, analyzer: Analyzer, budget: Budget): Reading {
  const { engine, embedded } = analyzer;
  const { matches, truncated } = engine.matches(tree, text, budget);
  const errors = engine.errors(tree, budget);
  const ranges = matches
    .filter(isInjection)
    .flatMap(({ captures }) => captures.filter(({ name }) => name === "injection"))
    .map(({ node }) => node)
    .slice(0, MAX_INJECTIONS);
  if (embedded === null || ranges.length === 0) {
    return { found: readMatches(matches), errors, truncated };
  }
  const script = embedded.engine.parse(text, budget, ranges);
  if (script === null) return { found: readMatches(matches), errors, truncated: true };
  try {
    const inner = embedded.engine.matches(script, text, budget);
    const outerFound = readMatches(matches);
    const innerFound = readMatches(inner.matches);
    const found: Found = {
      definitions: [...outerFound.definitions, ...innerFound.definitions],
      references: [...outerFound.references, ...innerFound.references],
      imports: [...outerFound.imports, ...innerFound.imports],
      exports: innerFound.exports,
      exportedNames: innerFound.exportedNames,
      injections: [],
    };
    const scriptErrors = embedded.engine.errors(script, budget);
    return { found, errors: errors + scriptErrors, truncated: truncated || inner.truncated };
  } finally {
    script.delete();
  }
}

/** Adds what lines look like where the tree has nothing of that name on that line. */
function withLineScan(found: FoundDefinition[], scanned: FoundDefinition[], text: string) {
  const key = ({ name }: FoundDefinition) => `${name.row}:${text.slice(name.start, name.end)}`;
  const known = new Set(found.map(key));
  const missing = scanned.filter((definition) => !known.has(key(definition)));
  return missing.length === 0 ? found : [...found, ...missing];
}

const NOTHING: Found = {
  definitions: [],
  references: [],
  imports: [],
  exports: [],
  exportedNames: [],
  injections: [],
};

const UNREAD: Reading = { found: NOTHING, errors: 1, truncated: true };

const TIMED_OUT: Problem = {
  code: "parse_timeout",
  message:
    "The file takes longer to parse than is allowed, so its symbols come from a scan of its lines. Split it, or exclude it if it is generated.",
};

/** Analyzes a file. A trap of the grammar is thrown, since its isolate is then in doubt. */
export function analyze(index: number, text: string, analyzer: Analyzer): Answer {
  if (text.length > MAX_FILE_CHARS) {
    return emptyAnswer(index, {
      code: "too_large_to_parse",
      message: `The file has ${text.length} characters and is searched as text alone; symbols need at most ${MAX_FILE_CHARS}. Split it to have its symbols.`,
    });
  }
  const began = performance.now();
  const { engine, traits } = analyzer;
  const budget = new Budget(text.length, MAX_FILE_MS);
  const lines = new Lines(text);
  const tree = engine.parse(text, budget, null);
  let reading = UNREAD;
  let isWreck = false;
  if (tree !== null) {
    try {
      isWreck = engine.isWreck(tree);
      if (!isWreck) reading = readTree(tree, text, analyzer, budget);
    } finally {
      tree.delete();
    }
  }
  const { found, errors } = reading;
  const { lineScan } = traits;
  const isUnread = tree === null || isWreck;
  const scans = lineScan !== "none" && (isUnread || (errors > 0 && lineScan === "c"));
  const definitions = scans
    ? withLineScan(found.definitions, scanLines(lines, lineScan), text)
    : found.definitions;
  const exports = {
    ranges: found.exports,
    names: new Set(found.exportedNames.map(({ start, end }) => text.slice(start, end))),
  };
  const spoken = analyzer.embedded && found.exports.length > 0 ? analyzer.embedded.traits : traits;
  const symbols = makeSymbols(definitions, exports, lines, spoken);
  const named = makeReferences(found.references, found.imports, symbols.drafts, lines, traits);
  return {
    index,
    problem: tree === null ? TIMED_OUT : null,
    symbols: symbols.drafts.map(({ symbol }) => symbol),
    references: named.references,
    imports: named.imports,
    chunks: makeChunks(text, symbols.drafts),
    parse: {
      errors,
      ms: performance.now() - began,
      truncated: reading.truncated || symbols.truncated || named.truncated,
      line_scan: definitions !== found.definitions,
    },
  };
}
