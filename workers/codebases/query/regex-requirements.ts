/** Works out what every text that an expression matches must contain. */
import type { AST } from "@eslint-community/regexpp";
import { coverOfAny, foldCharacter, GAP } from "./folded-trigrams.ts";
import { ANY, allOf, anyOf, type Formula } from "./formula.ts";

const MAX_STRINGS = 32;
const MAX_CLASS_CHARACTERS = 16;
const MAX_STRING_CHARACTERS = 200;
/** `(abc){5}` is spelled out this often. */
const MAX_COPIES = 6;
const EDGE_CHARACTERS = 2;

/** A set of folded strings, one of which is the whole text matched. */
interface Exact {
  readonly kind: "exact";
  readonly strings: ReadonlySet<string>;
}

/** A text that begins with one of `heads`, ends with one of `tails`, and satisfies `formula`. */
interface Open {
  readonly kind: "open";
  readonly heads: ReadonlySet<string>;
  readonly tails: ReadonlySet<string>;
  readonly formula: Formula;
}

type Requirement = Exact | Open;

const NOTHING_KNOWN: ReadonlySet<string> = new Set([""]);
const EMPTY: Exact = { kind: "exact", strings: NOTHING_KNOWN };
const WILD: Open = { kind: "open", heads: NOTHING_KNOWN, tails: NOTHING_KNOWN, formula: ANY };
/** One character that the index is not asked about. */
const ONE_GAP: Exact = { kind: "exact", strings: new Set([GAP]) };

/** Thrown for what a rewritten expression cannot contain; the caller reads it as "scan". */
export class UnreadableRegex extends Error {}

export function requirementOf(pattern: AST.Pattern): Formula {
  const requirement = alternatives(pattern.alternatives);
  return requirement.kind === "exact" ? coverOfAny(requirement.strings) : requirement.formula;
}

function alternatives(each: readonly AST.Alternative[]): Requirement {
  return either(each.map(({ elements }) => sequence(elements.map(element))));
}

function element(node: AST.Element): Requirement {
  switch (node.type) {
    case "Assertion":
      if (node.kind === "lookahead" || node.kind === "lookbehind")
        throw new UnreadableRegex(node.raw);
      return EMPTY;
    case "Character":
      return { kind: "exact", strings: new Set([foldCharacter(node.value)]) };
    case "CharacterSet":
      return ONE_GAP;
    case "CharacterClass":
      return characterClass(node);
    case "Group":
    case "CapturingGroup":
      return alternatives(node.alternatives);
    case "Quantifier":
      return repeated(node);
    case "Backreference":
    case "ExpressionCharacterClass":
      throw new UnreadableRegex(node.raw);
  }
}

function characterClass(node: AST.CharacterClass): Requirement {
  // An empty class is how the parser reads brackets that RE2 reads as members.
  if (node.elements.length === 0) throw new UnreadableRegex(node.raw);
  if (node.negate) return ONE_GAP;
  const strings = new Set<string>();
  for (const member of node.elements) {
    if (member.type === "Character") strings.add(foldCharacter(member.value));
    else if (member.type === "CharacterClassRange") {
      if (member.max.value - member.min.value >= 2 * MAX_CLASS_CHARACTERS) return ONE_GAP;
      for (let at = member.min.value; at <= member.max.value; at += 1)
        strings.add(foldCharacter(at));
    } else return ONE_GAP;
    if (strings.size > MAX_CLASS_CHARACTERS) return ONE_GAP;
  }
  return strings.has(GAP) ? ONE_GAP : { kind: "exact", strings };
}

function repeated(node: AST.Quantifier): Requirement {
  const { min, max } = node;
  const once = element(node.element);
  if (min === 0) {
    if (max === 1) return either([EMPTY, once]);
    return max === 0 ? EMPTY : WILD;
  }
  const copies = Math.min(min, MAX_COPIES);
  const spelled = sequence(Array.from({ length: copies }, () => once));
  return min === max && copies === min ? spelled : opened(spelled);
}

/** One after the other. Neighbours that are known exactly are joined first, so that their cover spans them all. */
function sequence(parts: readonly Requirement[]): Requirement {
  const joined: Requirement[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    const product =
      last?.kind === "exact" && part.kind === "exact" ? cross(last.strings, part.strings) : null;
    if (product === null) joined.push(part);
    else joined[joined.length - 1] = { kind: "exact", strings: product };
  }
  return joined.reduce<Requirement>((left, right) => follow(left, right), EMPTY);
}

function follow(left: Requirement, right: Requirement): Requirement {
  if (left === EMPTY) return right;
  if (right === EMPTY) return left;
  const tails = left.kind === "exact" ? left.strings : left.tails;
  const heads = right.kind === "exact" ? right.strings : right.heads;
  const seam = cross(tails, heads);
  const formula = allOf([
    opened(left).formula,
    opened(right).formula,
    seam === null ? ANY : coverOfAny(seam),
  ]);
  return {
    kind: "open",
    heads: reach(left, opened(left).heads, opened(right).heads, "head"),
    tails: reach(right, opened(right).tails, opened(left).tails, "tail"),
    formula,
  };
}

/** The edge of a sequence: that of its outer part, and into the next one where the outer part is short and exact. */
function reach(
  outer: Requirement,
  edge: ReadonlySet<string>,
  next: ReadonlySet<string>,
  side: "head" | "tail",
): ReadonlySet<string> {
  if (outer.kind !== "exact") return edge;
  const product = side === "head" ? cross(outer.strings, next) : cross(next, outer.strings);
  return product === null ? edge : trimmed(product, side);
}

/** As an open requirement, with what its strings say moved into the formula. */
function opened(requirement: Requirement): Open {
  if (requirement.kind === "open") return requirement;
  return {
    kind: "open",
    heads: trimmed(requirement.strings, "head"),
    tails: trimmed(requirement.strings, "tail"),
    formula: coverOfAny(requirement.strings),
  };
}

function either(branches: readonly Requirement[]): Requirement {
  const [only] = branches;
  if (branches.length === 1 && only !== undefined) return only;
  if (branches.every((branch) => branch.kind === "exact")) {
    const strings = new Set(branches.flatMap((branch) => [...branch.strings]));
    if (strings.size <= MAX_STRINGS) return { kind: "exact", strings };
  }
  const open = branches.map(opened);
  return {
    kind: "open",
    heads: limited(new Set(open.flatMap(({ heads }) => [...heads]))),
    tails: limited(new Set(open.flatMap(({ tails }) => [...tails]))),
    formula: anyOf(open.map(({ formula }) => formula)),
  };
}

function limited(strings: ReadonlySet<string>): ReadonlySet<string> {
  return strings.size > MAX_STRINGS ? NOTHING_KNOWN : strings;
}

function trimmed(strings: ReadonlySet<string>, side: "head" | "tail"): ReadonlySet<string> {
  const edges = [...strings].map((text) =>
    side === "head" ? text.slice(0, EDGE_CHARACTERS) : text.slice(-EDGE_CHARACTERS),
  );
  return limited(new Set(edges));
}

/** Each of the one followed by each of the other; null when there are too many, or too long ones. */
function cross(left: ReadonlySet<string>, right: ReadonlySet<string>): ReadonlySet<string> | null {
  if (left.size * right.size > MAX_STRINGS) return null;
  const product = new Set<string>();
  for (const first of left) {
    for (const second of right) {
      if (first.length + second.length > MAX_STRING_CHARACTERS) return null;
      product.add(first + second);
    }
  }
  return product;
}
