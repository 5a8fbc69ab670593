/** Decides whether one file matches a plan, and where. */
import type { Check } from "./checks.ts";
import type { QueryPlan } from "./plan.ts";
import type { DiffLeaf, FactLeaf, FileTrait } from "./query.ts";
import type { Matcher, TextRange } from "./regex.ts";
import { type Fragment, TextPositions } from "./text-position.ts";

/** A definition; its offsets are UTF-16 code units of the text and span its name. */
export interface FileSymbol extends TextRange {
  readonly name: string;
  readonly kind: string;
  /** Whether other files can use it; null or absent when that is not known. */
  readonly exported?: boolean | null;
}

export interface VerifiableFile {
  readonly path: string;
  /** Lower case; null when none was recognized. */
  readonly language: string | null;
  readonly text: string;
  /** Of the text, for one who goes on to use them. */
  readonly positions?: TextPositions;
  readonly symbols?: readonly FileSymbol[];
  readonly traits: ReadonlySet<FileTrait>;
  readonly repository?: string;
}

export interface VerifyOptions {
  /** Answers what is not in the file: the symbol graph, history, executions. */
  readonly holds: (leaf: FactLeaf | DiffLeaf) => boolean;
  /** Where in the text something holds that has places. */
  readonly places?: (leaf: FactLeaf | DiffLeaf) => readonly TextRange[];
  readonly maxMatches?: number;
  readonly maxFragmentChars?: number;
}

export const DEFAULT_MAX_MATCHES = 50;
export const DEFAULT_MAX_FRAGMENT_CHARS = 240;

/** `content` and `symbol` are places in the text, `path` in the path. */
export interface FileMatch extends Fragmented {
  readonly kind: "content" | "path" | "symbol";
  /** UTF-16 code units. */
  readonly start: number;
  readonly end: number;
  /** UTF-8 bytes. */
  readonly byte_start: number;
  readonly byte_end: number;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column: number;
  readonly end_line: number;
  /** The kind of the definition, for a symbol. */
  readonly symbol_kind: string | null;
}

interface Fragmented {
  readonly fragment: Fragment;
}

export interface Verdict {
  readonly matched: boolean;
  /** In the order of their places: path, then symbols and contents. Empty for a file that matches without any. */
  readonly matches: readonly FileMatch[];
  /** There are more places than were asked for, or there may be. */
  readonly truncated: boolean;
}

interface Place extends TextRange {
  readonly kind: FileMatch["kind"];
  readonly symbolKind: string | null;
}

export function verifyFile(plan: QueryPlan, file: VerifiableFile, options: VerifyOptions): Verdict {
  const subject = new Subject(file, options);
  if (!subject.satisfies(plan.check)) return { matched: false, matches: [], truncated: false };
  const limit = options.maxMatches ?? DEFAULT_MAX_MATCHES;
  const places = distinct(subject.places(plan.check, limit + 1));
  const truncated = places.length > limit || subject.isCut;
  const maxChars = options.maxFragmentChars ?? DEFAULT_MAX_FRAGMENT_CHARS;
  const positions = {
    path: new TextPositions(file.path),
    text: file.positions ?? new TextPositions(file.text),
  };
  const matches = places
    .slice(0, limit)
    .map((place) =>
      located(place, place.kind === "path" ? positions.path : positions.text, maxChars),
    );
  return { matched: true, matches, truncated };
}

/** One file, with what its checks share. */
class Subject {
  readonly #file: VerifiableFile;
  readonly #options: VerifyOptions;
  readonly #text: string;
  readonly #path: string;
  readonly #slashPath: string;
  readonly #repository: string;
  readonly #names: readonly (readonly [FileSymbol, string])[];
  /** Places were not looked for to the end. */
  isCut = false;

  constructor(file: VerifiableFile, options: VerifyOptions) {
    this.#file = file;
    this.#options = options;
    this.#text = file.text;
    this.#path = file.path;
    this.#slashPath = `/${file.path}`;
    this.#repository = file.repository ?? "";
    this.#names = (file.symbols ?? []).map((symbol) => [symbol, symbol.name]);
  }

