interface Inputs {
  readonly files?: Readonly<Record<string, string>>;
  readonly diff?: string;
  readonly kinds?: readonly string[];
  readonly codebase?: string | null;
  /** How many notes are listed; all are counted. */
  readonly limit?: number;
}

interface Context {
  readonly files: { list(glob: string): string[]; read(path: string): string };
}

interface Line {
  readonly number: number;
  readonly text: string;
}

interface Todo {
  readonly path: string;
  readonly line: number;
  readonly kind: string;
  readonly owner: string | null;
  readonly text: string;
}

const KINDS = ["TODO", "FIXME", "HACK", "XXX"];
const MOUNT = "code/";
const MAX_CHARS = 1024 * 1024;
const MAX_TEXT_CHARS = 300;
const DEFAULT_LIMIT = 1_000;
/** So that a large codebase does not hold up what runs beside it. */
const FILES_PER_TURN = 200;
/** A comment begins before the word: it is no name in code, and no word of a text. */
const OPENING = String.raw`(?:\/\/|\/\*|#|--|;|%|<!--|"""|'''|^\s*\*)`;

export default async function find(inputs: Inputs, ctx: Context) {
  const { files = {}, diff = "", kinds = KINDS, codebase, limit = DEFAULT_LIMIT } = inputs;
  const todos: Todo[] = [];
  let searched = 0;
  let skipped = 0;
  const search = (path: string, text: string) => {
    if (text.length > MAX_CHARS || text.includes("\0")) {
      skipped += 1;
      return;
    }
    searched += 1;
    todos.push(...todosIn(path, linesOf(text), kinds));
  };
  for (const [path, text] of Object.entries(files)) search(path, text);
  const mounted = codebase == null ? [] : ctx.files.list(`${MOUNT}**`).sort();
  for (const [index, path] of mounted.entries()) {
    search(path.slice(MOUNT.length), ctx.files.read(path));
    if (index % FILES_PER_TURN === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  for (const [path, lines] of addedLines(diff)) {
    searched += 1;
    todos.push(...todosIn(path, lines, kinds));
  }
  const counts: Record<string, number> = {};
  for (const { kind } of todos) counts[kind] = (counts[kind] ?? 0) + 1;
  const owners = [...new Set(todos.flatMap(({ owner }) => owner ?? []))].sort();
  const total = todos.length;
  return { total, counts, owners, files: searched, skipped, todos: todos.slice(0, limit) };
}

const linesOf = (text: string): Line[] =>
  text.split(/\r?\n/).map((line, index) => ({ number: index + 1, text: line }));

function todosIn(path: string, lines: readonly Line[], kinds: readonly string[]): Todo[] {
  const words = kinds.join("|");
  const note = new RegExp(
    String.raw`${OPENING}.*?(?<![\w-])(?<kind>${words})(?![\w-])(?:\((?<in>[^)]*)\)|\s+@(?<at>[\w-]+))?\s*[:\-–—]*\s*(?<text>.*)$`,
  );
  const found: Todo[] = [];
  for (const { number, text } of lines) {
    const groups = note.exec(text)?.groups;
    if (groups === undefined) continue;
    found.push({
      path,
      line: number,
      kind: groups.kind ?? "",
      owner: (groups.in ?? groups.at ?? "").replace(/^@/, "").trim() || null,
      text: withoutClosing(groups.text ?? "").slice(0, MAX_TEXT_CHARS),
    });
  }
  return found;
}

const withoutClosing = (text: string) => text.replace(/\s*(?:\*\/|-->|"""|''')\s*$/, "").trim();

/** The lines that a unified diff adds, by the path that they are in afterwards. */
function addedLines(diff: string): Map<string, Line[]> {
  const added = new Map<string, Line[]>();
  let lines: Line[] = [];
  let number = 0;
  /** Lines of the hunk that are still to come, so that an added line `++ b/x` is no header. */
  let left = { old: 0, new: 0 };
  for (const text of diff.split(/\r?\n/)) {
    const isInHunk = left.old > 0 || left.new > 0;
    const hunk = isInHunk ? null : /^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(text);
    if (hunk) {
      left = { old: Number(hunk[1] ?? 1), new: Number(hunk[3] ?? 1) };
      number = Number(hunk[2]);
    } else if (!isInHunk) {
      const path = /^\+\+\+ (?:b\/)?([^\t]+)/.exec(text)?.[1];
      if (path === undefined) continue;
      lines = added.get(path) ?? [];
      if (path !== "/dev/null") added.set(path, lines);
    } else if (text.startsWith("+")) {
      lines.push({ number, text: text.slice(1) });
      number += 1;
      left = { ...left, new: left.new - 1 };
    } else if (text.startsWith("-")) {
      left = { ...left, old: left.old - 1 };
    } else if (!text.startsWith("\\")) {
      number += 1;
      left = { old: left.old - 1, new: left.new - 1 };
    }
  }
  return added;
}
