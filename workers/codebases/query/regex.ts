/** Compiles what a user wants to find. Expressions run on RE2 alone, whose time is linear in the text. */
import { RE2JS } from "re2js";
import { isAscii } from "./ascii.ts";
import { type LineBound, lineBound } from "./line-bound.ts";
import type { CaseMode, Pattern } from "./query.ts";
import { type PatternProblem, regexProblem } from "./regex-problem.ts";
import { scanRegex } from "./regex-scan.ts";

export const MAX_PATTERN_CHARS = 1_000;
/**
 * Time is code units × instructions, at worst some 10 ns for each pair (measured), and mostly far less. A caller bounds
 * the whole search by `Matcher.instructions`.
 */
export const MAX_PROGRAM_INSTRUCTIONS = 2_000;

/** UTF-16 code units of the text, `end` excluded. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

export interface Matcher {
  readonly pattern: Pattern;
  readonly caseSensitive: boolean;
  /** Steps that a code unit of text costs at worst. */
  readonly instructions: number;
  test(text: string): boolean;
  /**
   * Whether a text may match by its bytes in UTF-8, one a code unit: never false for one that does.
   * Null when bytes do not tell.
   */
  readonly testBytes: ((bytes: string) => boolean) | null;
  find(text: string, limit: number): Places;
}

export interface Places {
  /**
   * Up to the limit, from left to right, none overlapping. An empty match is the first on a line where none that is
   * not empty is found: a line has one at most. Behind a last line break there is no line.
   */
  readonly ranges: readonly TextRange[];
  /** An expression that is empty nearly everywhere was left before the end: there may be more. */
  readonly isCut: boolean;
}

export type CompiledPattern =
  | { readonly matcher: Matcher; readonly problem: null }
  | { readonly matcher: null; readonly problem: PatternProblem };

export interface CompileOptions {
  readonly mode: CaseMode;
  /** `^` and `$` hold at every line; default true, and pointless for a path or a name. */
  readonly multiline?: boolean;
}

export function compilePattern(pattern: Pattern, options: CompileOptions): CompiledPattern {
  const text = pattern.kind === "literal" ? pattern.text : pattern.source;
  if (text.length > MAX_PATTERN_CHARS) {
    return refuse(
      `A pattern has at most ${MAX_PATTERN_CHARS} characters; this one has ${text.length}.`,
      "Shorten it, or split it into terms that must all match.",
      text.length,
    );
  }
  const caseSensitive = mindsCase(pattern, options.mode);
  if (pattern.kind === "literal") {
    const matcher = caseSensitive ? new ExactText(pattern) : new FoldedText(pattern);
    return { matcher, problem: null };
  }
  try {
    const compiled = compileRegex(pattern.source, caseSensitive, options.multiline ?? true);
    if (compiled.programSize() > MAX_PROGRAM_INSTRUCTIONS) {
      return refuse(
        `The regular expression compiles to ${compiled.programSize()} instructions; ${MAX_PROGRAM_INSTRUCTIONS} are allowed.`,
        "Use smaller counts in {n,m}.",
        text.length,
      );
    }
    const ofLines = options.multiline ?? true;
    return { matcher: new Expression(pattern, caseSensitive, compiled, ofLines), problem: null };
  } catch (error) {
    return { matcher: null, problem: regexProblem(pattern.source, error) };
  }
}

/** What is wrong with an expression; null when RE2 takes it. */
export function checkRegex(source: string): PatternProblem | null {
  return compilePattern({ kind: "regex", source }, { mode: "yes" }).problem;
}

/** Whether case counts: `auto` says so when the pattern has a capital letter, escapes such as \W not among them. */
export function mindsCase(pattern: Pattern, mode: CaseMode): boolean {
  if (mode !== "auto") return mode === "yes";
  if (pattern.kind === "literal") return hasCapital(pattern.text);
  for (const piece of scanRegex(pattern.source)) {
    if (piece.kind === "quoted" && hasCapital(piece.literal)) return true;
    if (piece.kind === "character" && hasCapital(piece.text)) return true;
    if (piece.kind === "class" && hasCapital(piece.text.replaceAll(/\\p\{[^}]*\}|\\./giu, "")))
      return true;
  }
  return false;
}

function hasCapital(text: string): boolean {
  return text !== text.toLowerCase();
}

function escaped(text: string): string {
  return text.replaceAll(/[\^$\\.*+?()[\]{}|/]/g, "\\$&");
}

function compileRegex(source: string, caseSensitive: boolean, multiline: boolean): RE2JS {
  const fold = caseSensitive ? 0 : RE2JS.CASE_INSENSITIVE;
  return RE2JS.compile(source, fold | (multiline ? RE2JS.MULTILINE : 0));
}

