/** Answers a search of one snapshot, a page at a time, to the very end of its results. */

import { nearestName } from "../../../http/suggest.ts";
import { LANGUAGES, languageNamed } from "../../intake/languages.ts";
import { withLanguages } from "../../query/named-languages.ts";
import { parseQuery } from "../../query/parse.ts";
import { explain, planQuery, type QueryPlan } from "../../query/plan.ts";
import { printQuery } from "../../query/print.ts";
import type { QueryNote, QueryProblem } from "../../query/problem.ts";
import { type FactLeaf, leavesOf, type Query, type ResultType } from "../../query/query.ts";
import { type Cursor, digest, readCursor, writeCursor } from "../reading/cursor.ts";
import { type OpenSnapshot, pendingFiles } from "../reading/pages.ts";
import { FOREIGN, pinnedSnapshot, type ReadySnapshot } from "../reading/pinned.ts";
import { isSearched, type ListedFile, type Listing } from "../storage/listing.ts";
import type { ProjectLanguages } from "../storage/project-languages.ts";
import type { SnapshotRow } from "../storage/snapshots.ts";
import type { FileRanks, Graphs } from "../understanding/graphs.ts";
import { importersOf } from "../understanding/imports-query.ts";
import { blobMask, evaluate, type Mask } from "./candidates.ts";
import { type FactDeps, nearScores, prepareFacts } from "./facts.ts";
import type {
  FileResult,
  Receipt,
  SearchAnswer,
  SearchRequest,
  SkippedFiles,
} from "./search-types.ts";
import {
  type AskStructure,
  languageOf,
  type StructureMemory,
  StructureSearch,
} from "./structure.ts";
import { orderOf, Windows } from "./windows.ts";

export interface SearchDeps extends Omit<FactDeps, "importers"> {
  readonly languages: ProjectLanguages;
  readonly memory: StructureMemory;
  readonly ask: AskStructure;
  readonly graphs: Graphs;
  /** Lets others have the object between two windows, and tells the time after. */
  readonly yielded: () => Promise<number>;
}

interface Prepared {
  readonly plan: QueryPlan;
  readonly notes: readonly QueryNote[];
  readonly row: ReadySnapshot;
}

interface Reading {
  readonly windows: Windows;
  readonly structure: StructureSearch;
  readonly order: Uint32Array;
}

interface SearchPage {
  readonly items: readonly FileResult[];
  /** Where the next page goes on. */
  readonly cursor: Cursor;
  /** Files, bytes and skipped files up to the end of the last window. */
  readonly read: Pick<Cursor, "f" | "b" | "c">;
}

/** Types that a codebase's files are not. */
const ELSEWHERE: Readonly<Partial<Record<ResultType, string>>> = {
  commit: "Commits are not indexed. List the snapshots, or compare two with GET …/diff.",
  diff: "Compare two snapshots with GET …/diff, or filter by diff:base..head.",
  repo: "List codebases with GET /api/v1/codebases, or search them all with GET /api/v1/search.",
};

export class Searcher {
  readonly #deps: SearchDeps;

  constructor(deps: SearchDeps) {
    this.#deps = deps;
  }

