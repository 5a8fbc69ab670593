/** Compares what two versions of a file define. */
import type { CodeSymbol } from "../languages/parsed-file.ts";

/** `body` is the same declaration with another body; `moved` is defined in another file now. */
export const SYMBOL_CHANGES = ["added", "removed", "signature", "body", "moved"] as const;
export type SymbolChangeKind = (typeof SYMBOL_CHANGES)[number];

export interface SymbolSide {
  readonly path: string;
  readonly line: number;
  readonly signature: string;
}

export interface SymbolChange {
  readonly change: SymbolChangeKind;
  readonly name: string;
  readonly kind: string;
  /** Names of what it is defined in, outermost first. */
  readonly containers: readonly string[];
  /** Null for what was added. */
  readonly before: SymbolSide | null;
  /** Null for what was removed. */
  readonly after: SymbolSide | null;
}

export interface FileSymbols {
  readonly path: string;
  readonly symbols: readonly CodeSymbol[];
  /** Null when bodies are not to be compared. */
  readonly text: string | null;
}

interface Keyed {
  readonly index: number;
  readonly symbol: CodeSymbol;
  readonly containers: readonly string[];
}

/** Changes in the order of the newer text, what was removed last; null stands for no file. */
export function diffSymbols(before: FileSymbols | null, after: FileSymbols | null): SymbolChange[] {
  const left = Map.groupBy(keyed(before), keyOf);
  const changes: { at: number; change: SymbolChange }[] = [];
  const removed: SymbolChange[] = [];
  const right = Map.groupBy(keyed(after), keyOf);
  for (const [key, members] of right) {
    const { pairs, onlyLeft, onlyRight } = match(left.get(key) ?? [], members);
    left.delete(key);
    for (const [old, now] of pairs) {
      const isSigned = old.symbol.signature === now.symbol.signature;
      if (isSigned && (before === null || after === null || sameBody(before, old, after, now))) {
        continue;
      }
      const change = isSigned ? "body" : "signature";
      changes.push({
        at: now.index,
        change: { ...named(now, change), ...sides(before, old, after, now) },
      });
    }
    for (const now of onlyRight) {
      changes.push({
        at: now.index,
        change: { ...named(now, "added"), ...sides(null, null, after, now) },
      });
    }
    for (const old of onlyLeft) {
      removed.push({ ...named(old, "removed"), ...sides(before, old, null, null) });
    }
  }
  for (const old of [...left.values()].flat()) {
    removed.push({ ...named(old, "removed"), ...sides(before, old, null, null) });
  }
  const sorted = changes.sort((a, b) => a.at - b.at).map(({ change }) => change);
  return [...sorted, ...removed.sort((a, b) => (a.before?.line ?? 0) - (b.before?.line ?? 0))];
}

/**
 * Joins what was removed from one file and added to another as it was, where nothing else could be
 * meant. Returns the changes of each file by its place in `files`.
 */
export function joinMoved(files: readonly (readonly SymbolChange[])[]): SymbolChange[][] {
  const gone = Map.groupBy(
    files.flat().filter(({ change }) => change === "removed"),
    ({ before, ...each }) => moveKey(each, before),
  );
  const come = Map.groupBy(
    files.flat().filter(({ change }) => change === "added"),
    ({ after, ...each }) => moveKey(each, after),
  );
  const moves = new Map<SymbolChange, SymbolChange>();
  for (const [key, [old, ...others]] of gone) {
    const [now, ...more] = come.get(key) ?? [];
    if (!old || !now || others.length > 0 || more.length > 0) continue;
    const moved: SymbolChange = { ...now, change: "moved", before: old.before };
    moves.set(old, moved);
    moves.set(now, moved);
  }
  return files.map((changes) => changes.map((change) => moves.get(change) ?? change));
}

function moveKey(
  { name, kind, containers }: Pick<SymbolChange, "name" | "kind" | "containers">,
  side: SymbolSide | null,
): string {
  return JSON.stringify([name, kind, containers, side?.signature]);
}

function keyed(file: FileSymbols | null): Keyed[] {
  return (file?.symbols ?? []).map((symbol, index) => ({
    ...{ index, symbol },
    containers: containersOf(file?.symbols ?? [], index),
  }));
}

const keyOf = ({ symbol, containers }: Keyed): string =>
  JSON.stringify([containers, symbol.kind, symbol.name]);

/** The names of what a symbol is defined in, outermost first. */
export function containersOf(symbols: readonly CodeSymbol[], index: number): string[] {
  const names: string[] = [];
  for (let at = symbols[index]?.container ?? null; at !== null; ) {
    const around = symbols[at];
    if (around === undefined) break;
    names.unshift(around.name);
    at = around.container;
  }
  return names;
}

/** Pairs symbols of one name: those of the same signature first, the others in their order. */
function match(before: readonly Keyed[], after: readonly Keyed[]) {
  const pairs: [Keyed, Keyed][] = [];
  const onlyLeft = [...before];
  const onlyRight: Keyed[] = [];
  for (const now of after) {
    const same = onlyLeft.findIndex(({ symbol }) => symbol.signature === now.symbol.signature);
    const [old] = same < 0 ? [] : onlyLeft.splice(same, 1);
    if (old === undefined) onlyRight.push(now);
    else pairs.push([old, now]);
  }
  while (onlyLeft.length > 0 && onlyRight.length > 0) {
    const old = onlyLeft.shift();
    const now = onlyRight.shift();
    if (old !== undefined && now !== undefined) pairs.push([old, now]);
  }
  return { pairs, onlyLeft, onlyRight };
}

/** Whether what is a symbol's own, without what is defined in it, is the same. */
function sameBody(before: FileSymbols, old: Keyed, after: FileSymbols, now: Keyed): boolean {
  if (before.text === null || after.text === null) return true;
  return (
    ownText(before.symbols, old.index, before.text) ===
    ownText(after.symbols, now.index, after.text)
  );
}

function ownText(symbols: readonly CodeSymbol[], index: number, text: string): string {
  const symbol = symbols[index];
  if (symbol === undefined) return "";
  const parts: string[] = [];
  let at = symbol.start;
  for (let child = index + 1; child < symbols.length; child += 1) {
    const inner = symbols[child];
    if (inner === undefined || inner.start >= symbol.end) break;
    if (inner.container !== index || inner.start < at) continue;
    parts.push(text.slice(at, inner.start));
    at = inner.end;
  }
  // How members are spaced is no change of what they are in.
  return [...parts, text.slice(at, symbol.end)].join(" ").replace(/\s+/g, " ");
}

function named(
  { symbol, containers }: Keyed,
  change: SymbolChangeKind,
): Pick<SymbolChange, "change" | "name" | "kind" | "containers"> {
  return { change, name: symbol.name, kind: symbol.kind, containers };
}

function sides(
  before: FileSymbols | null,
  old: Keyed | null,
  after: FileSymbols | null,
  now: Keyed | null,
): Pick<SymbolChange, "before" | "after"> {
  const side = (file: FileSymbols | null, each: Keyed | null): SymbolSide | null =>
    file === null || each === null
      ? null
      : { path: file.path, line: each.symbol.line, signature: each.symbol.signature };
  return { before: side(before, old), after: side(after, now) };
}
