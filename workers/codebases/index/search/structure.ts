/** Answers `ast:` leaves: which candidates match a pattern, and where, a stretch of them at a time. */
import { type LanguageId, registeredLanguage } from "../../languages/registry.ts";
import type { StructureAnswer } from "../../languages/structure.ts";
import type { Places, StructureRequest } from "../../languages/structure-protocol.ts";
import type { QueryPlan } from "../../query/plan.ts";
import type { QueryNote, QueryProblem } from "../../query/problem.ts";
import { type DiffLeaf, type FactLeaf, leavesOf } from "../../query/query.ts";
import { hasWords, wordsOfPattern } from "../../query/structure.ts";
import type { Blob, BlobStore } from "../storage/blobs.ts";
import { grammarFor, type ListedFile, type Listing } from "../storage/listing.ts";

/** What an isolate reads in one go: some 200 ms. */
const STRETCH_BYTES = 192 * 1024;
/** Candidates that are looked through for so much, so that others have the object in between. */
const STRETCH_FILES = 500;
/** Larger files hold an isolate for a second and more. */
const MAX_FILE_BYTES = 512 * 1024;
const MAX_PLACES = 1_000;
/** Languages that a pattern is tried in before it is refused: an isolate each. */
const MAX_TRIED = 4;
/** Answers that are kept, since pages come back to the same files. */
const MAX_KEPT = 20_000;

export type AskStructure = (
  language: LanguageId,
  request: StructureRequest,
) => Promise<StructureAnswer>;

/** Answers of before, of all searches of an index. */
export class StructureMemory {
  readonly #places = new Map<string, Places | null>();

  static key(pattern: string, language: string, oid: string): string {
    return `${oid}\n${language}\n${pattern}`;
  }

  /** Undefined when it is not known, null when nothing can be said. */
  get(key: string): Places | null | undefined {
    return this.#places.get(key);
  }

  set(key: string, places: Places | null): void {
    this.#places.set(key, places);
    const [oldest] = this.#places.keys();
    if (this.#places.size > MAX_KEPT && oldest !== undefined) this.#places.delete(oldest);
  }
}

export interface StructureDeps {
  readonly listing: Listing;
  readonly blobs: BlobStore;
  readonly memory: StructureMemory;
  readonly ask: AskStructure;
  /** The text of the query, in which problems are placed. */
  readonly query: string;
}

interface Pattern {
  readonly leaf: FactLeaf;
  readonly words: readonly string[];
}

interface Asked {
  readonly key: string;
  readonly text: string;
}

export class StructureSearch {
  readonly notes: QueryNote[] = [];
  readonly #deps: StructureDeps;
  readonly #plan: QueryPlan;
  readonly #patterns: readonly Pattern[];
  /** Answers for the candidates that were read last. */
  #stretch = new Map<string, Places | null>();

  constructor(plan: QueryPlan, deps: StructureDeps) {
    this.#deps = deps;
    this.#plan = plan;
    this.#patterns = plan.facts.flatMap((leaf) =>
      leaf.kind === "ast" ? [{ leaf, words: wordsOfPattern(leaf.value) }] : [],
    );
  }

  get isAsked(): boolean {
    return this.#patterns.length > 0;
  }

  /** Problems of patterns that are no code in any language that the query is about. */
  async problems(order: Uint32Array): Promise<QueryProblem[]> {
    const problems: QueryProblem[] = [];
    if (!this.isAsked) return problems;
    const languages = this.#languages(order).slice(0, MAX_TRIED);
    for (const { leaf } of this.#patterns) {
      let first: QueryProblem | null = null;
      for (const language of languages) {
        const request = { pattern: leaf.value, texts: [], max_places: 0 };
        const answer = await this.#deps.ask(language, request);
        if (answer.status === "found") {
          first = null;
          break;
        }
        first ??= this.#problemOf(leaf, language, answer);
      }
      if (first !== null) problems.push(first);
    }
    return problems;
  }

