/** Scores files by how they match, with a breakdown that says where each point comes from. */
import type { FileTrait } from "./query.ts";
import type { FileMatch, FileSymbol } from "./verify.ts";

/** Zoekt's scale: a whole symbol or base name outweighs everything about the words of a line. */
export const SCORE = {
  word: 500,
  partialWord: 50,
  whole: 7_000,
  edge: 5_500,
  partial: 4_000,
  symbolKind: 100,
  /** Others can use the definition: it is the one that is meant more often. */
  exported: 150,
  /** The match is spelled as the query is, where case does not count. */
  spelling: 250,
  atoms: 400,
  repository: 100,
  bm25: 300,
  pagerank: 200,
  proximity: 100,
  recency: 50,
} as const;

/** How much of the score such files keep: they repeat what the code that matters says. */
export const PENALTY: Readonly<Partial<Record<FileTrait, number>>> = {
  test: 0.7,
  vendored: 0.4,
  generated: 0.4,
  minified: 0.2,
  doc: 0.8,
};
const COMMENT_PENALTY = 0.5;

/** Of 100 points; other kinds get half. */
const KIND_FACTORS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    class: 1,
    interface: 0.95,
    struct: 0.95,
    trait: 0.95,
    type: 0.9,
    enum: 0.85,
    function: 0.8,
    method: 0.75,
    module: 0.7,
    constant: 0.6,
    field: 0.4,
    variable: 0.3,
  }),
);
const OTHER_KIND_FACTOR = 0.5;

export interface RankInput {
  readonly path: string;
  readonly text: string;
  readonly matches: readonly FileMatch[];
  readonly symbols?: readonly FileSymbol[];
  readonly traits: ReadonlySet<FileTrait>;
  /** The texts that are looked for, as they were written. */
  readonly terms?: ReadonlySet<string>;
  /** Terms of the query, and how many of them this file matches. */
  readonly atoms: { readonly total: number; readonly matched: number };
  /** Where the text is a comment or a string: such matches count half. */
  readonly isProse?: (at: number) => boolean;
  /** Okapi BM25, greater is better; FTS5's `bm25()` negated. */
  readonly bm25?: number;
  /** PageRank of the file, as a share of the sum of all. */
  readonly pagerank?: number;
  readonly fileCount?: number;
  /** 0 to 1. */
  readonly repositoryRank?: number;
  readonly ageDays?: number;
}

export interface Signal {
  readonly signal: string;
  readonly points: number;
}

export interface Score {
  /** Points times factor, rounded to hundredths so that sums in another order tie. */
  readonly score: number;
  readonly signals: readonly Signal[];
  /** The product of the penalties. */
  readonly factor: number;
  readonly penalties: readonly FileTrait[];
}

export function rankFile(input: RankInput): Score {
  const best = bestMatches(input);
  const { total, matched } = input.atoms;
  const bm25 = Math.max(0, input.bm25 ?? 0);
  const signals: Signal[] = [
    ...best,
    { signal: "atoms", points: total === 0 ? 0 : SCORE.atoms * (matched / total) },
    { signal: "proximity", points: SCORE.proximity * proximity(input.matches) },
    { signal: "bm25", points: SCORE.bm25 * (bm25 / (bm25 + BM25_HALF)) },
    { signal: "pagerank", points: SCORE.pagerank * pagerankShare(input) },
    { signal: "repository", points: SCORE.repository * clamp(input.repositoryRank ?? 0) },
    {
      signal: "recency",
      points:
        input.ageDays === undefined
          ? 0
          : SCORE.recency * 2 ** (-Math.max(0, input.ageDays) / RECENCY_HALF_LIFE_DAYS),
    },
  ].filter(({ points }) => points !== 0);
  const penalties = [...input.traits].filter((trait) => PENALTY[trait] !== undefined).sort();
  const factor = penalties.reduce((product, trait) => product * (PENALTY[trait] ?? 1), 1);
  const points = signals.reduce((sum, signal) => sum + signal.points, 0);
  return { score: Math.round(points * factor * 100) / 100, signals, factor, penalties };
}

/** The BM25 value that is worth half of its points. */
const BM25_HALF = 5;
const RECENCY_HALF_LIFE_DAYS = 90;
/** Matches so many lines apart count as not near. */
const NEAR_LINES = 20;

/** The best score first; equal ones by path, so that the same question has the same answer. */
export function compareRanked(
  left: { readonly score: number; readonly path: string },
  right: { readonly score: number; readonly path: string },
): number {
  if (left.score !== right.score) return right.score - left.score;
  if (left.path === right.path) return 0;
  return left.path < right.path ? -1 : 1;
}

