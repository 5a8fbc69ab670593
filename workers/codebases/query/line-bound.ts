/** Tells which expressions match within a line, and how to find the lines that are worth a try. */
import { type AST, RegExpParser, visitRegExpAST } from "@eslint-community/regexpp";
import type { Formula } from "./formula.ts";
import { rewriteForParser } from "./regex-dialect.ts";
import { scanRegex } from "./regex-scan.ts";
import { trigramFormula } from "./trigrams.ts";

const LINE_FEED = 10;
/** More are no faster to look for than the expression itself. */
const MAX_ANCHORS = 16;
/** The commonest letters of code first: three of them are on every other line. */
const COMMON = " etaoinsrcldupmh";

/** Where a match can be. */
export interface LineBound {
  /** Each line with a match has one of these, in any case; null when that is not known. */
  readonly anchors: readonly string[] | null;
}

/** Null for an expression that may match across a line break, or that is not understood. */
export function lineBound(source: string): LineBound | null {
  if (!isPlain(source)) return null;
  const { source: rewritten } = rewriteForParser(source);
  if (rewritten === null) return null;
  try {
    const parser = new RegExpParser({ ecmaVersion: 2025 });
    const tree = parser.parsePattern(rewritten, 0, rewritten.length, { unicode: true });
    if (spansLines(tree)) return null;
  } catch {
    return null;
  }
  return { anchors: anchorsOf(trigramFormula({ kind: "regex", source }).formula) };
}

/** Without flags but that for case, and without the ends of the whole text, which are no ends of lines. */
function isPlain(source: string): boolean {
  for (const { kind, text } of scanRegex(source)) {
    if (kind === "escape" && (text === "\\A" || text === "\\z")) return false;
    if (kind === "opening" && !/^\(\?(?:i?:|i\)|P?<)/.test(text)) return false;
  }
  return true;
}

function spansLines(tree: AST.Pattern): boolean {
  let spans = false;
  const meet = (member: AST.CharacterClassElement | AST.Character | AST.CharacterSet) => {
    spans ||= takesLineFeed(member);
  };
  visitRegExpAST(tree, {
    onCharacterEnter(node) {
      if (node.parent.type === "Alternative" || node.parent.type === "Quantifier") meet(node);
    },
    onCharacterSetEnter(node) {
      if (node.parent.type !== "CharacterClass") meet(node);
    },
    onCharacterClassEnter(node) {
      const hasIt = node.elements.some(takesLineFeed);
      spans ||= node.negate ? !hasIt : hasIt;
    },
  });
  return spans;
}

function takesLineFeed(member: AST.Node): boolean {
  switch (member.type) {
    case "Character":
      return member.value === LINE_FEED;
    case "CharacterClassRange":
      return member.min.value <= LINE_FEED && LINE_FEED <= member.max.value;
    case "CharacterSet":
      // A dot takes no line feed without the flag for it.
      if (member.kind === "any") return false;
      if (member.kind === "property") return true;
      return member.kind === "space" ? !member.negate : member.negate;
    default:
      return true;
  }
}

function anchorsOf(formula: Formula): readonly string[] | null {
  switch (formula.kind) {
    case "trigram":
      return [formula.trigram];
    case "or": {
      const each = formula.operands.map(anchorsOf);
      const all = each.flatMap((anchors) => anchors ?? []);
      return each.includes(null) || all.length > MAX_ANCHORS ? null : all;
    }
    case "and": {
      const each = formula.operands.flatMap((operand) => {
        const anchors = anchorsOf(operand);
        return anchors === null ? [] : [anchors];
      });
      return each.toSorted((left, right) => commonness(left) - commonness(right))[0] ?? null;
    }
    default:
      return null;
  }
}

/** How often any of them is met, roughly. */
function commonness(anchors: readonly string[]): number {
  return anchors.reduce((sum, anchor) => {
    const rare = [...anchor].reduce((ranks, letter) => {
      const rank = COMMON.indexOf(letter);
      return ranks + (rank < 0 ? COMMON.length : rank);
    }, 0);
    return sum + 1 / (1 + rare);
  }, 0);
}
