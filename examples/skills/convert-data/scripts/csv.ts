/** CSV as RFC 4180 has it. Pure. */

export interface CsvOptions {
  readonly delimiter: string;
}

export class CsvError extends Error {
  /** `line` counts from 1. */
  constructor(message: string, line: number) {
    super(`Line ${line}: ${message}`);
    this.name = "CsvError";
  }
}

export interface CsvRecord {
  readonly fields: readonly string[];
  /** Where it begins, from 1. */
  readonly line: number;
}

/** The records of a text. A line without anything on it is none. Throws `CsvError`. */
export function readCsv(text: string, { delimiter }: CsvOptions): CsvRecord[] {
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const records: CsvRecord[] = [];
  let at = 0;
  let line = 1;
  while (at < source.length) {
    const fields: string[] = [];
    const began = { line, at };
    for (;;) {
      const field =
        source[at] === '"' ? readQuoted(source, at, line) : readPlain(source, at, delimiter, line);
      fields.push(field.text);
      line += field.lines;
      at = field.end;
      if (source[at] !== delimiter) break;
      at += 1;
    }
    const isBlank = at === began.at;
    if (source.startsWith("\r\n", at)) at += 2;
    else if (source[at] === "\n" || source[at] === "\r") at += 1;
    else if (at < source.length) {
      const message = "A quoted field ends at its quote. Write quotes inside of it twice.";
      throw new CsvError(message, line);
    }
    line += 1;
    if (!isBlank) records.push({ fields, line: began.line });
  }
  return records;
}

interface Field {
  readonly text: string;
  /** Where the field is over. */
  readonly end: number;
  /** Line breaks in it. */
  readonly lines: number;
}

function readQuoted(source: string, start: number, line: number): Field {
  let text = "";
  let from = start + 1;
  for (;;) {
    const quote = source.indexOf('"', from);
    if (quote < 0) throw new CsvError("The quote that begins here is never closed.", line);
    text += source.slice(from, quote);
    if (source[quote + 1] !== '"') {
      return { text, end: quote + 1, lines: text.split(/\r\n|\n|\r/).length - 1 };
    }
    text += '"';
    from = quote + 2;
  }
}

function readPlain(source: string, start: number, delimiter: string, line: number): Field {
  let end = start;
  for (; end < source.length; end += 1) {
    const sign = source[end];
    if (sign === delimiter || sign === "\n" || sign === "\r") break;
    if (sign === '"') {
      throw new CsvError("A field with a quote in it has to stand in quotes.", line);
    }
  }
  return { text: source.slice(start, end), end, lines: 0 };
}

export function writeCsv(
  records: readonly (readonly string[])[],
  { delimiter }: CsvOptions,
): string {
  return records.map((fields) => `${writeRecord(fields, delimiter)}\r\n`).join("");
}

function writeRecord(fields: readonly string[], delimiter: string): string {
  // A record of one empty field would be a line without anything on it.
  if (fields.length === 1 && fields[0] === "") return '""';
  return fields.map((field) => writeField(field, delimiter)).join(delimiter);
}

function writeField(field: string, delimiter: string): string {
  const isPlain = !/["\r\n\uFEFF]/.test(field) && !field.includes(delimiter);
  return isPlain ? field : `"${field.replaceAll('"', '""')}"`;
}
