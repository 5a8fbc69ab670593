/** Says why an expression is not RE2, and where. */
import { RE2JSException, RE2JSSyntaxException } from "re2js";
import { scanRegex } from "./regex-scan.ts";

/** What is wrong with a pattern; offsets are UTF-16 code units of the pattern. */
export interface PatternProblem {
  readonly message: string;
  readonly hint: string;
  readonly start: number;
  readonly end: number;
}

const LINEAR = "searches run in linear time, which rules it out";
const SPLIT =
  "Say it as separate terms, such as foo -bar, or search for more and filter the matches.";

/** Constructs of other dialects, which RE2 refuses in words that name neither them nor a way out. */
function foreignConstruct(source: string): PatternProblem | null {
  let previous = "";
  for (const { kind, text, offset } of scanRegex(source)) {
    const at = { start: offset, end: offset + text.length };
    if (kind === "opening") {
      if (/^\(\?P?<?[=!]/.test(text) && !text.startsWith("(?P=")) {
        const name = text.includes("<") ? "Lookbehind" : "Lookahead";
        return { message: `${name} ${text}…) is not RE2: ${LINEAR}.`, hint: SPLIT, ...at };
      }
      if (text.startsWith("(?>")) {
        return {
          message: "An atomic group (?>…) is not RE2, which never backtracks.",
          hint: "Use a plain group: (?:…).",
          ...at,
        };
      }
      if (text.startsWith("(?P=")) return backreference(text, at);
      if (text.startsWith("(?#") || /^\(\?[a-zA-Z-]*x/.test(text)) {
        return {
          message: "Comments and free spacing are not RE2.",
          hint: "Leave out the comment and the blanks.",
          ...at,
        };
      }
    }
    if (
      kind === "escape" &&
      (/^\\[89]/.test(text) || /^\\[1-7]$/.test(text) || /^\\k/.test(text))
    ) {
      return backreference(text, at);
    }
    if (kind === "escape" && text === "\\Z") {
      return {
        message: "\\Z is not RE2.",
        hint: "Use $ for the end of a line, \\z for the end of the file.",
        ...at,
      };
    }
    if (text === "+" && (/^[*+?]$/.test(previous) || previous.startsWith("{"))) {
      return {
        message: `The possessive quantifier ${previous}+ is not RE2, which never backtracks.`,
        hint: `Use ${previous} alone.`,
        ...at,
      };
    }
    previous = kind === "character" || kind === "count" ? text : "";
  }
  return null;
}

function backreference(text: string, at: { start: number; end: number }): PatternProblem {
  return {
    message: `The backreference ${text} is not RE2: ${LINEAR}.`,
    hint: "Write the repeated text out, or search for more and filter the matches.",
    ...at,
  };
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [/missing closing \)/, "Close the group with ), or write \\( for the character itself."],
  [/unexpected \)/, "Remove the ), or write \\) for the character itself."],
  [/missing closing \]/, "Close the class with ], or write \\[ for the character itself."],
  [/missing argument/, "Put something before the quantifier, or write it with a backslash."],
  [/nested repetition/, "Put the inner repetition into a group: (?:a+)*."],
  [/repeat count/, "Count to at most 1000, the smaller number first, nested counts multiplied."],
  [/trailing backslash/, "Write \\\\ for a backslash itself."],
  [/escape sequence/, "Leave out the backslash, or use an escape that RE2 knows."],
  [/character class range/, "Check the names of classes and the order of ranges, such as [a-z]."],
  [/named capture/, "Name a group with letters, digits and _: (?P<name>…)."],
  [/capture group name/, "Give each group a name of its own."],
  [/Perl syntax/, "RE2 knows (?:…), (?P<name>…) and the flags i, m, s and U."],
  [/too large|nests too deeply/, "Shorten the expression, or count less."],
];

/** Turns what the compiler threw into a problem; anything but a refusal of the pattern is thrown on. */
export function regexProblem(source: string, error: unknown): PatternProblem {
  if (!(error instanceof RE2JSException)) throw error;
  const foreign = foreignConstruct(source);
  if (foreign !== null) return foreign;
  const description = error instanceof RE2JSSyntaxException ? error.error : error.message;
  const fragment = error instanceof RE2JSSyntaxException ? (error.input ?? "") : "";
  const hint = HINTS.find(([shape]) => shape.test(description))?.[1] ?? "Check the expression.";
  const at = place(source, description, fragment);
  return { message: `The regular expression has a fault: ${description}.`, hint, ...at };
}

function place(source: string, description: string, fragment: string) {
  const whole = { start: 0, end: source.length };
  if (/\)$/.test(description)) {
    const start = strayBracket(source);
    return start < 0 ? whole : { start, end: start + 1 };
  }
  if (/trailing backslash/.test(description))
    return { start: source.length - 1, end: source.length };
  const start = fragment === "" ? -1 : source.lastIndexOf(fragment);
  return start < 0 ? whole : { start, end: start + fragment.length };
}

/** The bracket without its partner. */
function strayBracket(source: string): number {
  const open: number[] = [];
  for (const { kind, text, offset } of scanRegex(source)) {
    if (text === "(" || (kind === "opening" && !text.endsWith(")"))) open.push(offset);
    else if (text === ")" && open.pop() === undefined) return offset;
  }
  return open.at(-1) ?? -1;
}