  /**
   * Reads candidates from a place on; returns the first that is not read yet. How far it goes follows
   * from the candidates alone, so that a window that is read again is the same.
   */
  async ready(start: number, order: Uint32Array): Promise<number> {
    if (!this.isAsked) return order.length;
    const { listing } = this.#deps;
    const asked = new Map<LanguageId, Map<Pattern, Asked[]>>();
    this.#stretch = new Map();
    let bytes = 0;
    let at = start;
    for (; at < order.length && at - start < STRETCH_FILES && bytes < STRETCH_BYTES; at += 1) {
      const file = listing.files[order[at] ?? 0];
      const language = file === undefined ? null : languageOf(file);
      if (file?.blob == null || language === null) continue;
      bytes += file.blob.size;
      for (const pattern of this.#patterns) {
        const key = StructureMemory.key(pattern.leaf.value, language, file.oid);
        if (this.#stretch.has(key)) continue;
        const text = this.#unread(pattern, language, key, file.blob);
        if (text === null) continue;
        this.#stretch.set(key, null);
        const ofLanguage = asked.get(language) ?? new Map<Pattern, Asked[]>();
        ofLanguage.set(pattern, [...(ofLanguage.get(pattern) ?? []), { key, text }]);
        asked.set(language, ofLanguage);
      }
    }
    for (const [language, byPattern] of asked) {
      for (const [{ leaf }, files] of byPattern) await this.#read(language, leaf, files);
    }
    return at;
  }

  /** Places of a pattern in a file that is read; none where it has no language to be read in. */
  places(leaf: FactLeaf | DiffLeaf, file: ListedFile): Places {
    const language = languageOf(file);
    if (language === null || leaf.kind !== "ast") return [];
    return this.#stretch.get(StructureMemory.key(leaf.value, language, file.oid)) ?? [];
  }

  /** Nothing can be said of it: it is too large, or took too long. */
  isCostly(file: ListedFile): boolean {
    const language = this.isAsked ? languageOf(file) : null;
    if (language === null) return false;
    return this.#patterns.some(
      ({ leaf }) => this.#stretch.get(StructureMemory.key(leaf.value, language, file.oid)) === null,
    );
  }

  /** The text to ask about; null when the answer is known without. */
  #unread({ words }: Pattern, language: LanguageId, key: string, blob: Blob): string | null {
    const { memory, blobs } = this.#deps;
    let places = memory.get(key);
    if (places === undefined) {
      const text = blobs.text(blob);
      const isRuledOut = text === null || !hasWords(text, words, language);
      if (!isRuledOut && blob.size <= MAX_FILE_BYTES) return text;
      places = isRuledOut ? [] : null;
      memory.set(key, places);
    }
    this.#stretch.set(key, places);
    return null;
  }

  async #read(language: LanguageId, leaf: FactLeaf, files: readonly Asked[]): Promise<void> {
    const { memory, ask } = this.#deps;
    const texts = files.map(({ text }) => text);
    const answer = await ask(language, { pattern: leaf.value, texts, max_places: MAX_PLACES });
    if (answer.status === "invalid") {
      const { start, end } = leaf;
      const message = `The pattern is no code of ${language}, in which nothing is found: ${answer.message}`;
      this.notes.push({ message, start, end });
    }
    for (const [index, { key }] of files.entries()) {
      const places = answer.status === "invalid" ? [] : (answer.places[index] ?? null);
      this.#stretch.set(key, places);
      // What an isolate did not come to may be answered the next time.
      if (places !== null) memory.set(key, places);
    }
  }

  #problemOf(
    leaf: FactLeaf,
    language: LanguageId,
    { message, at }: Extract<StructureAnswer, { status: "invalid" }>,
  ): QueryProblem {
    const found = this.#deps.query.slice(leaf.start, leaf.end).indexOf(leaf.value);
    const start = found < 0 ? leaf.start : leaf.start + found + (at ?? 0);
    const end = found < 0 ? leaf.end : leaf.start + found + leaf.value.length;
    return {
      message: `The pattern is no code of ${language}: ${message}`,
      hint: 'Write one whole piece of code, with $A for any node and $$$ for any number of them, such as ast:"console.log($A)"; name its language with lang:.',
      start: Math.min(start, end),
      end,
    };
  }

  /** Those that the query names, else those of the candidates, else of all files; the most common first. */
  #languages(order: Uint32Array): LanguageId[] {
    const { files } = this.#deps.listing;
    const named = [...leavesOf(this.#plan.query)].flatMap(({ leaf, negated }) => {
      const language = leaf.kind === "lang" && !negated ? registeredLanguage(leaf.language) : null;
      return language == null ? [] : [language.id];
    });
    if (named.length > 0) return [...new Set(named)];
    const common = (some: Iterable<ListedFile>) => {
      const counts = new Map<LanguageId, number>();
      for (const file of some) {
        const language = languageOf(file);
        if (language !== null) counts.set(language, (counts.get(language) ?? 0) + 1);
      }
      return [...counts].sort(([, a], [, b]) => b - a).map(([language]) => language);
    };
    const candidates = common([...order].flatMap((index) => files[index] ?? []));
    return candidates.length > 0 ? candidates : common(files);
  }
}

/** The language whose grammar reads a file; null where the service has none. */
export function languageOf(file: ListedFile): LanguageId | null {
  const grammar = grammarFor(file);
  return grammar === null ? null : (registeredLanguage(grammar)?.id ?? null);
}