  satisfies(check: Check): boolean {
    switch (check.kind) {
      case "and":
        return check.operands.every((operand) => this.satisfies(operand));
      case "or":
        return check.operands.some((operand) => this.satisfies(operand));
      case "not":
        return !this.satisfies(check.operand);
      case "always":
        return true;
      case "text":
        return (
          (check.scope === "either" && check.path.test(this.#path)) ||
          check.matcher.test(this.#text)
        );
      case "file":
        return check.matcher.test(check.withSlash ? this.#slashPath : this.#path);
      case "symbol":
        return this.#names.some(([, name]) => check.matcher.test(name));
      case "repo":
        return check.matcher.test(this.#repository);
      case "lang":
        return this.#file.language === check.language;
      case "is":
        return this.#file.traits.has(check.trait);
      case "fact":
        return this.#options.holds(check.leaf);
    }
  }

  /** Places of the leaves that made the file match: those of a negation are none, those of a failed branch neither. */
  places(check: Check, limit: number): Place[] {
    switch (check.kind) {
      case "and":
        return check.operands.flatMap((operand) => this.places(operand, limit));
      case "or":
        return check.operands
          .filter((operand) => this.satisfies(operand))
          .flatMap((operand) => this.places(operand, limit));
      case "text": {
        const inPath = check.scope === "either" ? this.#find(check.path, this.#path, limit) : [];
        return [
          ...placed("path", inPath),
          ...placed("content", this.#find(check.matcher, this.#text, limit)),
        ];
      }
      case "file":
        return this.#pathPlaces(check, limit);
      case "symbol":
        return this.#names
          .filter(([, name]) => check.matcher.test(name))
          .map(([{ start, end, kind }]) => ({ kind: "symbol", start, end, symbolKind: kind }));
      case "fact":
        return placed("content", this.#options.places?.(check.leaf).slice(0, limit) ?? []);
      default:
        return [];
    }
  }

  #find(matcher: Matcher, text: string, limit: number): readonly TextRange[] {
    const { ranges, isCut } = matcher.find(text, limit);
    this.isCut ||= isCut;
    return ranges;
  }

  #pathPlaces(check: Check & { kind: "file" }, limit: number): Place[] {
    if (!check.withSlash) return placed("path", this.#find(check.matcher, this.#path, limit));
    const found = this.#find(check.matcher, this.#slashPath, limit);
    return placed(
      "path",
      found.map(({ start, end }) => ({ start: Math.max(0, start - 1), end: end - 1 })),
    );
  }
}

function placed(kind: "path" | "content", ranges: readonly TextRange[]): Place[] {
  return ranges.map(({ start, end }) => ({ kind, start, end, symbolKind: null }));
}

const KIND_ORDER = { path: 0, symbol: 1, content: 1 } as const;

/** By place, each range of a kind once. */
function distinct(places: readonly Place[]): Place[] {
  const sorted = places.toSorted(
    (left, right) =>
      KIND_ORDER[left.kind] - KIND_ORDER[right.kind] ||
      left.start - right.start ||
      left.end - right.end ||
      right.kind.localeCompare(left.kind),
  );
  return sorted.filter((place, index) => {
    const previous = sorted[index - 1];
    return (
      previous === undefined ||
      previous.kind !== place.kind ||
      previous.start !== place.start ||
      previous.end !== place.end
    );
  });
}

function located(place: Place, positions: TextPositions, maxChars: number): FileMatch {
  const { kind, start, end } = place;
  const line = positions.lineOf(start);
  return {
    kind,
    start,
    end,
    byte_start: positions.bytesBefore(start),
    byte_end: positions.bytesBefore(end),
    line,
    column: start - positions.startOfLine(line) + 1,
    end_line: positions.lineOf(Math.max(start, end - 1)),
    symbol_kind: place.symbolKind,
    fragment: positions.fragment(start, end, maxChars),
  };
}
