/** Aho-Corasick over UTF-16 code units: finds every pattern in one pass over the text. Pure. */

/** The state before any text. */
export const ROOT = 0;
const NONE = 0;
const ASCII = 128;

/** Patterns in order, and the nodes that their trie takes: those with one beginning share it. */
export interface Plan {
  readonly patterns: readonly string[];
  readonly nodes: number;
}

/** Measures before anything is allocated. `patterns` are distinct and not empty. */
export function planOf(patterns: Iterable<string>): Plan {
  const sorted = [...patterns].sort();
  let nodes = 1;
  let before = "";
  for (const pattern of sorted) {
    nodes += pattern.length - sharedLength(before, pattern);
    before = pattern;
  }
  return { patterns: sorted, nodes };
}

function sharedLength(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  let length = 0;
  while (length < end && a.charCodeAt(length) === b.charCodeAt(length)) length += 1;
  return length;
}

/**
 * A trie in typed arrays (22 bytes a node), children as sibling lists, since nearly every node of
 * long patterns has one child. Node 0 is the root; as it is nobody's child, 0 also means "none".
 */
export class Automaton {
  readonly #code: Uint16Array;
  readonly #child: Int32Array;
  readonly #sibling: Int32Array;
  readonly #fail: Int32Array;
  readonly #depth: Int32Array;
  readonly #longest: Int32Array;
  /** The root's children, looked up for nearly every character of ordinary text. */
  readonly #rootAscii = new Int32Array(ASCII);
  readonly #rootOther = new Map<number, number>();
  #size = 1;

  constructor({ patterns, nodes: capacity }: Plan) {
    this.#code = new Uint16Array(capacity);
    this.#child = new Int32Array(capacity);
    this.#sibling = new Int32Array(capacity);
    this.#fail = new Int32Array(capacity);
    this.#depth = new Int32Array(capacity);
    this.#longest = new Int32Array(capacity);
    for (const pattern of patterns) this.#insert(pattern);
    this.#link();
  }

  /** The state after `code` is read in state `node`. */
  step(node: number, code: number): number {
    let from = node;
    for (;;) {
      const next = this.#childOf(from, code);
      if (next !== NONE || from === ROOT) return next;
      from = this.#fail[from] ?? ROOT;
    }
  }

  /** The length of the longest pattern that ends at this state; 0 if none does. */
  matchLength(node: number): number {
    return this.#longest[node] ?? 0;
  }

  /** The length of the longest suffix read so far that a longer pattern starts with. */
  pendingLength(node: number): number {
    let at = node;
    while (at !== ROOT && this.#child[at] === NONE) at = this.#fail[at] ?? ROOT;
    return this.#depth[at] ?? 0;
  }

  /** Whether any pattern occurs in `text`. */
  occursIn(text: string): boolean {
    let state = ROOT;
    for (let at = 0; at < text.length; at += 1) {
      state = this.step(state, text.charCodeAt(at));
      if (this.matchLength(state) > 0) return true;
    }
    return false;
  }

  #childOf(node: number, code: number): number {
    if (node === ROOT) {
      return code < ASCII ? (this.#rootAscii[code] ?? NONE) : (this.#rootOther.get(code) ?? NONE);
    }
    let child = this.#child[node] ?? NONE;
    while (child !== NONE && this.#code[child] !== code) child = this.#sibling[child] ?? NONE;
    return child;
  }

  #insert(pattern: string): void {
    let node = ROOT;
    for (let at = 0; at < pattern.length; at += 1) {
      const code = pattern.charCodeAt(at);
      node = this.#childOf(node, code) || this.#add(node, code);
    }
    this.#longest[node] = pattern.length;
  }

  #add(parent: number, code: number): number {
    const node = this.#size;
    this.#size += 1;
    this.#code[node] = code;
    this.#depth[node] = (this.#depth[parent] ?? 0) + 1;
    this.#sibling[node] = this.#child[parent] ?? NONE;
    this.#child[parent] = node;
    if (parent === ROOT) {
      if (code < ASCII) this.#rootAscii[code] = node;
      else this.#rootOther.set(code, node);
    }
    return node;
  }

  /** Breadth first, so that the state a node falls back to, always shallower, is complete. */
  #link(): void {
    const queue = new Int32Array(this.#size);
    let end = 1;
    for (let head = 0; head < end; head += 1) {
      const node = queue[head] ?? ROOT;
      let child = this.#child[node] ?? NONE;
      while (child !== NONE) {
        const fail =
          node === ROOT ? ROOT : this.step(this.#fail[node] ?? ROOT, this.#code[child] ?? 0);
        this.#fail[child] = fail;
        if (this.#longest[child] === 0) this.#longest[child] = this.#longest[fail] ?? 0;
        queue[end] = child;
        end += 1;
        child = this.#sibling[child] ?? NONE;
      }
    }
  }
}
