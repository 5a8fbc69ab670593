/** The text of a file, with what searches of it share. */

const ASCII = /^[\0-\x7f]*$/;

export class SearchText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export function isAscii(text: string): boolean {
  return ASCII.test(text);
}
