/** How language runtimes and shells print a text inside quotes. Pure. */
import { Buffer } from "node:buffer";

const NAMED = { "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r" };
const NAMED_BY_PYTHON = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };
const NAMED_BY_BASH = { ...NAMED, "\u0007": "\\a", "\v": "\\v" };

/** What a printer writes for a character that it neither names nor puts a backslash before. */
type Escape = (character: string) => string;

/** What one printer escapes: a backslash always, `quotes`, and control characters. */
interface Dialect {
  readonly quotes: string;
  readonly named: Readonly<Record<string, string>>;
  readonly other: Escape;
  /** Characters outside ASCII that it escapes too, as the inside of a character class. */
  readonly high: string;
}

const UPPER_HEX: Escape = (character) => `\\x${hexOf(character).toUpperCase()}`;
const LOWER_HEX: Escape = (character) => `\\x${hexOf(character)}`;
const OCTAL: Escape = (character) => octal(character.charCodeAt(0));
const OCTAL_BYTES: Escape = (character) => [...Buffer.from(character, "utf8")].map(octal).join("");

const C1 = "\\x7f-\\x9f";
const DELETE = "\\x7f";

/** The quotes between which `util.inspect` prints a string. */
const INSPECT_QUOTES = ["'", '"', "`"] as const;

const BASH: Dialect = {
  quotes: "'",
  named: { ...NAMED_BY_BASH, "\u001b": "\\E" },
  other: OCTAL,
  high: DELETE,
};
/** The `$'…'` of bash, in UTF-8 and in the C locale, and of just-bash, which has one per command. */
const ANSI_C: readonly Dialect[] = [
  BASH,
  { ...BASH, other: OCTAL_BYTES, high: "\\x7f-\\uffff" },
  { ...BASH, quotes: `'"`, high: "\\x7f-\\xff" },
  { ...BASH, named: { ...NAMED_BY_BASH, "\u001b": "\\e" } },
  { ...BASH, named: NAMED_BY_PYTHON },
  {
    quotes: "",
    named: { "\t": "\\t", "\n": "\\n" },
    other: LOWER_HEX,
    high: DELETE,
  },
];

/** Every way to print `text` within quotes, whatever stands around it. */
export function quotedForms(text: string): readonly string[] {
  return [
    text.replaceAll("\\", "\\\\"),
    ...INSPECT_QUOTES.flatMap((quote) => [inspected(text, quote), represented(text, quote)]),
    ...ANSI_C.map((dialect) => escaped(text, dialect)),
    singleQuoted(text),
    text.replaceAll("'", `'"'"'`),
    doubleQuoted(text),
    ...backslashed(text),
  ];
}

/** Only the ways in which `text` is printed when it stands alone: for texts too long for all. */
export function likelyQuotedForms(text: string): readonly string[] {
  // Only `$'…'` prints control characters, and only without them are the other forms of use.
  const isShownRaw = !/[^\n -~\u00a0-\uffff]/.test(text);
  const shell = isShownRaw ? [doubleQuoted(text), ...backslashed(text)] : [];
  return [
    inspected(text, inspectQuote(text)),
    escaped(text, BASH),
    escaped(text, { ...BASH, quotes: "" }),
    singleQuoted(text),
    ...shell,
  ];
}

/** As `util.inspect` prints it between `quote`s. */
export function inspected(text: string, quote: string): string {
  return escaped(text, { quotes: quote, named: NAMED, other: UPPER_HEX, high: C1 });
}

/** As `repr` of Python does, which also names fewer characters. */
function represented(text: string, quote: string): string {
  return escaped(text, { quotes: quote, named: NAMED_BY_PYTHON, other: LOWER_HEX, high: C1 });
}

/** The quote that `util.inspect` takes for `text` alone. */
function inspectQuote(text: string): string {
  if (!text.includes("'")) return "'";
  if (!text.includes('"')) return '"';
  return text.includes("`") || text.includes("${") ? "'" : "`";
}

/** As `set` prints it, and `set -x`, between single quotes. */
export function singleQuoted(text: string): string {
  return text.replaceAll("'", "'\\''");
}

/** As `declare -p` and `export -p` print it, between double quotes. */
export function doubleQuoted(text: string): string {
  return text.replace(/["\\$`]/g, "\\$&");
}

/** As `printf %q` prints text without control characters, of bash and of just-bash. */
function backslashed(text: string): readonly string[] {
  const bash = text.replace(/[ '"\\|&;()<>!{}*[\]?^$`,]/g, "\\$&");
  return [bash, bash.replace(/^[~#]/, "\\$&"), text.replace(/[ '"\\|&;()<>!{}*[?$`~#=%]/g, "\\$&")];
}

function escaped(text: string, dialect: Dialect): string {
  const { quotes, named, other, high } = dialect;
  const special = new RegExp(`[\\\\${quotes}\\x00-\\x1f${high}]`, "gu");
  return text.replace(special, (character) => {
    if (character === "\\" || quotes.includes(character)) return `\\${character}`;
    return named[character] ?? other(character);
  });
}

function hexOf(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(2, "0");
}

function octal(code: number): string {
  return `\\${code.toString(8).padStart(3, "0")}`;
}
