/** Offsets of the lines of a text, for turning offsets into positions without walking the text. */
export class Lines {
  readonly text: string;
  readonly #starts: number[] = [0];

  constructor(text: string) {
    this.text = text;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
      this.#starts.push(at + 1);
    }
  }

  get count(): number {
    return this.#starts.length;
  }

  /** The line, from 0, that an offset lies in. */
  rowOf(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  startOf(row: number): number {
    return this.#starts[row] ?? this.text.length;
  }

  /** The text of a line without its end; bounded, since a line can be the whole file. */
  line(row: number, maxChars = 1_000): string {
    const start = this.startOf(row);
    const end = Math.min(this.startOf(row + 1), start + maxChars);
    return this.text.slice(start, end).replace(/\r?\n$/, "");
  }
}
