/** Rewrites RE2 into the dialect that the parser of trigrams reads, or says what it has no equal for. */
import { scanRegex } from "./regex-scan.ts";

export type Rewritten =
  | { readonly source: string; readonly obstacle: null }
  | { readonly source: null; readonly obstacle: string };

const LEADING_FLAGS = /^(?:\(\?[imsU]*(?:-[imsU]+)?\))+/;
/** Escapes that mean the same in both dialects, or at least one character of a set. */
const SHARED_ESCAPE = /^\\(?:[dDwWsSbBfnrtv]|x[0-9a-fA-F]{2}|p\{[^}]*\}|P\{[^}]*\})$/;
const PUNCTUATION = /^\\[!-/:-@[-`{-~ ]$/;
const NAME_OF_GROUP = /^\(\?P?<[A-Za-z_]\w*>$/;
const FLAGS_OF_GROUP = /^\(\?(?:[ims]*(?:-[ims]+)?):$/;

/**
 * Both dialects accept expressions that they read differently, such as `[[:digit:]x]` or `a{01}`. So every piece is
 * either known to mean the same, rewritten, or an obstacle: never passed on in hope. The expression has compiled as
 * RE2 before. Case does not matter here: the index has none.
 */
export function rewriteForParser(source: string): Rewritten {
  const body = source.replace(LEADING_FLAGS, "");
  let rewritten = "";
  for (const piece of scanRegex(body)) {
    switch (piece.kind) {
      case "count":
        rewritten += piece.text;
        break;
      case "character":
        rewritten += /^[{}\]/]$/.test(piece.text) ? `\\${piece.text}` : piece.text;
        break;
      case "quoted": {
        if (piece.literal === "") return obstacle(`an empty \\Q\\E`);
        rewritten += Array.from(piece.literal, literalCharacter).join("");
        break;
      }
      case "escape": {
        const equal = rewriteEscape(piece.text);
        if (equal === null) return obstacle(`the escape ${piece.text}`);
        rewritten += equal;
        break;
      }
      case "opening":
        if (NAME_OF_GROUP.test(piece.text)) rewritten += "(";
        else if (FLAGS_OF_GROUP.test(piece.text)) rewritten += "(?:";
        else return obstacle(`the group ${piece.text}`);
        break;
      case "class": {
        const inner = rewriteClass(piece.text);
        if (inner === null) return obstacle(`the class ${piece.text}`);
        rewritten += inner;
        break;
      }
    }
  }
  return { source: rewritten, obstacle: null };
}

function obstacle(what: string): Rewritten {
  return { source: null, obstacle: `${what} has no equal in the parser of trigrams` };
}

function rewriteEscape(text: string): string | null {
  if (text === "\\A") return "^";
  if (text === "\\z") return "$";
  if (/^\\[pP][A-Z]$/.test(text)) return `${text.slice(0, 2)}{${text.slice(2)}}`;
  if (/^\\x\{[0-9a-fA-F]+\}$/.test(text)) return `\\u${text.slice(2)}`;
  if (SHARED_ESCAPE.test(text)) return text;
  return PUNCTUATION.test(text) ? literalCharacter(text.slice(1)) : null;
}

function literalCharacter(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/** A class of plain characters, ranges and shared escapes. */
function rewriteClass(text: string): string | null {
  const negation = text.startsWith("[^") ? "^" : "";
  const body = text.slice(1 + negation.length, -1);
  if (body === "" || body.includes("[:") || body.includes("\\b") || body.includes("\\B"))
    return null;
  let rewritten = "";
  let afterSet = false;
  for (const [piece] of body.matchAll(/\\(?:[pP]\{[^}]*\}|[pP].|x\{[^}]*\}|x..|.)|./gsu)) {
    if (piece.startsWith("\\")) {
      const equal = rewriteEscape(piece);
      if (equal === null || equal === "^" || equal === "$") return null;
      rewritten += equal;
    } else {
      // After a set a dash begins no range, which the parser refuses unless it is spelled out.
      rewritten += piece === "-" && !afterSet ? piece : literalCharacter(piece);
    }
    afterSet = /^\\[dDwWsSpP]/.test(piece);
  }
  return `[${negation}${rewritten}]`;
}
