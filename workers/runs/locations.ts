/**
 * Places in source files that a failure names, in the ways that languages and their tools write them.
 * They are guesses until the codebase says which of the paths it has.
 */

/** Lines of the tree that a failed attempt points to. */
export interface Location {
  /** In the codebase. */
  readonly path: string;
  readonly line: number;
  readonly column: number | null;
  /** Number of the snapshot. */
  readonly snapshot: number;
  /** Of the file's content. */
  readonly url: string;
}

export interface Mention {
  /** As it is written; of a Java class `*` and the folders of its package. */
  readonly path: string;
  readonly line: number;
  readonly column: number | null;
}

export const MAX_LOCATIONS = 20;
/** Looked at beyond those: most frames of a stack are not of the codebase. */
const MAX_MENTIONS = 200;
const MAX_LINE_CHARS = 1_000;
const MAX_PATH_CHARS = 1_024;
/** Ends of a path that are tried: the code may have been copied to elsewhere before it ran. */
const MAX_ENDS = 8;

/** `File "a/b.py", line 3, in f`, of Python. */
const PYTHON = /\bFile "([^"]+)", line (\d+)/g;
/** `at com.shop.Cart.total(Cart.java:12)`, of the JVM's languages. */
const JVM =
  /\bat (?:[\w.-]+\/+)*([\w$.]+)\.[\w$<>]+\(([\w$-]+\.(?:java|kt|kts|scala|groovy|clj)):(\d+)\)/g;
/** `in /a/b.php on line 3`, and `in C:\a.cs:line 3`. */
const IN_LINE = /\bin ([^\s:()]+\.\w+)(?: on line |:line )(\d+)/g;
/** `src/a.ts(3,5): error TS2304`, of TypeScript and Microsoft's compilers. */
const PARENTHESES = /(?:^|\s)([^\s()'"]+\.\w+)\((\d+)(?:,(\d+))?\)\s*:/g;
/** `(/a path/b.js:3:5)`, of JavaScript, the only one whose paths may have spaces. */
const ENCLOSED = /\((?:file:\/\/)?(\/[^()]*\.\w+):(\d+)(?::(\d+))?\)/g;
/** `path:line` and `path:line:column`, of nearly everything else. */
const COLONS =
  /(?<![^\s:()[\]{}'"<>=,;|])(?:file:\/\/)?([^\s:()[\]{}'"<>=,;|]*\.\w+):(\d+)(?::(\d+))?/g;

/** What a text names, in its order, each place once. */
export function findMentions(text: string): Mention[] {
  const found = new Map<string, Mention>();
  for (const line of text.split("\n")) {
    if (line.length > MAX_LINE_CHARS) continue;
    for (const mention of mentionsOf(line)) {
      const { path, line: number, column } = mention;
      if (path.length > MAX_PATH_CHARS || number < 1) continue;
      found.set(`${path}:${number}:${column}`, mention);
      if (found.size === MAX_MENTIONS) return [...found.values()];
    }
  }
  return [...found.values()];
}

function* mentionsOf(line: string): Generator<Mention> {
  for (const [, path = "", at] of line.matchAll(PYTHON)) yield mention(path, at);
  for (const [, path = "", at] of line.matchAll(IN_LINE)) yield mention(path, at);
  for (const [, path = "", at, column] of line.matchAll(PARENTHESES)) {
    yield mention(path, at, column);
  }
  let isJvm = false;
  for (const [, type = "", file = "", at] of line.matchAll(JVM)) {
    isJvm = true;
    const folders = type.split(".").slice(0, -1);
    yield mention(["*", ...folders, file].join("/"), at);
  }
  if (isJvm) return;
  for (const [, path = "", at, column] of line.matchAll(ENCLOSED)) yield mention(path, at, column);
  for (const [, path = "", at, column] of line.matchAll(COLONS)) yield mention(path, at, column);
}

function mention(path: string, line = "0", column?: string): Mention {
  const bare = path.replace(/^file:\/\//, "").replace(/^webpack:\/\/[^/]*\//, "");
  return {
    path: bare.replaceAll("\\", "/"),
    line: Number(line),
    column: column === undefined ? null : Number(column),
  };
}

/** Where a tree stood while the code ran: its folder, and where the code was, of the workspace. */
export interface Stand {
  readonly path: string;
  readonly working_directory: string | null;
}

/**
 * Paths of the tree that a mention may mean, the likeliest first; one that begins with a star may be
 * the end of a path.
 */
export function candidatesOf(path: string, { path: tree, working_directory }: Stand): string[] {
  if (path.startsWith("*/")) return [path];
  const parts = normalised(path);
  if (parts === null) return [];
  const plain = parts.join("/");
  const found: string[] = [];
  const mark = `/${tree}/`;
  const at = `/${plain}`.lastIndexOf(mark);
  if (at >= 0) found.push(`/${plain}`.slice(at + mark.length));
  if (!path.startsWith("/")) {
    const directory = working_directory ?? "";
    if (directory.startsWith(`${tree}/`))
      found.push(`${directory.slice(tree.length + 1)}/${plain}`);
    found.push(plain);
  }
  // The last name alone is too little to go by, unless that is all that was said.
  const ends = parts.map((_, index) => parts.slice(index)).filter(({ length }) => length > 1);
  found.push(...ends.slice(-MAX_ENDS).map((end) => end.join("/")));
  return [...new Set(found)];
}

/** Null for a path that leads out of where it begins, or into what is installed beside the code. */
function normalised(path: string): string[] | null {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  return parts.includes("node_modules") || parts.includes("site-packages") ? null : parts;
}

/** The mentions that are of the tree; `known` maps candidates to the paths that the tree has. */
export function locationsOf(
  mentions: readonly Mention[],
  stand: Stand,
  known: Readonly<Record<string, string>>,
  urlOf: (path: string, line: number) => { readonly path: string; readonly url: string },
  snapshot: number,
): Location[] {
  const found = new Map<string, Location>();
  for (const { path: written, line, column } of mentions) {
    const candidate = candidatesOf(written, stand).find((each) => Object.hasOwn(known, each));
    const file = candidate === undefined ? undefined : known[candidate];
    if (file === undefined) continue;
    const key = `${file}:${line}`;
    const before = found.get(key);
    if (before && (before.column !== null || column === null)) continue;
    found.set(key, { ...urlOf(file, line), line, column, snapshot });
    if (found.size === MAX_LOCATIONS) break;
  }
  return [...found.values()];
}
