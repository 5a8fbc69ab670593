/** Trigrams as FTS5's tokenizer makes them: three code points each, case folded. */
import { ANY, allOf, anyOf, type Formula } from "./formula.ts";

/** A code point that no trigram is asked for: outside of ASCII, where foldings differ, or NUL, which FTS5 skips. */
export const GAP = "\uffff";

/** One character of a pattern as the index knows it. */
export function foldCharacter(codePoint: number): string {
  if (codePoint === 0 || codePoint > 0x7f) return GAP;
  return String.fromCodePoint(codePoint).toLowerCase();
}

export function foldText(text: string): string {
  return Array.from(text, (character) => foldCharacter(character.codePointAt(0) ?? 0)).join("");
}

/**
 * What a text that contains `folded` has: all trigrams of each run without gaps. A third of them would touch every
 * character, and leave a quarter more of the bytes to be read (measured).
 */
export function coverOf(folded: string): Formula {
  const trigrams: Formula[] = [];
  for (const run of folded.split(GAP)) {
    for (let start = 0; start + 3 <= run.length; start += 1) {
      trigrams.push({ kind: "trigram", trigram: run.slice(start, start + 3) });
    }
  }
  return allOf(trigrams);
}

/** What a text has that contains one of the strings. */
export function coverOfAny(folded: Iterable<string>): Formula {
  const covers: Formula[] = [];
  for (const each of folded) {
    const cover = coverOf(each);
    if (cover.kind === "any") return ANY;
    covers.push(cover);
  }
  return anyOf(covers);
}

/** The trigrams that FTS5 (`tokenize='trigram'`, case-insensitive, diacritics kept) has for an ASCII query of `text`. */
export function trigramsOfText(text: string): Set<string> {
  const trigrams = new Set<string>();
  let last = "";
  let beforeLast = "";
  for (const character of text) {
    if (character === "\0") continue;
    const folded = FOLDED.get(character) ?? character;
    if (last !== "" && beforeLast !== "") trigrams.add(beforeLast + last + folded);
    beforeLast = last;
    last = folded;
  }
  return trigrams;
}

/** K and ſ are the only characters outside of ASCII that FTS5 folds into it. */
const FOLDED: ReadonlyMap<string, string> = new Map([
  ["\u212a", "k"],
  ["\u017f", "s"],
  ...Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (letter) => [letter, letter.toLowerCase()] as const),
]);
