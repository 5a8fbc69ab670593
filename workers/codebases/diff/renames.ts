/** Finds files that were renamed: with the same content, or with most of its lines. */
import { linesOf } from "./lines.ts";

export interface RenameSide {
  readonly path: string;
  readonly oid: string;
  /** Bytes. */
  readonly size: number;
}

export interface Rename {
  readonly before: string;
  readonly after: string;
  /** 1 when the content is the same. */
  readonly similarity: number;
}

/** As git has it by default. */
const MIN_SIMILARITY = 0.5;
/** Contents of other files are compared when there are few, since each pair is looked at. */
const MAX_COMPARED = 150;
const MAX_COMPARED_BYTES = 256 * 1024;

/** Each file takes part once. `textOf` gives null for what is not text. */
export function findRenames(
  removed: readonly RenameSide[],
  added: readonly RenameSide[],
  textOf: (side: RenameSide) => string | null,
): Rename[] {
  const same = sameContent(removed, added);
  const takenBefore = new Set(same.map(({ before }) => before));
  const takenAfter = new Set(same.map(({ after }) => after));
  const restBefore = removed.filter(({ path }) => !takenBefore.has(path)).filter(isComparable);
  const restAfter = added.filter(({ path }) => !takenAfter.has(path)).filter(isComparable);
  if (restBefore.length > MAX_COMPARED || restAfter.length > MAX_COMPARED) return same;
  const candidates: Rename[] = [];
  const bags = new Map<RenameSide, ReadonlyMap<string, number> | null>();
  const bagOf = (side: RenameSide) => {
    const known = bags.get(side);
    if (known !== undefined) return known;
    const text = textOf(side);
    const bag = text === null ? null : bagOfLines(text);
    bags.set(side, bag);
    return bag;
  };
  for (const before of restBefore) {
    for (const after of restAfter) {
      if (extensionOf(before.path) !== extensionOf(after.path)) continue;
      const smaller = Math.min(before.size, after.size);
      if (smaller < MIN_SIMILARITY * Math.max(before.size, after.size)) continue;
      const left = bagOf(before);
      const right = bagOf(after);
      if (left === null || right === null) continue;
      const similarity = shared(left, right) / Math.max(charsOf(left), charsOf(right));
      if (similarity < MIN_SIMILARITY) continue;
      candidates.push({ before: before.path, after: after.path, similarity });
    }
  }
  candidates.sort((a, b) => b.similarity - a.similarity || (a.after < b.after ? -1 : 1));
  const found: Rename[] = [];
  for (const each of candidates) {
    if (takenBefore.has(each.before) || takenAfter.has(each.after)) continue;
    takenBefore.add(each.before);
    takenAfter.add(each.after);
    found.push(each);
  }
  return [...same, ...found];
}

/** Of several with one content, those of the same name belong together, then in their order. */
function sameContent(removed: readonly RenameSide[], added: readonly RenameSide[]): Rename[] {
  const byOid = Map.groupBy(removed, ({ oid }) => oid);
  const found: Rename[] = [];
  for (const after of added) {
    const left = byOid.get(after.oid);
    if (left === undefined || left.length === 0) continue;
    const named = left.findIndex(({ path }) => nameOf(path) === nameOf(after.path));
    const [before] = left.splice(Math.max(0, named), 1);
    if (before) found.push({ before: before.path, after: after.path, similarity: 1 });
  }
  return found;
}

const isComparable = ({ size }: RenameSide) => size > 0 && size <= MAX_COMPARED_BYTES;
const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

function extensionOf(path: string): string {
  const name = nameOf(path);
  const dot = name.lastIndexOf(".");
  return dot <= 0 ? "" : name.slice(dot);
}

/** Lines with how often they occur. */
function bagOfLines(text: string): ReadonlyMap<string, number> {
  const bag = new Map<string, number>();
  for (const line of linesOf(text)) bag.set(line, (bag.get(line) ?? 0) + 1);
  return bag;
}

function charsOf(bag: ReadonlyMap<string, number>): number {
  let chars = 0;
  for (const [line, count] of bag) chars += line.length * count;
  return chars;
}

/** Characters of the lines that both have. */
function shared(left: ReadonlyMap<string, number>, right: ReadonlyMap<string, number>): number {
  let chars = 0;
  for (const [line, count] of left) chars += line.length * Math.min(count, right.get(line) ?? 0);
  return chars;
}
