/** Splits identifiers and paths into the words that people search by. */

const PIECES = /\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\p{N}+|[\p{Lo}\p{Lm}\p{Lt}\p{M}]+/gu;

/** The words of an identifier in lower case: `parseHTTPHeader_v2` gives parse, http, header, v, 2. */
export function splitIdentifier(identifier: string): string[] {
  return (identifier.match(PIECES) ?? []).map((piece) => piece.toLowerCase());
}

/** An identifier with its words, so that both the whole and a part of it are found. */
export function identifierWords(identifier: string): string {
  const words = splitIdentifier(identifier);
  const whole = identifier.toLowerCase();
  return words.length === 1 && words[0] === whole ? whole : [whole, ...words].join(" ");
}

/** The words of a path's folders and file name, without the ending. */
export function pathWords(path: string): string {
  const words = path
    .replace(/\.[^./]*$/, "")
    .split("/")
    .flatMap(splitIdentifier);
  return words.join(" ");
}

const IDENTIFIERS = /[\p{L}_$][\p{L}\p{N}_$]*/gu;
const MAX_BODY_SCAN_CHARS = 16_384;
const MAX_BODY_IDENTIFIERS = 200;
const MAX_BODY_CHARS = 2_000;

/** The distinct words of a piece of code, bounded; none of `seen` is repeated. */
export function bodyWords(code: string, seen: ReadonlySet<string>): string {
  const identifiers = new Set<string>();
  const words = new Set<string>();
  let chars = 0;
  for (const [identifier] of code.slice(0, MAX_BODY_SCAN_CHARS).matchAll(IDENTIFIERS)) {
    if (identifiers.has(identifier)) continue;
    identifiers.add(identifier);
    if (identifiers.size > MAX_BODY_IDENTIFIERS) break;
    for (const word of splitIdentifier(identifier)) {
      if (word.length < 2 || seen.has(word) || words.has(word)) continue;
      chars += word.length + 1;
      if (chars > MAX_BODY_CHARS) return [...words].join(" ");
      words.add(word);
    }
  }
  return [...words].join(" ");
}
