/** Reads an RE2 expression piece by piece, without understanding more of it than where the pieces end. */

export type RegexPiece =
  | { readonly kind: "character"; readonly text: string; readonly offset: number }
  /** A backslash with what belongs to it. */
  | { readonly kind: "escape"; readonly text: string; readonly offset: number }
  /** `\Q…\E`; `literal` is the text between. */
  | {
      readonly kind: "quoted";
      readonly text: string;
      readonly literal: string;
      readonly offset: number;
    }
  /** A whole `[…]`. */
  | { readonly kind: "class"; readonly text: string; readonly offset: number }
  /** `(?` up to the colon, the name or the bracket that ends it; `(` alone is a character. */
  | { readonly kind: "opening"; readonly text: string; readonly offset: number }
  /** `{n}`, `{n,}` or `{n,m}` where RE2 counts; any other brace is a character. */
  | { readonly kind: "count"; readonly text: string; readonly offset: number };

const COUNT = /^\{(?:0|[1-9]\d*)(?:,(?:0|[1-9]\d*)?)?\}/;
const ESCAPE = /^\\(?:[pP]\{[^}]*\}|[pP].?|x\{[^}]*\}|x.?.?|[0-7]{1,3}|k<[^>]*>|.)?/su;
const OPENING = /^\(\?(?:P?<[=!]|P?<[^>]*>|P=[^)]*|[=!>#]|[a-zA-Z-]*[:)]?)/;

/** The pieces of `source` from left to right; together they are the whole of it. */
export function* scanRegex(source: string): Generator<RegexPiece> {
  let offset = 0;
  while (offset < source.length) {
    const piece = pieceAt(source, offset);
    yield piece;
    offset += piece.text.length;
  }
}

function pieceAt(source: string, offset: number): RegexPiece {
  const first = source.charAt(offset);
  if (first === "\\") {
    if (source.startsWith("\\Q", offset)) return quotedAt(source, offset);
    return { kind: "escape", text: matchAt(ESCAPE, source, offset), offset };
  }
  if (first === "[") return { kind: "class", text: classAt(source, offset), offset };
  if (first === "(" && source.charAt(offset + 1) === "?") {
    return { kind: "opening", text: matchAt(OPENING, source, offset), offset };
  }
  if (first === "{") {
    const text = matchAt(COUNT, source, offset);
    if (text !== first) return { kind: "count", text, offset };
  }
  const text = String.fromCodePoint(source.codePointAt(offset) ?? 0);
  return { kind: "character", text, offset };
}

/** The longest piece looked at is bounded by the expression's own limit of characters. */
function matchAt(shape: RegExp, source: string, offset: number): string {
  return shape.exec(source.slice(offset))?.[0] ?? source.charAt(offset);
}

function quotedAt(source: string, offset: number): RegexPiece {
  const close = source.indexOf("\\E", offset + 2);
  const literal = source.slice(offset + 2, close < 0 ? source.length : close);
  const text = source.slice(offset, close < 0 ? source.length : close + 2);
  return { kind: "quoted", text, literal, offset };
}

/** A bracket that comes first in a class stands for itself, and so do the named classes' inner ones. */
function classAt(source: string, offset: number): string {
  let at = offset + 1;
  if (source.charAt(at) === "^") at += 1;
  let first = true;
  while (at < source.length && (first || source.charAt(at) !== "]")) {
    first = false;
    if (source.startsWith("[:", at)) {
      const close = source.indexOf(":]", at);
      at = close < 0 ? at + 1 : close + 2;
    } else if (source.charAt(at) === "\\") {
      at += matchAt(ESCAPE, source, at).length;
    } else {
      at += 1;
    }
  }
  return source.slice(offset, Math.min(at + 1, source.length));
}
