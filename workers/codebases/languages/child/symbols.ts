/** Makes symbols of what a query found: nesting, signatures, comments, visibility. */
import type { CodeSymbol } from "../parsed-file.ts";
import type { LanguageTraits } from "../traits.ts";
import type { FoundDefinition, Span } from "./captures.ts";
import { docOf, signatureOf } from "./describe.ts";
import type { Lines } from "./lines.ts";
import { isExported } from "./visibility.ts";

export const MAX_SYMBOLS = 5_000;
const MAX_NAME_CHARS = 300;

/** Symbols that nobody outside a function can name. */
const LOCAL_IN_FUNCTIONS = new Set(["variable", "constant", "field"]);
const FUNCTIONS = new Set(["function", "method", "constructor", "macro", "test"]);

/** Symbols as they are made, with where their body begins. */
export interface Draft {
  readonly symbol: CodeSymbol;
  readonly body: number | null;
  readonly row: number;
}

export interface Exports {
  readonly ranges: readonly Span[];
  readonly names: ReadonlySet<string>;
}

/** Walks nested ranges in order: whatever is open at an offset contains it. */
export class Nesting {
  readonly #drafts: readonly Draft[];
  readonly #open: number[] = [];
  #next = 0;

  /** `drafts` may still grow, as long as it stays in order. */
  constructor(drafts: readonly Draft[]) {
    this.#drafts = drafts;
  }

  /** The innermost symbol around an offset. Offsets must come in ascending order. */
  at(offset: number): number | null {
    for (; this.#next < this.#drafts.length; this.#next += 1) {
      if ((this.#drafts[this.#next]?.symbol.start ?? offset) > offset) break;
      this.#open.push(this.#next);
    }
    for (;;) {
      const innermost = this.#open.at(-1);
      if (innermost === undefined) return null;
      if ((this.#drafts[innermost]?.symbol.end ?? 0) > offset) return innermost;
      this.#open.pop();
    }
  }
}

/** Tells whether an offset lies in one of the ranges, which are not nested. */
export function within(spans: readonly Span[]): (offset: number) => boolean {
  const ranges = [...spans].sort((a, b) => a.start - b.start);
  return (offset) => {
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ranges[middle]?.start ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    const last = ranges[low - 1];
    return last !== undefined && last.end > offset;
  };
}

/** The text of a name, without what marks it as a string or a symbol. */
function nameAt(text: string, { start, end }: Span): string {
  const name = text.slice(start, Math.min(end, start + MAX_NAME_CHARS)).trim();
  return name.replace(/^(["'])(.*)\1$/, "$2").replace(/^:(?=\w)/, "");
}

/** Names that one declaration gives, such as `a, b := 1, 2`, stand beside each other. */
function containerOf(drafts: readonly Draft[], open: number | null, whole: Span): number | null {
  let container = open;
  for (let draft = drafts[container ?? -1]; draft; draft = drafts[container ?? -1]) {
    if (draft.symbol.start !== whole.start || draft.symbol.end !== whole.end) break;
    container = draft.symbol.container;
  }
  return container;
}

/** Makes symbols in the order of the text; `truncated` when there are too many. */
export function makeSymbols(
  found: readonly FoundDefinition[],
  exports: Exports,
  lines: Lines,
  traits: LanguageTraits,
): { drafts: Draft[]; truncated: boolean } {
  const { text } = lines;
  const ordered = [...found].sort(
    (a, b) => a.whole.start - b.whole.start || b.whole.end - a.whole.end,
  );
  const drafts: Draft[] = [];
  const nesting = new Nesting(drafts);
  const isInExport = within(exports.ranges);
  for (const { kind, name: span, whole, body } of ordered) {
    const name = nameAt(text, span);
    if (name === "") continue;
    const container = containerOf(drafts, nesting.at(whole.start), whole);
    const draft = container === null ? undefined : drafts[container];
    const around = draft?.symbol;
    if (around && LOCAL_IN_FUNCTIONS.has(kind) && FUNCTIONS.has(around.kind)) continue;
    if (drafts.length >= MAX_SYMBOLS) return { drafts, truncated: true };
    const signature = signatureOf(text, { kind, ...whole, body }, traits);
    const exported = isExported(traits, {
      name,
      signature,
      kind,
      container: around ?? null,
      isExported: exports.names.has(name) || isInExport(whole.start),
    });
    // What stands on its container's line does not have that one's comment.
    const doc = draft?.row === whole.row ? null : docOf(lines, whole.row, body, traits);
    drafts.push({
      body,
      row: whole.row,
      symbol: {
        name,
        kind,
        start: whole.start,
        end: whole.end,
        line: span.row + 1,
        column: span.column + 1,
        end_line: lines.rowOf(Math.max(whole.start, whole.end - 1)) + 1,
        container,
        signature,
        exported,
        doc,
      },
    });
  }
  return { drafts, truncated: false };
}