function refuse(message: string, hint: string, end: number): CompiledPattern {
  return { matcher: null, problem: { message, hint, start: 0, end } };
}

/** Where `needle` stands in `text`, without overlaps; an empty one at the start alone. */
function occurrences(text: string, needle: string, limit: number): Places {
  if (needle === "") return whole(limit > 0 ? [{ start: 0, end: 0 }] : []);
  const found: TextRange[] = [];
  let start = text.indexOf(needle);
  while (start >= 0 && found.length < limit) {
    found.push({ start, end: start + needle.length });
    start = text.indexOf(needle, start + needle.length);
  }
  return whole(found);
}

function whole(ranges: readonly TextRange[]): Places {
  return { ranges, isCut: false };
}

/** A text as its bytes in UTF-8, one a code unit; null for one that UTF-8 cannot hold. */
function bytesOf(text: string): string | null {
  return text.isWellFormed() ? Buffer.from(text).toString("latin1") : null;
}

/** K and ſ, which fold into ASCII, as bytes. */
const FOLDED_BYTES: Readonly<Record<string, string>> = {
  k: "(?:k|\\xe2\\x84\\xaa)",
  s: "(?:s|\\xc5\\xbf)",
};

/** Finds an expression of ASCII characters in any case. */
function bytesTest(source: string): (bytes: string) => boolean {
  const ofBytes = source.replaceAll(/[ks]/gi, (letter) => FOLDED_BYTES[letter.toLowerCase()] ?? "");
  const expression = new RegExp(ofBytes, "i");
  return (bytes) => expression.test(bytes);
}

class ExactText implements Matcher {
  readonly caseSensitive = true;
  readonly instructions = 1;
  readonly pattern: Pattern;
  readonly testBytes: Matcher["testBytes"];
  readonly #needle: string;

  constructor(pattern: Pattern & { kind: "literal" }) {
    this.pattern = pattern;
    this.#needle = pattern.text;
    const needle = bytesOf(pattern.text);
    this.testBytes = needle === null ? null : (bytes) => bytes.includes(needle);
  }