/**
 * The signals of the match that is worth most; of several terms each one's best, and their mean: a file that is about
 * all of them comes before one that is about one.
 */
function bestMatches(input: RankInput): Signal[] {
  const best = new Map<string, { readonly signals: readonly Signal[]; readonly points: number }>();
  for (const match of input.matches) {
    const signals = matchSignals(match, input);
    const points = signals.reduce((sum, signal) => sum + signal.points, 0);
    const term = termOf(match, input);
    if (points > (best.get(term)?.points ?? 0)) best.set(term, { signals, points });
  }
  // Of a term that has no place among those that are shown nothing is known.
  const share = Math.max(1, best.size);
  const sums = new Map<string, number>();
  for (const { signals } of best.values()) {
    for (const { signal, points } of signals) {
      sums.set(signal, (sums.get(signal) ?? 0) + points / share);
    }
  }
  return Array.from(sums, ([signal, points]) => ({ signal, points }));
}

/** The term that a match is of, in lower case; what is of an expression is of one term. */
function termOf({ kind, start, end }: FileMatch, { path, text, terms }: RankInput): string {
  if (terms === undefined || terms.size < 2) return "";
  const found = (kind === "path" ? path : text).slice(start, end).toLowerCase();
  for (const term of terms) if (term.toLowerCase() === found) return found;
  return "";
}

function matchSignals(match: FileMatch, input: RankInput): Signal[] {
  const { start, end } = match;
  if (match.kind === "path") {
    const baseStart = input.path.lastIndexOf("/") + 1;
    const signals = [wordSignal(input.path, start, end)];
    if (start < baseStart) return signals;
    const extension = input.path.indexOf(".", baseStart + 1);
    const baseEnd = extension < 0 ? input.path.length : extension;
    const points = coverage(start, end, baseStart, end > baseEnd ? input.path.length : baseEnd);
    return [...signals, { signal: "base_name", points }];
  }
  const signals = [wordSignal(input.text, start, end)];
  if (input.terms?.has(input.text.slice(start, end)) === true) {
    signals.push({ signal: "spelling", points: SCORE.spelling });
  }
  const symbol = input.symbols?.find((each) => each.start <= start && end <= each.end);
  if (symbol !== undefined) {
    const factor = KIND_FACTORS.get(symbol.kind.toLowerCase()) ?? OTHER_KIND_FACTOR;
    signals.push({ signal: "symbol", points: coverage(start, end, symbol.start, symbol.end) });
    signals.push({ signal: "symbol_kind", points: SCORE.symbolKind * factor });
    if (symbol.exported === true) signals.push({ signal: "exported", points: SCORE.exported });
  }
  if (input.isProse?.(start) !== true) return signals;
  return signals.map(({ signal, points }) => ({ signal, points: points * COMMENT_PENALTY }));
}

/** How much of a name a match is: all of it, its beginning or end, or its middle. */
function coverage(start: number, end: number, nameStart: number, nameEnd: number): number {
  const atStart = start === nameStart;
  const atEnd = end === nameEnd;
  if (atStart && atEnd) return SCORE.whole;
  return atStart || atEnd ? SCORE.edge : SCORE.partial;
}

function wordSignal(text: string, start: number, end: number): Signal {
  const startsWord = !isWord(text.charAt(start - 1)) || !isWord(text.charAt(start));
  const endsWord = !isWord(text.charAt(end)) || !isWord(text.charAt(end - 1));
  if (end > start && startsWord && endsWord) return { signal: "word", points: SCORE.word };
  if (end > start && (startsWord || endsWord))
    return { signal: "partial_word", points: SCORE.partialWord };
  return { signal: "partial_word", points: 0 };
}

const WORD = /^[\p{L}\p{N}_]$/u;
const isWord = (character: string): boolean => WORD.test(character);

/** 1 when different matches stand on one line, less the farther the nearest two are apart. */
function proximity(matches: readonly FileMatch[]): number {
  const lines = matches.filter(({ kind }) => kind !== "path");
  let nearest = Number.POSITIVE_INFINITY;
  for (const [index, match] of lines.entries()) {
    const previous = lines[index - 1];
    if (previous === undefined || previous.end > match.start) continue;
    nearest = Math.min(nearest, match.line - previous.end_line);
  }
  return nearest >= NEAR_LINES ? 0 : 1 - nearest / NEAR_LINES;
}

/** The logarithm of how many times the average file's rank it is, of a hundred times. */
function pagerankShare({ pagerank, fileCount }: RankInput): number {
  if (pagerank === undefined || fileCount === undefined) return 0;
  return clamp(Math.log10(1 + Math.max(0, pagerank) * fileCount) / 2);
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