  async search(request: SearchRequest, now: number): Promise<SearchAnswer> {
    const prepared = this.#prepare(request);
    if ("status" in prepared) return prepared;
    const { plan, notes, row } = prepared;
    const listing = this.#deps.trees.listing(row.root);
    const importers = await this.#importers(plan, { row, listing }, now);
    const outcome = prepareFacts(plan, listing, row.root, { ...this.#deps, importers });
    if (outcome.problems !== null) return { status: "invalid", problems: outcome.problems };
    const { facts } = outcome;

    const asked = digest(
      printQuery(plan.query),
      request.syntax,
      String(request.max_matches),
      this.#deps.languages.version,
    );
    const pending = pendingFiles(listing, this.#deps.symbols);
    const cursor = request.cursor === null ? null : readCursor(request.cursor, asked);
    if (request.cursor !== null && cursor === null) return FOREIGN;
    const usesRanks = pending === 0 && this.#deps.graphs.has(row.root);
    const from = cursor ?? firstCursor(row, asked, pending === 0, usesRanks);

    const { blobs, symbols } = this.#deps;
    const candidates = evaluate(plan.candidates, {
      ...{ listing, blobs, symbols, facts },
      codebase: request.codebase,
    });
    const first = from.s ? this.#definers(plan, listing) : null;
    const order = orderOf(candidates, first, listing);
    const { memory, ask } = this.#deps;
    const structure = new StructureSearch(plan, {
      ...{ listing, blobs, memory, ask, query: request.query },
    });
    const faults = cursor === null ? await structure.problems(order) : [];
    if (faults.length > 0) return { status: "invalid", problems: faults };
    const windows = new Windows({
      ...{ listing, blobs, symbols, plan, facts, structure, request },
      near: nearScores(plan, symbols),
      usesSymbols: from.s,
      ranks: from.r ? await this.#ranks({ row, listing }, now) : null,
    });
    const page = await this.#page({ windows, structure, order }, from, request, now);
    const next = page.cursor.w < order.length || page.cursor.o > 0 ? page.cursor : null;
    return {
      status: "found",
      type: plan.resultType,
      items: page.items,
      next_cursor: next === null ? null : writeCursor(next),
      receipt: receiptOf(row, listing, {
        ...{ plan, order, pending, next },
        last: { ...page.cursor, ...page.read },
      }),
      notes: [...notes, ...structure.notes],
      plan: request.explain ? explain(plan) : null,
    };
  }

  #prepare(request: SearchRequest): Prepared | SearchAnswer {
    const { query: parsed, problems, notes } = parseQuery(request.query, request.syntax);
    if (problems !== null) return { status: "invalid", problems };
    const { languages } = this.#deps;
    const query = withLanguages(
      parsed,
      (name) => languages.named(name)?.name ?? languageNamed(name)?.id ?? name,
    );
    const unknown = request.one_of_many ? [] : unknownLanguages(query, languages);
    if (unknown.length > 0) return { status: "invalid", problems: unknown };
    const { plan, problems: faults } = planQuery(query, { syntax: request.syntax });
    if (faults !== null) return { status: "invalid", problems: faults };
    const misplaced = placementProblems(query, plan);
    if (misplaced.length > 0) return { status: "invalid", problems: misplaced };
    const rev = revOf(query);
    const { snapshots } = this.#deps;
    const name = rev?.value ?? request.snapshot;
    const row = pinnedSnapshot(name, request.cursor, snapshots);
    if ("status" in row) {
      if (rev === null || row.status === "invalid_cursor") return row;
      const { start, end } = rev;
      const hint = "Name it by its number, ref or commit; list them with GET …/snapshots.";
      const message = `No snapshot is called ${JSON.stringify(rev.value)}.`;
      return { status: "invalid", problems: [{ message, hint, start, end }] };
    }
    return { plan, notes, row };
  }

  /** Windows until the page is full, the candidates are through, or the time is over. */
  async #page(
    { windows, structure, order }: Reading,
    from: Cursor,
    { limit, deadline_ms }: SearchRequest,
    now: number,
  ): Promise<SearchPage> {
    const items: FileResult[] = [];
    let read = { f: from.f, b: from.b, c: from.c };
    let cursor = from;
    let time = now;
    while (cursor.w < order.length && items.length < limit && time - now < deadline_ms) {
      const until = await structure.ready(cursor.w, order);
      const window = windows.at(cursor.w, until, order);
      const taken = window.results
        .slice(cursor.o, cursor.o + limit - items.length)
        .map((result) => result());
      items.push(...taken);
      const o = cursor.o + taken.length;
      const d = digest(
        cursor.d,
        JSON.stringify(taken.map(({ path, oid, matches }) => [path, oid, matches])),
      );
      read = {
        f: cursor.f + window.searched,
        b: cursor.b + window.bytes,
        c: cursor.c + window.too_costly,
      };
      // A window that is left in the middle is read again by the next page, and counted once.
      cursor =
        o < window.results.length
          ? { ...cursor, o, d }
          : { ...cursor, ...read, w: window.end, o: 0, d };
      if (cursor.w < order.length && items.length < limit) time = await this.#deps.yielded();
    }
    return { items, cursor, read };
  }

  /** Of the files that `imports:` names by their path. */
  async #importers(
    { facts }: QueryPlan,
    opened: OpenSnapshot,
    now: number,
  ): Promise<ReadonlyMap<string, readonly number[]>> {
    const { listing } = opened;
    const found = new Map<string, readonly number[]>();
    for (const leaf of facts) {
      const about = leaf.kind === "imports" ? listing.indexOf(leaf.value) : null;
      if (leaf.kind !== "imports" || about === null) continue;
      const graph = await this.#deps.graphs.of(opened, now);
      found.set(leaf.value, importersOf(about, listing, graph));
    }
    return found;
  }

  /** A page goes on with the ranks that the first one had, which are worked out again if they are gone. */
  async #ranks(opened: OpenSnapshot, now: number): Promise<FileRanks | null> {
    const { graphs } = this.#deps;
    const known = graphs.ranks(opened, now);
    if (known !== null) return known;
    await graphs.of(opened, now);
    return graphs.ranks(opened, now);
  }

  /** Files that define what the query names: they are read first. */
  #definers(plan: QueryPlan, listing: Listing): Mask | null {
    const { candidates } = plan;
    const matches =
      candidates.kind === "and" || candidates.kind === "or"
        ? candidates.operands.flatMap((operand) =>
            operand.kind === "or" ? operand.operands : [operand],
          )
        : [candidates];
    const expressions = matches.flatMap((each) => (each.kind === "match" ? [each.expression] : []));
    if (expressions.length === 0) return null;
    const found = expressions.flatMap((each) => [...this.#deps.symbols.matching(each)]);
    return blobMask(found, listing);
  }
}

