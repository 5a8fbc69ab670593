/** Random expressions for property tests, each with a text that it matches. */
import fc from "fast-check";

export interface Sample {
  readonly source: string;
  /** A text that the expression matches, assertions aside. */
  readonly match: string;
}

const LETTERS = [
  "a",
  "b",
  "c",
  "k",
  "s",
  "K",
  "S",
  "Z",
  "_",
  "0",
  "7",
  " ",
  "\n",
  "é",
  "ſ",
  "\u212a",
  "😀",
];
const letter = fc.constantFrom(...LETTERS);
const word = fc.constantFrom(
  "abc",
  "Func",
  "return",
  "task",
  "KISS",
  "x_y",
  "日本語",
  "naïve",
  "()",
  "a.b",
);

const quote = (text: string) => text.replaceAll(/[\\.+*?()|[\]{}^$]/g, "\\$&");

const atom: fc.Arbitrary<Sample> = fc.oneof(
  letter.map((text) => ({ source: text, match: text })),
  word.map((text) => ({ source: quote(text), match: text })),
  word.map((text) => ({ source: `\\Q${text}\\E`, match: text })),
  fc.constantFrom<Sample>(
    { source: ".", match: "q" },
    { source: "\\d", match: "4" },
    { source: "\\w", match: "w" },
    { source: "\\s", match: "\t" },
    { source: "\\x41", match: "A" },
    { source: "\\x{e9}", match: "é" },
    { source: "\\pL", match: "l" },
    { source: "\\p{Lu}", match: "L" },
    { source: "\\p{Greek}", match: "λ" },
    { source: "[abc]", match: "b" },
    { source: "[a-c_-]", match: "-" },
    { source: "[^a-c]", match: "z" },
    { source: "[]a]", match: "]" },
    { source: "[][]", match: "[" },
    { source: "[^][]", match: "p" },
    { source: "[[:digit:][x]", match: "x" },
    { source: "[[:alpha:]]", match: "A" },
    { source: "[\\w-.]", match: "-" },
    { source: "[K-M\\d]", match: "l" },
    { source: "[a&&b]", match: "&" },
    { source: "[k\u212a]", match: "k" },
    { source: "a{01}", match: "a{01}" },
    { source: "b{00}c", match: "b{00}c" },
    { source: "{}", match: "{}" },
    { source: "x{,2}", match: "x{,2}" },
    { source: '\\-\\/\\"', match: '-/"' },
    { source: "\\101", match: "A" },
    { source: "\\x00", match: "\0" },
    { source: "\\t\\n", match: "\t\n" },
  ),
);

const assertion = fc
  .constantFrom("^", "$", "\\b", "\\B", "\\A", "\\z", "(?:)", "(?i)", "(?s)", "(?-i)")
  .map((source) => ({ source, match: "" }));

const quantifier = fc.constantFrom<readonly [string, number]>(
  ["*", 0],
  ["*?", 2],
  ["+", 1],
  ["+?", 3],
  ["?", 0],
  ["??", 1],
  ["{2}", 2],
  ["{0}", 0],
  ["{1,3}", 2],
  ["{2,}?", 4],
  ["{7}", 7],
);

const open = fc.constantFrom("(", "(?:", "(?i:", "(?P<n>", "(?s-i:", "(?U:");

/** Expressions of every construct that RE2 has, and those that look like another dialect's. */
export const regexSample: fc.Arbitrary<Sample> = fc.letrec<{ node: Sample }>((tie) => ({
  node: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { weight: 5, arbitrary: atom },
    { weight: 1, arbitrary: assertion },
    {
      weight: 4,
      arbitrary: fc.array(tie("node"), { minLength: 2, maxLength: 4 }).map((parts) => ({
        source: parts.map(({ source }) => source).join(""),
        match: parts.map(({ match }) => match).join(""),
      })),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.array(tie("node"), { minLength: 2, maxLength: 3 }), fc.nat(), open)
        .map(([parts, pick, opening]) => ({
          source: `${opening}${parts.map(({ source }) => source).join("|")})`,
          match: parts[pick % parts.length]?.match ?? "",
        })),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(tie("node"), quantifier, open)
        .map(([{ source, match }, [sign, count], opening]) => ({
          source: `${opening}${source})${sign}`,
          match: match.repeat(count),
        })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(tie("node"), quantifier).map(([{ source, match }, [sign]]) => ({
        source: source + sign,
        match,
      })),
    },
  ),
})).node;

/** Any characters that mean something somewhere, in any order. */
export const regexNoise: fc.Arbitrary<string> = fc
  .array(
    fc.constantFrom(
      ..."abkK(){}[]|*+?.^$\\-:,01/<>=!&",
      "(?i)",
      "(?P<a>",
      "[[:digit:]",
      "\\Q",
      "\\E",
      "[^",
      "\\1",
      "\\b",
      "(?:",
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join(""));

/** The text with its case changed here and there. */
export function changeCase(text: string, bits: number): string {
  return Array.from(text, (character, index) => {
    if (((bits >> (index % 16)) & 1) === 0) return character;
    if (character === "k" && bits % 3 === 0) return "\u212a";
    if (character === "s" && bits % 3 === 1) return "ſ";
    const upper = character.toUpperCase();
    return upper.length === character.length && upper !== character
      ? upper
      : character.toLowerCase();
  }).join("");
}

export const surroundings = fc
  .array(fc.oneof(letter, word), { maxLength: 4 })
  .map((parts) => parts.join(""));
