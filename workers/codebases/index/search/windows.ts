/** Verifies and ranks candidates, a window of them at a time. */
import { mask } from "../../intake/secrets.ts";
import type { Check } from "../../query/checks.ts";
import type { QueryPlan } from "../../query/plan.ts";
import type { DiffLeaf, FactLeaf } from "../../query/query.ts";
import { compareRanked, rankFile, type Score } from "../../query/rank.ts";
import { TextPositions } from "../../query/text-position.ts";
import { type FileMatch, type FileSymbol, type Verdict, verifyFile } from "../../query/verify.ts";
import type { BlobStore } from "../storage/blobs.ts";
import {
  has,
  isSearched,
  type ListedFile,
  type Listing,
  queryTraits,
  traitsOf,
} from "../storage/listing.ts";
import type { DefinedName, SymbolStore } from "../storage/symbols.ts";
import type { FileRanks } from "../understanding/graphs.ts";
import type { FactsOf, Mask } from "./candidates.ts";
import { RuledOut } from "./ruled-out.ts";
import type { FileResult, MatchDocument, SearchRequest } from "./search-types.ts";
import type { StructureSearch } from "./structure.ts";

/** A window ends after so many bytes, steps of expressions, or files that match. */
const WINDOW_BYTES = 4 * 1024 * 1024;
const WINDOW_STEPS = 60_000_000;
const WINDOW_MATCHES = 40;
/** More steps than this in one file could hold the object for seconds: the file is skipped, and said so. */
const MAX_FILE_STEPS = 1_500_000_000;

export interface Window {
  /** The first candidate after it. */
  readonly end: number;
  /** The best first, each made when it is asked for. */
  readonly results: readonly (() => FileResult)[];
  readonly searched: number;
  readonly bytes: number;
  readonly too_costly: number;
}

export interface WindowDeps {
  readonly listing: Listing;
  readonly blobs: BlobStore;
  readonly symbols: SymbolStore;
  readonly plan: QueryPlan;
  readonly facts: FactsOf;
  /** BM25 of blobs that `near:` found. */
  readonly near: ReadonlyMap<number, number>;
  readonly structure: StructureSearch;
  readonly usesSymbols: boolean;
  /** Null when they take no part. */
  readonly ranks: FileRanks | null;
  readonly request: Pick<SearchRequest, "codebase" | "max_matches" | "context_lines" | "explain">;
}

/** A candidate with what is read of it. */
interface Candidate {
  readonly index: number;
  readonly file: ListedFile;
  /** Empty for what is not read. */
  readonly text: string;
  readonly positions: TextPositions;
}

const NO_SYMBOLS: readonly FileSymbol[] = [];

export class Windows {
  readonly #deps: WindowDeps;
  readonly #checks: readonly Check[];
  readonly #ruledOut: RuledOut;
  readonly #steps: number;
  readonly #terms: ReadonlySet<string>;
  readonly #readsText: boolean;
  /** Whether a file matches, or what of it, depends on its symbols; else they only rank it. */
  readonly #asksSymbols: boolean;

