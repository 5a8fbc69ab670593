/** The text of a file, with what searches of it share. */

const ASCII = /^[\0-\x7f]*$/;

export class SearchText {
  readonly text: string;
  #lower: string | null | undefined;
  #longS: boolean | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** In lower case when that keeps every offset, else null. */
  get lower(): string | null {
    if (this.#lower === undefined) {
      const lower = this.text.toLowerCase();
      // İ is the character that grows; without it each one keeps its place.
      this.#lower = lower.length === this.text.length && !this.text.includes("İ") ? lower : null;
    }
    return this.#lower;
  }

  /** It holds ſ, which folds to s though it is lower case already. */
  get hasLongS(): boolean {
    this.#longS ??= this.text.includes("ſ");
    return this.#longS;
  }
}

export function isAscii(text: string): boolean {
  return ASCII.test(text);
}
