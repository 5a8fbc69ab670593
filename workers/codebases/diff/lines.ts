/** Compares texts by lines: the fewest removed and added ones, as long as that is not too costly. */

/** Runs of lines: `before` and `after` begin where both texts are, and are as long as what differs. */
export interface LineChange {
  /** First line, from 0, and how many lines are removed. */
  readonly before: number;
  readonly removed: number;
  readonly after: number;
  readonly added: number;
}

/** Edits that are looked for before a stretch is taken as replaced where it has no line of its own. */
const MAX_EDITS = 800;

/** Lines with their ends; the last may have none. An empty text has no lines. */
export function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+/g) ?? [];
}

/** What differs, in order; what is between the changes is equal. */
export function diffLines(before: readonly string[], after: readonly string[]): LineChange[] {
  const numbers = new Map<string, number>();
  const number = (line: string) => {
    const known = numbers.get(line);
    if (known !== undefined) return known;
    numbers.set(line, numbers.size);
    return numbers.size - 1;
  };
  const a = Int32Array.from(before, number);
  const b = Int32Array.from(after, number);
  const kept = new Kept();
  compare(a, 0, a.length, b, 0, b.length, kept);
  return kept.changes(a.length, b.length);
}

/** Lines that both have, in runs. */
class Kept {
  readonly #runs: { before: number; after: number; length: number }[] = [];

  add(before: number, after: number, length: number): void {
    if (length === 0) return;
    const last = this.#runs.at(-1);
    if (last && last.before + last.length === before && last.after + last.length === after) {
      last.length += length;
    } else this.#runs.push({ before, after, length });
  }

  changes(beforeLines: number, afterLines: number): LineChange[] {
    const changes: LineChange[] = [];
    let i = 0;
    let j = 0;
    for (const run of [...this.#runs, { before: beforeLines, after: afterLines, length: 0 }]) {
      if (run.before > i || run.after > j) {
        changes.push({ before: i, removed: run.before - i, after: j, added: run.after - j });
      }
      i = run.before + run.length;
      j = run.after + run.length;
    }
    return changes;
  }
}

type Lines = Int32Array;

function compare(
  a: Lines,
  aFrom: number,
  aTo: number,
  b: Lines,
  bFrom: number,
  bTo: number,
  kept: Kept,
): void {
  let head = 0;
  while (aFrom + head < aTo && bFrom + head < bTo && a[aFrom + head] === b[bFrom + head]) head += 1;
  kept.add(aFrom, bFrom, head);
  const i = aFrom + head;
  const j = bFrom + head;
  let tail = 0;
  while (aTo - tail > i && bTo - tail > j && a[aTo - tail - 1] === b[bTo - tail - 1]) tail += 1;
  const iEnd = aTo - tail;
  const jEnd = bTo - tail;
  if (i < iEnd && j < jEnd) {
    const runs = shortest(a, i, iEnd, b, j, jEnd);
    if (runs !== null) for (const [x, y] of runs) kept.add(x, y, 1);
    else byAnchors(a, i, iEnd, b, j, jEnd, kept);
  }
  kept.add(iEnd, jEnd, tail);
}

/** Myers: the pairs of equal lines of a shortest edit script; null when it takes too many edits. */
function shortest(
  a: Lines,
  aFrom: number,
  aTo: number,
  b: Lines,
  bFrom: number,
  bTo: number,
): [number, number][] | null {
  const n = aTo - aFrom;
  const m = bTo - bFrom;
  const most = Math.min(n + m, MAX_EDITS);
  const middle = most + 1;
  const reached = new Int32Array(2 * most + 3);
  const trace: Int32Array[] = [];
  for (let edits = 0; edits <= most; edits += 1) {
    trace.push(reached.slice(middle - edits, middle + edits + 1));
    for (let k = -edits; k <= edits; k += 2) {
      const down = reached[middle + k + 1] ?? 0;
      const right = (reached[middle + k - 1] ?? 0) + 1;
      let x = k === -edits || (k !== edits && right <= down) ? down : right;
      let y = x - k;
      while (x < n && y < m && a[aFrom + x] === b[bFrom + y]) {
        x += 1;
        y += 1;
      }
      reached[middle + k] = x;
      if (x >= n && y >= m) return pairs(trace, edits, n, m, aFrom, bFrom);
    }
  }
  return null;
}

/** Walks back from the end over what each number of edits had reached before. */
function pairs(
  trace: readonly Int32Array[],
  edits: number,
  n: number,
  m: number,
  aFrom: number,
  bFrom: number,
): [number, number][] {
  const found: [number, number][] = [];
  let x = n;
  let y = m;
  for (let d = edits; d > 0; d -= 1) {
    // `reached` as it was before the round of d edits: of diagonals from -d to d.
    const before = trace[d] ?? new Int32Array(0);
    const at = (k: number) => before[k + d] ?? 0;
    const k = x - y;
    const isDown = k === -d || (k !== d && at(k - 1) + 1 <= at(k + 1));
    const from = isDown ? k + 1 : k - 1;
    const x0 = at(from);
    const y0 = x0 - from;
    const start = isDown ? x0 : x0 + 1;
    while (x > start) {
      x -= 1;
      y -= 1;
      found.push([aFrom + x, bFrom + y]);
    }
    x = x0;
    y = y0;
  }
  while (x > 0) {
    x -= 1;
    y -= 1;
    found.push([aFrom + x, bFrom + y]);
  }
  return found.reverse();
}

/** Splits at the lines that both have exactly once, in the longest order that both keep. */
function byAnchors(
  a: Lines,
  aFrom: number,
  aTo: number,
  b: Lines,
  bFrom: number,
  bTo: number,
  kept: Kept,
): void {
  const inA = once(a, aFrom, aTo);
  const inB = once(b, bFrom, bTo);
  const common: [number, number][] = [];
  for (const [line, x] of inA) {
    const y = inB.get(line);
    if (y !== undefined) common.push([x, y]);
  }
  let i = aFrom;
  let j = bFrom;
  const anchors = longestAscending(common);
  if (anchors.length === 0) return;
  for (const [x, y] of anchors) {
    compare(a, i, x, b, j, y, kept);
    kept.add(x, y, 1);
    i = x + 1;
    j = y + 1;
  }
  compare(a, i, aTo, b, j, bTo, kept);
}

/** Lines that occur once, in order, with where. */
function once(lines: Lines, from: number, to: number): Map<number, number> {
  const places = new Map<number, number>();
  const repeated = new Set<number>();
  for (let at = from; at < to; at += 1) {
    const line = lines[at] ?? -1;
    if (places.has(line)) repeated.add(line);
    else places.set(line, at);
  }
  for (const line of repeated) places.delete(line);
  return places;
}

/** The longest part of the pairs, which ascend by their first, that ascends by its second too. */
function longestAscending(pairs: readonly [number, number][]): [number, number][] {
  const ends: number[] = [];
  const previous = new Int32Array(pairs.length);
  for (const [index, [, y]] of pairs.entries()) {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((pairs[ends[middle] ?? 0]?.[1] ?? 0) < y) low = middle + 1;
      else high = middle;
    }
    previous[index] = low === 0 ? -1 : (ends[low - 1] ?? -1);
    ends[low] = index;
  }
  const found: [number, number][] = [];
  for (let at = ends.at(-1) ?? -1; at >= 0; at = previous[at] ?? -1) {
    const pair = pairs[at];
    if (pair !== undefined) found.push(pair);
  }
  return found.reverse();
}