function firstCursor(
  { number }: SnapshotRow,
  asked: string,
  usesSymbols: boolean,
  usesRanks: boolean,
): Cursor {
  const counts = { w: 0, o: 0, f: 0, b: 0, c: 0 };
  return { n: number, q: asked, s: usesSymbols, r: usesRanks, ...counts, d: "" };
}

/** Languages that neither the service knows nor the codebase's project. */
function unknownLanguages(query: Query, languages: ProjectLanguages): QueryProblem[] {
  return [...leavesOf(query)].flatMap(({ leaf }) => {
    if (leaf.kind !== "lang") return [];
    const { language, start, end } = leaf;
    if (languages.named(language) !== null || languageNamed(language) !== null) return [];
    const names = LANGUAGES.flatMap(({ id, aliases }) => [id, ...aliases]);
    const meant = nearestName(language, [...languages.names, ...names]);
    const message = `No language is called ${JSON.stringify(language)}.`;
    const hint =
      meant === null
        ? "GET …/files shows the language of each file; a grammar of your own brings another."
        : `Did you mean lang:${meant}?`;
    return [{ message, hint, start, end }];
  });
}

function placementProblems(query: Query, plan: QueryPlan): QueryProblem[] {
  const problems: QueryProblem[] = [];
  const hint = ELSEWHERE[plan.resultType];
  for (const { leaf, negated } of leavesOf(query)) {
    const { start, end } = leaf;
    if (leaf.kind === "type" && hint !== undefined) {
      problems.push({ message: `type:${leaf.type} cannot be searched here.`, hint, start, end });
    }
    if (leaf.kind === "rev" && (negated || revOf(query) !== leaf)) {
      const message = "rev: says which snapshot the whole query is about.";
      problems.push({ message, hint: "Write it once, outside of OR and NOT.", start, end });
    }
  }
  return problems;
}

/** The one leaf that names the snapshot. */
function revOf(query: Query): FactLeaf | null {
  const operands = query.kind === "and" ? query.operands : [query];
  const found = operands.filter((operand): operand is FactLeaf => operand.kind === "rev");
  return found.length === 1 ? (found[0] ?? null) : null;
}

interface Searched {
  readonly plan: QueryPlan;
  readonly order: Uint32Array;
  readonly pending: number;
  readonly next: Cursor | null;
  readonly last: Cursor;
}

function receiptOf(
  row: Prepared["row"],
  listing: Listing,
  { plan, order, pending, next, last }: Searched,
): Receipt {
  const asksSymbols = [...leavesOf(plan.query)].some(({ leaf }) =>
    ["symbol", "ref", "calls", "calledby", "implements", "imports", "near"].includes(leaf.kind),
  );
  const skipped: SkippedFiles = {
    binary: listing.count("binary"),
    too_large: listing.count("too_large"),
    symlink: listing.count("symlink"),
    submodule: listing.count("submodule"),
    too_costly: last.c,
    no_grammar: plan.facts.some(({ kind }) => kind === "ast")
      ? [...order].filter((index) => isUnstructured(listing.files[index])).length
      : 0,
    symbols_pending: asksSymbols || plan.resultType === "symbol" ? pending : 0,
  };
  const reason = reasonOf(next, skipped);
  return {
    snapshot: row.number,
    root: row.root,
    files: listing.files.length,
    candidates: order.length,
    searched: last.f,
    bytes_searched: last.b,
    skipped,
    exhaustive: reason === null,
    reason,
    digest: digest(row.root, last.q, last.d),
  };
}

/** It has text to search, and no grammar to search it by structure. */
function isUnstructured(file: ListedFile | undefined): boolean {
  return file !== undefined && isSearched(file) && languageOf(file) === null;
}

/**
 * All that it is not exhaustive for. What is binary, a link or a submodule holds no text to search: it does not make
 * an answer partial.
 */
function reasonOf(next: Cursor | null, skipped: SkippedFiles): string | null {
  const { too_large, too_costly, no_grammar, symbols_pending } = skipped;
  const reasons = [
    next !== null && "There are more files to search: send next_cursor.",
    too_large > 0 && `${too_large} files are larger than 8 MiB, of which only paths are searched.`,
    too_costly > 0 &&
      `It would take too long in ${too_costly} large files. Make it simpler, or narrow it by path.`,
    no_grammar > 0 &&
      `${no_grammar} files have no grammar, or are minified, and are not searched by structure. Name a language that has one with lang:.`,
    symbols_pending > 0 &&
      `The symbols of ${symbols_pending} files are still being read. Ask again in a moment.`,
  ];
  return reasons.filter((reason) => reason !== false).join(" ") || null;
}
