/** The lines of a .gitattributes file: patterns with attributes, and macros. */
import { compileGlob } from "./wildmatch.ts";

/** Set, unset, a value; null when a line takes back what a weaker one says. */
export type AttributeState = boolean | string | null;

export type States = readonly (readonly [name: string, state: AttributeState])[];

export interface Rule {
  readonly states: States;
  /** `below` is the path from the folder of the file, `name` the last part of it. */
  matches(below: string, name: string): boolean;
}

/** Git reads no longer line. */
const MAX_LINE_BYTES = 2_048;
/** More rules than any repository has; matching is rules times paths. */
const MAX_RULES = 2_000;
const MACRO = "[attr]";
const BLANK = /[ \t\r\n]+/;
/** Names of attributes, and of macros. */
const NAME = /^[A-Za-z0-9_.][A-Za-z0-9_.-]*$/;
const GLOB_SPECIAL = /[*?[\\]/;

/** The macros that are defined, `binary` among them. */
export class AttributeLines {
  readonly #macros = new Map<string, States>([
    [
      "binary",
      [
        ["diff", false],
        ["merge", false],
        ["text", false],
      ],
    ],
  ]);

  define(name: string, states: States): void {
    this.#macros.set(name, states);
  }

  /** Adds what is not yet said; a macro that is set says what it stands for as well. */
  apply(states: States, found: Map<string, AttributeState>): void {
    for (let at = states.length - 1; at >= 0; at -= 1) {
      const [name, state] = states[at] ?? ["", null];
      if (found.has(name)) continue;
      found.set(name, state);
      const macro = state === true ? this.#macros.get(name) : undefined;
      if (macro !== undefined) this.apply(macro, found);
    }
  }
}

/** Reads the rules in order; `macros` takes definitions, null where they are not allowed. */
export function readRules(content: string, macros: AttributeLines | null): Rule[] {
  const rules: Rule[] = [];
  for (const raw of content.replace(/^\uFEFF/, "").split("\n")) {
    if (rules.length >= MAX_RULES) break;
    if (Buffer.byteLength(raw) >= MAX_LINE_BYTES) continue;
    const line = raw.replace(/^[ \t\r]+/, "");
    if (line === "" || line.startsWith("#")) continue;
    const { pattern, rest } = splitPattern(line);
    const states = parseStates(rest);
    if (pattern.startsWith(MACRO)) {
      const name = pattern.slice(MACRO.length) || (rest.trim().split(BLANK)[0] ?? "");
      if (NAME.test(name)) macros?.define(name, states);
      continue;
    }
    const rule = compileRule(pattern, states);
    if (rule) rules.push(rule);
  }
  return rules;
}

function splitPattern(line: string): { readonly pattern: string; readonly rest: string } {
  const quoted = line.startsWith('"') ? unquote(line) : null;
  if (quoted) return quoted;
  const end = line.search(BLANK);
  if (end < 0) return { pattern: line, rest: "" };
  return { pattern: line.slice(0, end), rest: line.slice(end) };
}

const ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '"': 34,
  "\\": 92,
};

/** A pattern in double quotes, escaped as in C; null when the quotes do not close. */
function unquote(line: string): { readonly pattern: string; readonly rest: string } | null {
  const bytes: number[] = [];
  for (let at = 1; at < line.length; at += 1) {
    const char = line.charAt(at);
    if (char === '"') {
      return { pattern: Buffer.from(bytes).toString(), rest: line.slice(at + 1) };
    }
    if (char !== "\\") {
      const whole = String.fromCodePoint(line.codePointAt(at) ?? 0);
      bytes.push(...Buffer.from(whole));
      at += whole.length - 1;
      continue;
    }
    const octal = /^[0-3][0-7]{2}/.exec(line.slice(at + 1, at + 4))?.[0];
    const escaped = octal ? Number.parseInt(octal, 8) : ESCAPES[line.charAt(at + 1)];
    if (escaped === undefined) return null;
    bytes.push(escaped);
    at += octal ? 3 : 1;
  }
  return null;
}

function parseStates(rest: string): States {
  const states: (readonly [string, AttributeState])[] = [];
  for (const word of rest.split(BLANK)) {
    const equals = word.indexOf("=");
    const sign = /^[-!]/.exec(word)?.[0];
    const name = word.slice(sign ? 1 : 0, equals < 0 ? undefined : equals);
    if (!NAME.test(name)) continue;
    if (sign) states.push([name, sign === "-" ? false : null]);
    else states.push([name, equals < 0 ? true : word.slice(equals + 1)]);
  }
  return states;
}

function compileRule(pattern: string, states: States): Rule | null {
  // Git knows no exceptions here, and a pattern for folders alone never meets a file.
  if (pattern.startsWith("!") || pattern.endsWith("/")) return null;
  const anchored = pattern.startsWith("/") ? pattern.slice(1) : pattern;
  const isName = !pattern.includes("/");
  const suffix = pattern.startsWith("*") ? pattern.slice(1) : "";
  // Most rules are `*.extension`.
  if (isName && suffix !== "" && !GLOB_SPECIAL.test(suffix)) {
    return { states, matches: (_below, name) => name.endsWith(suffix) };
  }
  if (!GLOB_SPECIAL.test(anchored)) {
    return { states, matches: (below, name) => (isName ? name : below) === anchored };
  }
  const glob = compileGlob(anchored);
  if (!glob) return null;
  return { states, matches: (below, name) => glob.matches(isName ? name : below) };
}
