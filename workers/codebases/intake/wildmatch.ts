/**
 * Patterns of .gitattributes as git matches them: `*` and `?` stay within a folder, `**` crosses
 * folders. Time is at most the product of the lengths of pattern and path: a star gives up what an
 * earlier one took only at the next star.
 */

/** One character of a pattern, or a star. */
type Token =
  | { readonly kind: "star" }
  | { readonly kind: "any" }
  | { readonly kind: "one"; readonly char: string }
  | {
      readonly kind: "class";
      readonly negated: boolean;
      readonly matches: (char: string) => boolean;
    };

/** One folder of a pattern; null is `**`, any number of folders. */
type Segment = readonly Token[] | null;

export interface Glob {
  matches(path: string): boolean;
}

const POSIX_CLASSES: ReadonlyMap<string, RegExp> = new Map(
  Object.entries({
    alnum: /[A-Za-z0-9]/,
    alpha: /[A-Za-z]/,
    blank: /[ \t]/,
    cntrl: /\p{Cc}/u,
    digit: /[0-9]/,
    graph: /[!-~]/,
    lower: /[a-z]/,
    print: /[ -~]/,
    punct: /[!-/:-@[-`{-~]/,
    space: /\s/,
    upper: /[A-Z]/,
    xdigit: /[0-9A-Fa-f]/,
  }),
);

const GLOB_SPECIAL = /[*?[\\]/;
const ANY_FOLDERS = /^\*{2,}$/;

/** Compiles a pattern for whole paths; null when it is broken and so matches nothing. */
export function compileGlob(pattern: string): Glob | null {
  const bytes = toBytes(pattern);
  // Git compares what comes before the first special character by itself, and matches the rest as if
  // it began there: `src/l**` crosses folders, and `*l**` does not.
  const special = bytes.search(GLOB_SPECIAL);
  const prefix = special < 0 ? bytes : bytes.slice(0, special);
  const segments: Segment[] = [];
  for (const part of splitSegments(bytes.slice(prefix.length))) {
    const tokens = ANY_FOLDERS.test(part) ? null : tokenize(part);
    if (tokens === undefined) return null;
    segments.push(tokens);
  }
  const matches = (path: string): boolean => {
    const text = toBytes(path);
    return text.startsWith(prefix) && matchSegments(segments, text.slice(prefix.length).split("/"));
  };
  return { matches };
}

const ASCII = /^[\0-\x7f]*$/;

/** A character for each byte of UTF-8, since `?` is one byte to git. */
function toBytes(text: string): string {
  return ASCII.test(text) ? text : Buffer.from(text).toString("latin1");
}

/** Splits at slashes, but for those in brackets. */
function splitSegments(pattern: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < pattern.length; at += 1) {
    if (pattern[at] === "\\") at += 1;
    else if (pattern[at] === "[") at = Math.max(at, classEnd(pattern, at + 1));
    else if (pattern[at] === "/") {
      parts.push(pattern.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(pattern.slice(start));
  return parts;
}

/** Where the class that begins at `start` ends; -1 when it does not. */
function classEnd(pattern: string, start: number): number {
  return parseClass(pattern, start)?.end ?? -1;
}

function tokenize(part: string): Token[] | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < part.length; at += 1) {
    const char = part.charAt(at);
    if (char === "*") {
      if (tokens.at(-1)?.kind !== "star") tokens.push({ kind: "star" });
    } else if (char === "?") tokens.push({ kind: "any" });
    else if (char === "[") {
      const parsed = parseClass(part, at + 1);
      if (parsed === undefined) return undefined;
      tokens.push(parsed.token);
      at = parsed.end;
    } else if (char === "\\") {
      at += 1;
      const escaped = part[at];
      // A pattern that ends in the middle of an escape matches nothing.
      if (escaped === undefined) return undefined;
      tokens.push({ kind: "one", char: escaped });
    } else tokens.push({ kind: "one", char });
  }
  return tokens;
}

/** The class that begins after a bracket; undefined when it has no end. */
function parseClass(
  chars: string,
  start: number,
): { readonly token: Token; readonly end: number } | undefined {
  let at = start;
  const negated = chars[at] === "!" || chars[at] === "^";
  if (negated) at += 1;
  const tests: ((char: string) => boolean)[] = [];
  for (let isFirst = true; isFirst || chars[at] !== "]"; isFirst = false) {
    const char = chars[at];
    if (char === undefined) return undefined;
    if (char === "[" && chars[at + 1] === ":") {
      const end = chars.indexOf("]", at + 2);
      const name = chars.slice(at + 2, end - 1);
      const named = chars[end - 1] === ":" ? POSIX_CLASSES.get(name) : undefined;
      if (end < 0 || named === undefined) return undefined;
      tests.push((tested) => named.test(tested));
      at = end + 1;
      continue;
    }
    const low = literalAt(chars, at);
    if (low === undefined) return undefined;
    at = low.next;
    if (chars[at] === "-" && chars[at + 1] !== undefined && chars[at + 1] !== "]") {
      const high = literalAt(chars, at + 1);
      if (high === undefined) return undefined;
      at = high.next;
      tests.push((tested) => tested >= low.char && tested <= high.char);
    } else tests.push((tested) => tested === low.char);
  }
  const matches = (char: string) => tests.some((test) => test(char));
  return { token: { kind: "class", negated, matches }, end: at };
}

function literalAt(chars: string, at: number) {
  const isEscaped = chars[at] === "\\";
  const char = chars[isEscaped ? at + 1 : at];
  return char === undefined ? undefined : { char, next: at + (isEscaped ? 2 : 1) };
}

function matchSegments(segments: readonly Segment[], parts: readonly string[]): boolean {
  let segment = 0;
  let part = 0;
  let retry: { readonly segment: number; part: number } | null = null;
  while (part < parts.length) {
    const current = segments[segment];
    if (current === null) {
      segment += 1;
      // At the end it stands for what lies in a folder, so for one part at least.
      if (segment === segments.length) return true;
      retry = { segment, part };
    } else if (current !== undefined && matchPart(current, parts[part] ?? "")) {
      segment += 1;
      part += 1;
    } else if (retry !== null) {
      retry.part += 1;
      segment = retry.segment;
      part = retry.part;
    } else return false;
  }
  return segment === segments.length;
}

function matchPart(tokens: readonly Token[], text: string): boolean {
  let token = 0;
  let at = 0;
  let star: { readonly token: number; at: number } | null = null;
  while (at < text.length) {
    const current = tokens[token];
    if (current?.kind === "star") {
      token += 1;
      star = { token, at };
    } else if (current !== undefined && matchOne(current, text.charAt(at))) {
      token += 1;
      at += 1;
    } else if (star !== null) {
      star.at += 1;
      token = star.token;
      at = star.at;
    } else return false;
  }
  while (tokens[token]?.kind === "star") token += 1;
  return token === tokens.length;
}

function matchOne(token: Token, char: string): boolean {
  switch (token.kind) {
    case "any":
      return true;
    case "one":
      return token.char === char;
    case "class":
      return token.matches(char) !== token.negated;
    case "star":
      return false;
  }
}
