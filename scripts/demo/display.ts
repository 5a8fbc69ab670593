/** Progress in the terminal: one line a task, redrawn; plain lines where nothing can be redrawn. */
import process from "node:process";
import { stripVTControlCharacters, styleText } from "node:util";
import { inTime } from "./words.ts";

export interface Row {
  readonly name: string;
  state: string;
  /** The latest thing that happened. */
  note: string;
  /** How long it took, or takes; undefined where that is not shown, null before it began. */
  time?: { readonly began: number; readonly took: number | null } | null;
  /** Of a matrix: the states of its items. */
  items?: readonly string[];
}

const REDRAW_MS = 50;
const NAME_WIDTH = 16;
const STATE_WIDTH = 10;
const TIME_WIDTH = 9;
/** Style of a state, and the sign that stands for an item in it. */
const STATES = {
  completed: { style: "green", sign: "■" },
  reused: { style: "blue", sign: "▣" },
  running: { style: "cyan", sign: "▶" },
  failed: { style: "red", sign: "✗" },
  cancelled: { style: "yellow", sign: "✗" },
  waiting: { style: "yellow", sign: "◌" },
  skipped: { style: "dim", sign: "–" },
  pending: { style: "dim", sign: "·" },
} as const;

const lookOf = (state: string) => Object.entries(STATES).find(([name]) => name === state)?.[1];

function paint(state: string, text: string): string {
  const look = lookOf(state);
  return look ? styleText(look.style, text) : text;
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
    if (this.#live) return;
    // A line that stays cannot tell the time of what goes on.
    const shown = row.time?.took === null ? { ...row, time: null } : row;
    console.log(lineOf(shown, Number.POSITIVE_INFINITY, (_, text) => text).trimEnd());
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#live) this.#draw();
  }

  #draw(): void {
    // One column stays free: a terminal may wrap a line that fills it.
    const width = (process.stdout.columns || 80) - 1;
    const lines = this.#rows.map((row) => lineOf(row, width, paint));
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : "";
    process.stdout.write(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join("")}`);
    this.#drawn = lines.length;
  }
}

function lineOf(row: Row, width: number, style: typeof paint): string {
  const { name, state, note, time, items = [] } = row;
  const parts = [`  ${name.padEnd(NAME_WIDTH)} `, style(state, state.padEnd(STATE_WIDTH)), " "];
  let room = width - NAME_WIDTH - STATE_WIDTH - 4;
  if (time !== undefined) {
    const shown = time ? inTime(time.took ?? Date.now() - time.began) : "";
    parts.push(`${shown.padStart(TIME_WIDTH)}  `);
    room -= TIME_WIDTH + 2;
  }
  const signs = items.slice(0, Math.max(0, room));
  parts.push(...signs.map((item) => style(item, lookOf(item)?.sign ?? "?")));
  if (signs.length > 0) parts.push(" ");
  room -= signs.length + 1;
  const text = cut(stripVTControlCharacters(note), Math.max(0, room));
  return [...parts, state === "pending" ? style(state, text) : text].join("");
}

const cut = (text: string, room: number) =>
  text.length <= room ? text : `${text.slice(0, Math.max(0, room - 1))}…`;

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
