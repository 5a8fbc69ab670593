/** Writes a tree as text that parses into it again. */
import { RE2JS } from "re2js";
import type { Leaf, PathPattern, Query, Syntax } from "./query.ts";

const SAFE_WORD = /^[\p{L}\p{N}_][\p{L}\p{N}_.+#-]*$/u;
const SAFE_ZOEKT = /^[\p{L}\p{N}_](?:[\p{L}\p{N}_.+#*?|^$-]|\\[\p{L}\p{N}_.+#*?|^$\\-])*$/u;
const KEYWORDS: Readonly<Record<Syntax, ReadonlySet<string>>> = {
  github: new Set(["AND", "OR", "NOT"]),
  zoekt: new Set(["or"]),
};

export function printQuery(query: Query, syntax: Syntax = "github"): string {
  switch (query.kind) {
    case "and":
    case "or": {
      const or = syntax === "github" ? " OR " : " or ";
      return query.operands
        .map((operand) => grouped(operand, query.kind, syntax))
        .join(query.kind === "and" ? " " : or);
    }
    case "not": {
      const operand = grouped(query.operand, "not", syntax);
      return syntax === "github" ? `NOT ${operand}` : `-${operand}`;
    }
    default:
      return printLeaf(query, syntax);
  }
}

function grouped(query: Query, parent: "and" | "or" | "not", syntax: Syntax): string {
  const text = printQuery(query, syntax);
  const inside =
    parent === "or" ? query.kind === "or" : query.kind === "and" || query.kind === "or";
  const twice = parent === "not" && query.kind === "not";
  return inside || twice ? `(${text})` : text;
}

function printLeaf(leaf: Leaf, syntax: Syntax): string {
  switch (leaf.kind) {
    case "text":
      return (leaf.scope === "content" ? "content:" : "") + printPattern(leaf.pattern, syntax);
    case "file":
    case "symbol":
    case "repo":
      return `${leaf.kind}:${printPattern(leaf.pattern, syntax)}`;
    case "lang":
      return `lang:${printText(leaf.language, syntax)}`;
    case "type":
      return `type:${leaf.type}`;
    case "is":
      return `is:${leaf.trait}`;
    case "case":
      return `case:${leaf.mode}`;
    case "diff": {
      const range = leaf.base === null ? leaf.head : `${leaf.base}..${leaf.head}`;
      return `diff:${printText(range, syntax)}`;
    }
    default:
      return `${leaf.kind}:${printText(leaf.value, syntax)}`;
  }
}

function printPattern(pattern: PathPattern, syntax: Syntax): string {
  if (pattern.kind === "glob") return pattern.glob;
  if (syntax === "zoekt") {
    return printText(
      pattern.kind === "literal" ? RE2JS.quote(pattern.text) : pattern.source,
      syntax,
    );
  }
  if (pattern.kind === "literal") return printText(pattern.text, syntax);
  const source = pattern.source.replaceAll(/\\[\s\S]|\//g, (piece) =>
    piece === "/" ? "\\/" : piece,
  );
  return `/${source}/`;
}

function printText(text: string, syntax: Syntax): string {
  const safe = syntax === "github" ? SAFE_WORD : SAFE_ZOEKT;
  if (safe.test(text) && !KEYWORDS[syntax].has(text)) return text;
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}