  test(text: string): boolean {
    return text.includes(this.#needle);
  }

  find(text: string, limit: number): Places {
    return occurrences(text, this.#needle, limit);
  }
}

/**
 * A literal in any case. One of ASCII runs on the engine of JavaScript, which folds it as RE2 does (K and ſ too) and
 * cannot backtrack over it; what else there is runs on RE2.
 */
class FoldedText implements Matcher {
  readonly caseSensitive = false;
  readonly instructions: number;
  readonly pattern: Pattern;
  readonly testBytes: Matcher["testBytes"];
  readonly #places: RegExp | null;
  readonly #isThere: RegExp | null;
  readonly #expression: Expression | null;

  constructor(pattern: Pattern & { kind: "literal" }) {
    this.pattern = pattern;
    this.instructions = pattern.text.length + 1;
    const isPlain = isAscii(pattern.text) && pattern.text !== "";
    const source = escaped(pattern.text);
    this.#isThere = isPlain ? new RegExp(source, "iu") : null;
    this.#places = isPlain ? new RegExp(source, "giu") : null;
    this.testBytes = isPlain ? bytesTest(source) : null;
    this.#expression = isPlain
      ? null
      : new Expression(
          pattern,
          false,
          compileRegex(RE2JS.quote(pattern.text), false, false),
          false,
        );
  }

  test(text: string): boolean {
    return this.#isThere?.test(text) ?? this.#expression?.test(text) ?? false;
  }

  find(text: string, limit: number): Places {
    if (this.#places === null) return this.#expression?.find(text, limit) ?? whole([]);
    const found: TextRange[] = [];
    // A search that was left in the middle has left its place behind.
    this.#places.lastIndex = 0;
    while (found.length < limit) {
      const match = this.#places.exec(text);
      if (match === null) break;
      found.push({ start: match.index, end: match.index + match[0].length });
    }
    return whole(found);
  }
}

class Expression implements Matcher {
  readonly testBytes = null;
  readonly pattern: Pattern;
  readonly caseSensitive: boolean;
  readonly instructions: number;
  readonly #compiled: RE2JS;
  /** Null when a match may be anywhere. */
  readonly #lines: Lines | null;
  /** It matches nothing behind the last line break of a text, where there is no line. */
  readonly #mayMatchBehind: boolean;

  /** `ofLines` says that it is held against lines, not against a path or a name. */
  constructor(pattern: Pattern, caseSensitive: boolean, compiled: RE2JS, ofLines: boolean) {
    this.pattern = pattern;
    this.caseSensitive = caseSensitive;
    this.#compiled = compiled;
    const bound = ofLines && pattern.kind === "regex" ? lineBound(pattern.source) : null;
    this.#lines = bound === null ? null : new Lines(bound);
    this.#mayMatchBehind = ofLines && compiled.test("");
    this.instructions = compiled.programSize();
  }

  test(text: string): boolean {
    const lines = this.#lines;
    if (lines === null || !lines.narrows) {
      if (!this.#compiled.test(text)) return false;
      if (!this.#mayMatchBehind || !endsBeforeLine(text)) return true;
      if (lines === null) return this.#isBefore(text);
    }
    for (const { start, end } of lines.of(text)) {
      if (this.#compiled.test(text.slice(start, end))) return true;
    }
    return false;
  }

  /** Whether the first match is not the empty one behind the last line. */
  #isBefore(text: string): boolean {
    const matcher = this.#compiled.matcher(text);
    return matcher.find() && (matcher.end() > matcher.start() || matcher.start() < text.length);
  }

  find(text: string, limit: number): Places {
    const places = new PlacesOfLines(limit);
    const lines = this.#lines;
    if ((lines === null || !lines.narrows) && !this.#compiled.test(text)) return places;
    if (lines === null) {
      const hasNoLastLine = this.#mayMatchBehind && endsBeforeLine(text);
      places.take(this.#compiled, text, 0, hasNoLastLine ? text.length : null);
      return places;
    }
    for (const { start, end } of lines.of(text)) {
      const line = text.slice(start, end);
      // The test runs on an automaton, which is much faster to say no than the search for places.
      if (this.#compiled.test(line)) places.take(this.#compiled, line, start, null);
      if (places.isFull) break;
    }
    return places;
  }
}

function endsBeforeLine(text: string): boolean {
  return text === "" || text.endsWith("\n");
}

/**
 * Empty matches that are no places of their own cost a search each, of all that is left of the text at worst; so many
 * code units are searched for them.
 */
const MAX_SEARCHED_FOR_EMPTY = 10_000_000;

class PlacesOfLines implements Places {
  readonly ranges: TextRange[] = [];
  isCut = false;
  readonly #limit: number;
  #searched = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.ranges.length >= this.#limit || this.isCut;
  }

  /** Adds those of a text that begins at `offset` of the whole; an empty match at `behind` is none. */
  take(compiled: RE2JS, text: string, offset: number, behind: number | null): void {
    const matcher = compiled.matcher(text);
    /** Where the last line ends that has a place. */
    let covered = -1;
    /** A place, unless its line has one that is not empty. */
    let empty: TextRange | null = null;
    const add = (range: TextRange) => {
      if (this.ranges.length >= this.#limit) return;
      this.ranges.push({ start: offset + range.start, end: offset + range.end });
    };
    while (!this.isFull && matcher.find()) {
      const range = { start: matcher.start(), end: matcher.end() };
      const isEmpty = range.start === range.end;
      if (isEmpty && range.start === behind) break;
      const isOnCovered = range.start <= covered;
      if (isEmpty && isOnCovered) {
        this.#searched += text.length - range.start;
        this.isCut = this.#searched > MAX_SEARCHED_FOR_EMPTY;
        continue;
      }
      if (empty !== null && !isOnCovered) add(empty);
      empty = isEmpty ? range : null;
      if (!isEmpty) add(range);
      const feed = text.indexOf("\n", isEmpty ? range.start : range.end - 1);
      covered = feed < 0 ? text.length : feed;
    }
    if (empty !== null) add(empty);
  }
}

/** The lines of a text that an expression can match in. */
class Lines {
  readonly #anchor: RegExp | null;

  constructor({ anchors }: LineBound) {
    const source = anchors?.map(escaped).join("|");
    this.#anchor = source === undefined ? null : new RegExp(source, "giu");
  }

  /** Whether it is not simply every line. */
  get narrows(): boolean {
    return this.#anchor !== null;
  }

  *of(text: string): Generator<TextRange> {
    for (let from = 0; from < text.length; ) {
      const at = this.#next(text, from);
      if (at === null) return;
      const start = text.lastIndexOf("\n", at - 1) + 1;
      const feed = text.indexOf("\n", at);
      const end = feed < 0 ? text.length : feed;
      yield { start: at === 0 ? 0 : start, end };
      from = end + 1;
    }
  }

  #next(text: string, from: number): number | null {
    if (this.#anchor === null) return from;
    this.#anchor.lastIndex = from;
    return this.#anchor.exec(text)?.index ?? null;
  }
}
