/**
 * Output of one dispatch on its way from the runner to the owner, pure. Entries are counted; they
 * are taken in order, once each, whatever is sent twice or is missing in between.
 */
import type { OutputEntry } from "../detached.ts";

export type Addition =
  /** Something new was taken. */
  | "added"
  /** All of it was there already. */
  | "known"
  /** Entries before it are missing: it was dropped. */
  | "gap";

export class OutputBuffer {
  /** Entries on the owner's disk. */
  #taken: number;
  /** What follows them. */
  #entries: OutputEntry[] = [];
  #chars = 0;

  constructor(taken: number) {
    this.#taken = taken;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Entries that are here or on the owner's disk, without a gap. */
  get end(): number {
    return this.#taken + this.#entries.length;
  }

  get chars(): number {
    return this.#chars;
  }

  add(from: number, entries: readonly OutputEntry[]): Addition {
    if (from > this.end) return "gap";
    const fresh = entries.slice(this.end - from);
    if (fresh.length === 0) return "known";
    for (const entry of fresh) {
      this.#entries.push(entry);
      this.#chars += entry[1].length;
    }
    return "added";
  }

  /** What to hand on next, at least one entry when there is any. */
  batch(maxChars: number): { readonly from: number; readonly entries: readonly OutputEntry[] } {
    let chars = 0;
    let count = 0;
    for (const [, text] of this.#entries) {
      if (count > 0 && chars + text.length > maxChars) break;
      chars += text.length;
      count += 1;
    }
    return { from: this.#taken, entries: this.#entries.slice(0, count) };
  }

  /**
   * The owner has `taken` entries on its disk. When it has fewer than it said before, or more than
   * was ever here, what is held follows nothing and is dropped: the runner has it.
   */
  settle(taken: number): void {
    const passed = taken - this.#taken;
    const dropped = passed < 0 || passed > this.#entries.length ? this.#entries.length : passed;
    for (const [, text] of this.#entries.splice(0, dropped)) this.#chars -= text.length;
    this.#taken = taken;
  }
}
