/** Lines, columns and bytes of places in a text, and the piece of text to show around them. */

export interface Fragment {
  /** Text around the match, without the line break at its end. */
  readonly text: string;
  /** Where the fragment begins in the whole text, in UTF-16 code units. */
  readonly start: number;
  /** Where the match lies in the fragment, in UTF-16 code units; it ends early when the match is longer. */
  readonly match_start: number;
  readonly match_end: number;
  /** Text of the line was left out there. */
  readonly cut_before: boolean;
  readonly cut_after: boolean;
}

/** Answers for ascending places of one text in one pass, which goes no further than it has to. */
export class TextPositions {
  readonly #text: string;
  readonly #isAscii: boolean;
  readonly #lineStarts = [0];
  /** Where the line break behind the last of the starts is looked for; negative at the end. */
  #unread = 0;
  #byteCursor = { at: 0, bytes: 0 };

  /** `isAscii` when that is known of the text: its bytes need not be counted then. */
  constructor(text: string, isAscii = false) {
    this.#text = text;
    this.#isAscii = isAscii;
  }

  /** The line, from 1. */
  lineOf(at: number): number {
    const starts = this.#lineStarts;
    while ((starts.at(-1) ?? 0) <= at && this.#readLine());
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= at) low = middle;
      else high = middle;
    }
    return low + 1;
  }

  startOfLine(line: number): number {
    while (this.#lineStarts.length < line && this.#readLine());
    return this.#lineStarts[line - 1] ?? this.#text.length;
  }

  /** Before the line break, a carriage return included. */
  endOfLine(line: number): number {
    while (this.#lineStarts.length <= line && this.#readLine());
    const next = this.#lineStarts[line];
    if (next === undefined) return this.#text.length;
    return this.#text.charAt(next - 2) === "\r"
      ? Math.max(next - 2, this.startOfLine(line))
      : next - 1;
  }

  /** UTF-8 bytes before the place. */
  bytesBefore(at: number): number {
    if (this.#isAscii) return at;
    if (at < this.#byteCursor.at) this.#byteCursor = { at: 0, bytes: 0 };
    const { at: from, bytes } = this.#byteCursor;
    this.#byteCursor = { at, bytes: bytes + utf8Bytes(this.#text, from, at) };
    return this.#byteCursor.bytes;
  }

  /** The lines of a match, cut to `maxChars` around it. */
  fragment(start: number, end: number, maxChars: number): Fragment {
    const from = this.startOfLine(this.lineOf(start));
    const to = Math.max(
      this.endOfLine(this.lineOf(Math.max(start, end - 1))),
      Math.min(end, this.#text.length),
    );
    let first = from;
    let last = to;
    if (to - from > maxChars) {
      const spare = Math.max(0, maxChars - (end - start));
      first = Math.max(from, Math.min(start - (spare >> 1), to - maxChars));
      last = Math.min(to, first + maxChars);
      if (isLowSurrogate(this.#text, first)) first += 1;
      if (isLowSurrogate(this.#text, last)) last -= 1;
    }
    return {
      text: this.#text.slice(first, last),
      start: first,
      match_start: Math.max(0, start - first),
      match_end: Math.min(last, end) - first,
      cut_before: first > from,
      cut_after: last < to,
    };
  }

  /** Finds where one more line begins; false when there is none. */
  #readLine(): boolean {
    const feed = this.#unread < 0 ? -1 : this.#text.indexOf("\n", this.#unread);
    this.#unread = feed < 0 ? -1 : feed + 1;
    if (feed >= 0) this.#lineStarts.push(feed + 1);
    return feed >= 0;
  }
}

function isLowSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** Bytes of a range in UTF-8; half of a pair of surrogates counts two, which is half of what the pair takes. */
export function utf8Bytes(text: string, from = 0, to = text.length): number {
  const range = text.slice(from, to);
  if (range.isWellFormed()) return Buffer.byteLength(range);
  let bytes = 0;
  for (let at = 0; at < range.length; at += 1) {
    const unit = range.charCodeAt(at);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff)) bytes += 2;
    else bytes += 3;
  }
  return bytes;
}
