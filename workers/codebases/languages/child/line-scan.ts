/**
 * Finds definitions by lines alone, for what a grammar cannot read: C and C++ behind macros, and
 * files whose parse was given up. The expressions are fixed, and lines are cut before they see them.
 */
import type { FoundDefinition, Span } from "./captures.ts";
import type { Lines } from "./lines.ts";

const MAX_LINE_CHARS = 300;
const MAX_FOUND = 2_000;

interface Rule {
  readonly pattern: RegExp;
  readonly kind: string | ((word: string) => string);
}

const KIND_OF_WORD: ReadonlyMap<string, string> = new Map([
  ["def", "function"],
  ["defp", "function"],
  ["fn", "function"],
  ["func", "function"],
  ["fun", "function"],
  ["function", "function"],
  ["sub", "function"],
  ["proc", "function"],
  ["type", "type"],
  ["object", "class"],
  ["record", "class"],
  ["defmodule", "module"],
  ["union", "struct"],
]);

const GENERAL: readonly Rule[] = [
  {
    pattern:
      /^\s*(?:(?:export|default|pub|public|private|protected|internal|static|abstract|final|sealed|async|open|override|local|data|inline)\s+){0,6}(function|fun|func|fn|defmodule|defp|def|class|struct|interface|trait|enum|module|namespace|record|object|protocol|sub|proc|type)\s+(?:\([^)]{0,80}\)\s*)?([A-Za-z_$][\w$]*)/d,
    kind: (word) => KIND_OF_WORD.get(word) ?? word,
  },
];

/** Words that stand before a parenthesis at the beginning of a line without defining anything. */
const NOT_FUNCTIONS = new Set([
  "if",
  "for",
  "while",
  "switch",
  "return",
  "sizeof",
  "else",
  "do",
  "defined",
]);

const C: readonly Rule[] = [
  { pattern: /^\s*#\s*(define)\s+([A-Za-z_]\w*)/d, kind: "macro" },
  {
    pattern:
      /^\s*(?:typedef\s+)?(struct|class|enum|union|namespace)\s+(?:class\s+)?(?:[A-Z_]+\s+)?([A-Za-z_]\w*)\s*(?:final\s*)?(?::[^;]*)?\{/d,
    kind: (word) => KIND_OF_WORD.get(word) ?? word,
  },
  // A function begins in the first column; calls and declarations end in a semicolon.
  {
    pattern: /^(?=[A-Za-z_])((?:[\w:<>,*&~]+\s+){0,8}[*&]*)([A-Za-z_]\w*)\s*\([^;]*$/d,
    kind: "function",
  },
];

function spanAt(row: number, start: number, offset: number, length: number): Span {
  return { start: start + offset, end: start + offset + length, row, column: offset };
}

interface Hit {
  readonly name: string;
  readonly at: number;
  readonly kind: string;
}

function match(line: string, rules: readonly Rule[]): Hit | null {
  for (const { pattern, kind } of rules) {
    const hit = pattern.exec(line);
    const [, word = "", name = ""] = hit ?? [];
    const at = hit?.indices?.[2]?.[0];
    if (at === undefined || NOT_FUNCTIONS.has(name)) continue;
    return { name, at, kind: typeof kind === "string" ? kind : kind(word) };
  }
  return null;
}

/** Definitions that lines look like, in order; each reaches to the end of its line. */
export function scanLines(lines: Lines, style: "c" | "general"): FoundDefinition[] {
  const rules = style === "c" ? C : GENERAL;
  const found: FoundDefinition[] = [];
  for (let row = 0; row < lines.count && found.length < MAX_FOUND; row += 1) {
    const line = lines.line(row, MAX_LINE_CHARS);
    const hit = match(line, rules);
    if (hit === null) continue;
    const start = lines.startOf(row);
    found.push({
      kind: hit.kind,
      name: spanAt(row, start, hit.at, hit.name.length),
      whole: spanAt(row, start, line.length - line.trimStart().length, line.trim().length),
      body: null,
    });
  }
  return found;
}
