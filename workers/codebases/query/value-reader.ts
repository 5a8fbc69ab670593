/** Reads one word or one value of a field, as each syntax quotes it. */
import type { QueryProblem } from "./problem.ts";
import type { Span, Syntax } from "./query.ts";

export interface Value extends Span {
  readonly form: "bare" | "quoted" | "regex";
  readonly text: string;
  /** Where each code unit of `text` stands in the query, and after them where the text ends. */
  readonly offsets: readonly number[];
}

const BLANK = /^\s$/;
export const isBlank = (character: string): boolean => BLANK.test(character);

/** Nothing of a word can stand here. */
export function isEnd(text: string, at: number): boolean {
  return at >= text.length || isBlank(text.charAt(at)) || text.charAt(at) === ")";
}

export class ValueReader {
  /** Where reading goes on after a problem. */
  resumeAt = 0;
  readonly #text: string;
  readonly #syntax: Syntax;
  readonly #problems: QueryProblem[];

  constructor(text: string, syntax: Syntax, problems: QueryProblem[]) {
    this.#text = text;
    this.#syntax = syntax;
    this.#problems = problems;
  }

  /** A reader that reports nothing: for text that is a problem already. */
  silently(): ValueReader {
    return new ValueReader(this.#text, this.#syntax, []);
  }

  /** The word or value that begins at `start`; null when it is faulty, which is then reported. */
  read(start: number, place: "word" | "field"): Value | null {
    if (this.#syntax === "zoekt") return this.#zoektWord(start);
    const first = this.#text.charAt(start);
    if (first === '"') return this.#quoted(start);
    if (first !== "/") return this.#bareWord(start);
    const close = this.#slashAfter(start);
    if (close >= 0 && isEnd(this.#text, close + 1)) return this.#regex(start, close);
    // A path may begin with a slash; a lone one is text.
    if (place === "field" || isEnd(this.#text, start + 1)) return this.#bareWord(start);
    return this.#notRegex(start, close);
  }

  /** In Zoekt's syntax brackets are a group when what they hold is more than one expression. */
  opensGroup(start: number): boolean {
    const end = this.#zoektEnd(start, false);
    if (end === null) return true;
    if (this.#text.charAt(end.firstClose) !== ")") return true;
    const inner = this.#text.slice(start + 1, end.firstClose);
    return inner.trim() === "" || end.blankInside || /^(?:-|[A-Za-z]+:(?!:)|\()/.test(inner);
  }

  #quoted(start: number): Value | null {
    const chars: string[] = [];
    const offsets: number[] = [];
    let at = start + 1;
    while (at < this.#text.length && this.#text.charAt(at) !== '"') {
      const escaped = this.#text.charAt(at) === "\\" && /^["\\]$/.test(this.#text.charAt(at + 1));
      chars.push(this.#text.charAt(escaped ? at + 1 : at));
      offsets.push(at);
      at += escaped ? 2 : 1;
    }
    if (at >= this.#text.length) {
      return this.#fail(
        start,
        at,
        "The quotes are not closed.",
        'End the text with ", and write \\" for quotes inside.',
      );
    }
    if (!isEnd(this.#text, at + 1)) {
      const end = this.#bareWord(at + 1).end;
      const hint = 'Put a blank after the closing quotes, or write \\" for quotes inside.';
      return this.#fail(at + 1, end, "Text follows right after the closing quotes.", hint);
    }
    return { form: "quoted", text: chars.join(""), offsets: [...offsets, at], start, end: at + 1 };
  }

  /** The first slash after the one at `start` that no backslash stands before. */
  #slashAfter(start: number): number {
    for (let at = start + 1; at < this.#text.length; at += 1) {
      const character = this.#text.charAt(at);
      if (character === "\\") at += 1;
      else if (character === "/") return at;
    }
    return -1;
  }

  #regex(start: number, close: number): Value {
    const chars: string[] = [];
    const offsets: number[] = [];
    for (let at = start + 1; at < close; at += 1) {
      const pair = this.#text.charAt(at) === "\\";
      if (pair && this.#text.charAt(at + 1) === "/") at += 1;
      else if (pair) {
        chars.push("\\");
        offsets.push(at);
        at += 1;
      }
      chars.push(this.#text.charAt(at));
      offsets.push(at);
    }
    return {
      form: "regex",
      text: chars.join(""),
      offsets: [...offsets, close],
      start,
      end: close + 1,
    };
  }

  #notRegex(start: number, close: number): null {
    const word = this.#bareWord(start);
    const message =
      close < 0
        ? "The regular expression is not closed."
        : "A regular expression ends at its second slash, and text follows there.";
    const hint = `Write \\/ for a slash inside of an expression, or quote the text: ${JSON.stringify(word.text)}.`;
    return this.#fail(start, word.end, message, hint);
  }

  /** Up to a blank, or to a bracket that the word did not open: foo(bar) is one word. */
  #bareWord(start: number): Value {
    let depth = 0;
    let at = start;
    for (; at < this.#text.length; at += 1) {
      const character = this.#text.charAt(at);
      if (isBlank(character)) break;
      if (character === "(") depth += 1;
      if (character === ")") {
        if (depth === 0) break;
        depth -= 1;
      }
    }
    return plain(this.#text, start, at);
  }

  #zoektWord(start: number): Value | null {
    const end = this.#zoektEnd(start, false) ?? this.#zoektEnd(start, true);
    if (end === null) {
      const hint = 'End the text with ", and write \\" for quotes inside.';
      return this.#fail(start, this.#text.length, "The quotes are not closed.", hint);
    }
    const chars: string[] = [];
    const offsets: number[] = [];
    let inQuotes = false;
    for (let at = start; at < end.end; at += 1) {
      const character = this.#text.charAt(at);
      const next = this.#text.charAt(at + 1);
      if (character === '"' && !end.classes.has(at)) inQuotes = !inQuotes;
      else if (character === "\\" && inQuotes && /^["\\]$/.test(next)) {
        chars.push(next);
        offsets.push(at);
        at += 1;
      } else {
        chars.push(character);
        offsets.push(at);
        if (character === "\\" && at + 1 < end.end) {
          at += 1;
          chars.push(this.#text.charAt(at));
          offsets.push(at);
        }
      }
    }
    return {
      form: "bare",
      text: chars.join(""),
      offsets: [...offsets, end.end],
      start,
      end: end.end,
    };
  }

  /**
   * Where a word of Zoekt's syntax ends: at a blank outside of quotes, classes and brackets. Null when quotes stay
   * open, or brackets unless `brokenBrackets`, with which a blank ends the word inside of them too.
   */
  #zoektEnd(start: number, brokenBrackets: boolean) {
    let depth = 0;
    let firstClose = -1;
    let blankInside = false;
    const classes = new Set<number>();
    let at = start;
    for (; at < this.#text.length; at += 1) {
      const character = this.#text.charAt(at);
      if (character === "\\") at += 1;
      else if (character === '"') {
        const close = this.#closingQuote(at);
        if (close < 0) return null;
        at = close;
      } else if (character === "[") {
        const close = this.#closingClass(at);
        for (let inside = at; inside < close; inside += 1) classes.add(inside);
        at = Math.max(at, close);
      } else if (character === "(") depth += 1;
      else if (character === ")") {
        if (depth === 0) break;
        depth -= 1;
        if (depth === 0 && firstClose < 0) firstClose = at;
      } else if (isBlank(character)) {
        if (depth === 0 || brokenBrackets) break;
        if (firstClose < 0) blankInside = true;
      }
    }
    if (depth > 0 && !brokenBrackets) return null;
    return { end: Math.min(at, this.#text.length), firstClose, blankInside, classes };
  }

  #closingQuote(open: number): number {
    for (let at = open + 1; at < this.#text.length; at += 1) {
      if (this.#text.charAt(at) === "\\") at += 1;
      else if (this.#text.charAt(at) === '"') return at;
    }
    return -1;
  }

  /** A class may hold blanks; what has no end is no class. */
  #closingClass(open: number): number {
    let at = open + (this.#text.charAt(open + 1) === "^" ? 3 : 2);
    for (; at < this.#text.length; at += 1) {
      if (this.#text.charAt(at) === "\\") at += 1;
      else if (this.#text.charAt(at) === "]") return at;
    }
    return -1;
  }

  #fail(start: number, end: number, message: string, hint: string): null {
    this.resumeAt = end;
    this.#problems.push({ message, hint, start, end });
    return null;
  }
}

function plain(text: string, start: number, end: number): Value {
  const offsets = Array.from({ length: end - start + 1 }, (_, index) => start + index);
  return { form: "bare", text: text.slice(start, end), offsets, start, end };
}