  constructor(deps: WindowDeps) {
    this.#deps = deps;
    this.#checks = [...leafChecks(deps.plan.check)];
    this.#ruledOut = new RuledOut(deps.plan.check, deps.blobs);
    this.#readsText =
      deps.structure.isAsked ||
      this.#checks.some(({ kind }) => kind === "text" || kind === "symbol");
    this.#terms = new Set(
      this.#checks.flatMap((check) => {
        if (check.kind !== "text" && check.kind !== "symbol") return [];
        const { pattern } = check.matcher;
        return pattern.kind === "literal" ? [pattern.text] : [];
      }),
    );
    this.#asksSymbols =
      deps.plan.resultType === "symbol" || this.#checks.some(({ kind }) => kind === "symbol");
    this.#steps = this.#checks.reduce(
      (sum, check) => sum + (check.kind === "text" ? check.matcher.instructions : 0),
      0,
    );
  }

  /** The window that begins at a candidate, and ends before `until` at the latest. */
  at(start: number, until: number, order: Uint32Array): Window {
    const { listing } = this.#deps;
    const found: { candidate: Candidate; verdict: Verdict; score: Score }[] = [];
    let bytes = 0;
    let costly = 0;
    let at = start;
    for (; at < until; at += 1) {
      if (bytes >= WINDOW_BYTES || bytes * this.#steps >= WINDOW_STEPS) break;
      if (found.length >= WINDOW_MATCHES) break;
      const index = order[at] ?? 0;
      const file = listing.files[index];
      if (file === undefined) continue;
      const steps = (file.blob?.size ?? 0) * this.#steps;
      if (steps > MAX_FILE_STEPS || this.#deps.structure.isCostly(file)) {
        costly += 1;
        continue;
      }
      bytes += this.#isRead(file) ? (file.blob?.size ?? 0) : 0;
      const candidate = this.#candidate(index, file);
      if (candidate === null) continue;
      const known = this.#asksSymbols ? this.#symbolsOf(candidate) : NO_SYMBOLS;
      const verdict = this.#verify(candidate, known);
      if (!verdict.matched) continue;
      const symbols = this.#asksSymbols ? known : this.#symbolsAt(candidate, verdict);
      found.push({ candidate, verdict, score: this.#score(candidate, verdict, symbols) });
    }
    const ranked = found.sort((left, right) =>
      compareRanked(
        { score: left.score.score, path: left.candidate.file.path },
        { score: right.score.score, path: right.candidate.file.path },
      ),
    );
    return {
      end: at,
      results: ranked.map(
        ({ candidate, verdict, score }) =>
          () =>
            this.#render(candidate, verdict, score),
      ),
      searched: at - start - costly,
      bytes,
      too_costly: costly,
    };
  }

  #isRead(file: ListedFile): boolean {
    return this.#readsText && file.blob !== null && isSearched(file);
  }

  /** Null when its content rules it out. */
  #candidate(index: number, file: ListedFile): Candidate | null {
    const { blob } = file;
    if (blob === null || !this.#isRead(file)) {
      return { index, file, text: "", positions: new TextPositions("") };
    }
    if (this.#ruledOut.has(file.path, blob)) return null;
    const text = this.#deps.blobs.text(blob) ?? "";
    // UTF-8 takes a byte a character for ASCII alone.
    const isAscii = blob.encoding === "utf-8" && blob.size === text.length;
    return { index, file, text, positions: new TextPositions(text, isAscii) };
  }

  /** Definitions by where their names stand. */
  #symbolsOf({ file, positions }: Candidate): readonly FileSymbol[] {
    if (file.blob === null || !this.#readsText) return NO_SYMBOLS;
    return this.#deps.symbols
      .definedNames(file.blob.id)
      .map((defined) => placeSymbol(defined, positions));
  }

  /** Those on the lines of matches: no other says anything of them. */
  #symbolsAt({ file, positions }: Candidate, { matches }: Verdict): readonly FileSymbol[] {
    if (file.blob === null || !this.#readsText || !this.#deps.usesSymbols) return NO_SYMBOLS;
    const lines = new Set(matches.filter(({ kind }) => kind !== "path").map(({ line }) => line));
    if (lines.size === 0) return NO_SYMBOLS;
    return this.#deps.symbols
      .definedNames(file.blob.id)
      .filter(({ line }) => lines.has(line))
      .map((defined) => placeSymbol(defined, positions));
  }

  #verify({ index, file, text, positions }: Candidate, symbols: readonly FileSymbol[]): Verdict {
    const { plan, facts, request, structure } = this.#deps;
    const places = (leaf: FactLeaf | DiffLeaf) =>
      structure.places(leaf, file).map(([start, end]) => ({ start, end }));
    const verdict = verifyFile(
      plan,
      {
        ...{ path: file.path, language: file.language, text, positions, symbols },
        traits: queryTraits(file),
        repository: request.codebase,
      },
      {
        holds: (leaf) => (leaf.kind === "ast" ? places(leaf).length > 0 : facts(leaf)[index] === 1),
        places,
        maxMatches: request.max_matches,
      },
    );
    if (!verdict.matched || plan.resultType === "file") return verdict;
    const isOfType = (match: FileMatch) =>
      plan.resultType === "path" ? match.kind === "path" : isOnSymbol(match, symbols);
    const matches = verdict.matches.filter(isOfType);
    return { ...verdict, matches, matched: plan.resultType === "path" || matches.length > 0 };
  }

  #score(
    { index, file, text }: Candidate,
    { matches }: Verdict,
    symbols: readonly FileSymbol[],
  ): Score {
    const bm25 = file.blob === null ? undefined : this.#deps.near.get(file.blob.id);
    const { ranks } = this.#deps;
    return rankFile({
      ...{ path: file.path, text, matches },
      ...(ranks !== null && { pagerank: ranks.ranks[index] ?? 0, fileCount: ranks.files }),
      ...(this.#deps.usesSymbols && { symbols }),
      ...(bm25 !== undefined && { bm25 }),
      traits: queryTraits(file),
      terms: this.#terms,
      atoms: this.#atoms(file, text, symbols),
    });
  }

  /** Of the terms that ask for something, how many this file has. */
  #atoms(file: ListedFile, text: string, symbols: readonly FileSymbol[]) {
    const terms = this.#checks.filter(({ kind }) => kind === "text" || kind === "symbol");
    if (terms.length === 0) return { total: 1, matched: 1 };
    if (!hasChoice(this.#deps.plan.check)) return { total: terms.length, matched: terms.length };
    const subject = text;
    const path = file.path;
    const holds = (check: Check) =>
      (check.kind === "text" &&
        (check.matcher.test(subject) || (check.scope === "either" && check.path.test(path)))) ||
      (check.kind === "symbol" && symbols.some(({ name }) => check.matcher.test(name)));
    return { total: terms.length, matched: terms.filter(holds).length };
  }

  #render({ file, text, positions }: Candidate, verdict: Verdict, score: Score): FileResult {
    // What is covered has as many characters and lines as before.
    const isShownWhole = !has(file, "secret") || file.blob === null || text === "";
    const shown = isShownWhole ? text : mask(text, this.#deps.blobs.secrets(file.blob));
    const { explain, context_lines } = this.#deps.request;
    return {
      path: file.path,
      oid: file.oid,
      language: file.language,
      size: file.blob?.size ?? 0,
      traits: traitsOf(file),
      score: score.score,
      signals: explain ? score.signals : null,
      matches: verdict.matches.map((match) => toDocument(match, shown, positions, context_lines)),
      truncated: verdict.truncated,
    };
  }
}

function placeSymbol(
  { name, kind, exported, line, column }: DefinedName,
  positions: TextPositions,
): FileSymbol {
  const start = positions.startOfLine(line) + column - 1;
  return { name, kind, exported, start, end: start + name.length };
}

/** Leaves that stand for something that is to be there, not for something that is not. */
function* leafChecks(check: Check): Generator<Check> {
  if (check.kind === "and" || check.kind === "or") {
    for (const operand of check.operands) yield* leafChecks(operand);
  } else if (check.kind === "not") {
    yield* leafChecks(check.operand);
  } else yield check;
}

function hasChoice(check: Check): boolean {
  if (check.kind === "or") return true;
  return check.kind === "and" && check.operands.some(hasChoice);
}

function isOnSymbol(match: FileMatch, symbols: readonly FileSymbol[]): boolean {
  if (match.kind === "symbol") return true;
  return (
    match.kind === "content" &&
    symbols.some(({ start, end }) => match.start < end && start < match.end)
  );
}

function toDocument(
  { fragment, ...place }: FileMatch,
  shown: string,
  positions: TextPositions,
  contextLines: number,
): MatchDocument {
  const { match_start, match_end, cut_before, cut_after, start } = fragment;
  const isPath = place.kind === "path";
  const lines = (from: number, to: number): string[] => {
    const found: string[] = [];
    for (let line = Math.max(1, from); line <= to; line += 1) {
      const begin = positions.startOfLine(line);
      if (begin >= shown.length) break;
      found.push(shown.slice(begin, positions.endOfLine(line)).slice(0, MAX_CONTEXT_CHARS));
    }
    return found;
  };
  return {
    ...place,
    text: isPath ? fragment.text : shown.slice(start, start + fragment.text.length),
    ...{ match_start, match_end, cut_before, cut_after },
    before: isPath ? [] : lines(place.line - contextLines, place.line - 1),
    after: isPath ? [] : lines(place.end_line + 1, place.end_line + contextLines),
  };
}

const MAX_CONTEXT_CHARS = 500;

/** Bundles and tables, mostly: each takes as long to read as ten others. */
const LARGE_BYTES = 128 * 1024;
/** Such files repeat what the code that matters says. */
const REPEATING = ["test", "vendored", "generated", "minified", "doc"] as const;

/** Candidates in the order that they are read: likely definitions first, what repeats others and what is large last. */
export function orderOf(candidates: Mask, first: Mask | null, listing: Listing): Uint32Array {
  const tiers: number[][] = [[], [], [], []];
  for (let index = 0; index < listing.files.length; index += 1) {
    const file = listing.files[index];
    if (candidates[index] !== 1 || file === undefined) continue;
    const repeats = REPEATING.some((trait) => has(file, trait));
    const isFirst = first?.[index] === 1 && !repeats;
    const isLarge = (file.blob?.size ?? 0) > LARGE_BYTES;
    tiers[isFirst ? 0 : isLarge ? 3 : repeats ? 2 : 1]?.push(index);
  }
  return Uint32Array.from(tiers.flat());
}
