/** Progress in the terminal: one line a task, redrawn; plain lines where nothing can be redrawn. */
import process from "node:process";
import { stripVTControlCharacters, styleText } from "node:util";

export interface Row {
  readonly name: string;
  state: string;
  /** The latest thing that happened. */
  note: string;
}

const REDRAW_MS = 80;
const STYLES = new Map([
  ["completed", "green"],
  ["running", "cyan"],
  ["failed", "red"],
  ["cancelled", "yellow"],
] as const);

function paint(state: string): string {
  const style = [...STYLES].find(([name]) => name === state)?.[1];
  return style ? styleText(style, state.padEnd(10)) : state.padEnd(10);
}

export class Display {
  readonly #rows: readonly Row[];
  readonly #live = process.stdout.isTTY === true;
  #timer: NodeJS.Timeout | undefined;
  #drawn = 0;

  constructor(rows: readonly Row[]) {
    this.#rows = rows;
  }

  start(): void {
    if (this.#live) this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
  }

  /** Shows that a row has changed. */
  update(row: Row): void {
    if (!this.#live) console.log(`  ${row.name.padEnd(16)} ${row.state.padEnd(10)} ${row.note}`);
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#live) this.#draw();
  }

  #draw(): void {
    const width = process.stdout.columns || 80;
    const lines = this.#rows.map(({ name, state, note }) => {
      const room = Math.max(0, width - 30);
      return `  ${name.padEnd(16)} ${paint(state)} ${stripVTControlCharacters(note).slice(0, room)}`;
    });
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : "";
    process.stdout.write(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join("")}`);
    this.#drawn = lines.length;
  }
}

/** Lays out rows of cells under their headings. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd();
  const rule = widths.map((width) => "─".repeat(width));
  return [line(headings), line(rule), ...rows.map(line)].join("\n");
}
