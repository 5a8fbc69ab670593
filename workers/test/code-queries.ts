/** Queries drawn from a tree's own text, and what finds the same lines without an index. */
import { spawnSync } from "node:child_process";
import { Random } from "./random.ts";

/** A pattern that RE2, V8 and ripgrep read alike, and whose matches stay within a line. */
export interface CodeQuery {
  readonly kind: "literal" | "regex";
  readonly source: string;
  readonly minds_case: boolean;
}

/** Places as `path:line`. */
export type Lines = ReadonlySet<string>;

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
const WORD = /[A-Za-z_][A-Za-z0-9_]{3,}/g;

/** Shapes of expressions around words of the text. */
const SHAPES: readonly ((a: string, b: string, random: Random) => string)[] = [
  (a) => `\\b${a}\\b`,
  (a) => `${a}[a-z]+`,
  (a, b) => `${a}|${b}`,
  (a, b) => `(${a}|${b})[ (.]`,
  (a) => `^[ \\t]*${a}`,
  (a) => `${a}[;,)]$`,
  (a) => `${a.slice(0, 2)}[^ \\n]*${a.slice(-2)}`,
  (a) => `${a.slice(0, -1)}.?${a.slice(-1)}`,
  (a, b) => `${a}.*${b}`,
  (a) => `(?:${a.slice(0, 3)}){1,2}`,
  (_, __, random) => `[0-9]{${1 + random.below(4)}}\\.[0-9]`,
  (_, __, random) => `[A-Z]{${2 + random.below(5)},}_[A-Z]`,
  () => "(a+)+$",
  () => "[a-z]+[(][)]",
  (a) => `[${a[0]}${a[1]}]${a.slice(2)}`,
  (a, b) => `${a}(?:[^\\n]{0,20})${b.slice(0, 2)}`,
  () => "^$",
  (_, __, random) => `^.{0,${1 + random.below(6)}}$`,
  (a) => `^(${a})?[ \\t]*$`,
];

/** `count` queries, the same for the same texts. */
export function drawQueries(texts: readonly string[], count: number, seed: number): CodeQuery[] {
  const random = new Random(seed);
  const lines = texts.flatMap((text) => text.split("\n")).filter((line) => line.trim().length > 4);
  const word = (): string => {
    for (;;) {
      const words = random.pick(lines).match(WORD);
      if (words !== null) return random.pick(words);
    }
  };
  const literal = (): string => {
    const line = random.pick(lines);
    const length = 1 + random.below(Math.min(24, line.length));
    const start = random.below(line.length - length + 1);
    return line.slice(start, start + length).replaceAll('"', "");
  };
  const queries: CodeQuery[] = [];
  while (queries.length < count) {
    const minds_case = random.chance(0.5);
    if (random.chance(0.5)) {
      const source = literal();
      // What only ASCII folds means the same to all three.
      const isAscii = /^[\x20-\x7e\t]+$/.test(source) && source.trim() !== "";
      if (isAscii) queries.push({ kind: "literal", source, minds_case });
    } else {
      const source = random.pick(SHAPES)(word(), word(), random);
      queries.push({ kind: "regex", source, minds_case });
    }
  }
  return queries;
}

/** As the query language writes it. */
export function textOf({ kind, source, minds_case }: CodeQuery): string {
  const value =
    kind === "literal"
      ? `"${source.replaceAll("\\", "\\\\")}"`
      : `/${source.replaceAll("/", "\\/")}/`;
  return `content:${value} case:${minds_case ? "yes" : "no"}`;
}

/** By a scan of every line on V8; the patterns are this file's own. */
export function scan(paths: readonly string[], texts: readonly string[], query: CodeQuery): Lines {
  const source = query.kind === "literal" ? escaped(query.source) : query.source;
  const pattern = new RegExp(source, query.minds_case ? "m" : "im");
  const found = new Set<string>();
  for (const [at, path] of paths.entries()) {
    for (const [index, line] of linesOf(texts[at] ?? "").entries()) {
      if (pattern.test(line)) found.add(`${path}:${index + 1}`);
    }
  }
  return found;
}

/** A last line break ends a line, and begins none. */
function linesOf(text: string): string[] {
  const lines = text.split("\n");
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

/** By ripgrep over the same folder. */
export function ripgrep(root: string, query: CodeQuery): Lines {
  const flags = ["--line-number", "--no-heading", "--with-filename", "--hidden", "--no-ignore"];
  const pattern = query.kind === "literal" ? ["--fixed-strings"] : ["--no-unicode"];
  const mode = query.minds_case ? "--case-sensitive" : "--ignore-case";
  const { status, stdout, stderr } = spawnSync(
    "rg",
    [...flags, ...pattern, mode, "--regexp", query.source, "."],
    { cwd: root, encoding: "utf8", maxBuffer: 1 << 30 },
  );
  if (status !== 0 && status !== 1) throw new Error(`rg ended with ${status}: ${stderr}`);
  const found = new Set<string>();
  for (const [, path, line] of stdout.matchAll(/^\.\/(.+?):(\d+):/gm)) found.add(`${path}:${line}`);
  return found;
}
