/** Which files of a task are its artifacts, and under which names they can be kept. */
import picomatch from "picomatch";
import { isWorkspacePath } from "./workspace-path.ts";

/** Stands in texts for bytes that are no UTF-8. */
const REPLACEMENT = "\ufffd";
const LINE_BREAK = /[\n\r\u2028\u2029]/;
const SHOWN_CHARS = 200;
const PRINTABLE = { first: 0x20, last: 0x7e } as const;
const BACKSLASH = 0x5c;

/** Matches like a shell with `globstar`, dot files included; a folder's name matches all below it. */
export function matcher(globs: readonly string[]): (path: string) => boolean {
  const patterns = globs
    .map((glob) => glob.replace(/^\.\//, "").replace(/\/+$/, ""))
    .flatMap((glob) => [glob, `${glob}/**`]);
  // Without the flag a name with a line break would match nothing.
  return picomatch(patterns, { dot: true, posix: true, flags: "s" });
}

export interface FileName {
  /** With U+FFFD for bytes that are no UTF-8. */
  readonly path: string;
  readonly isUtf8: boolean;
  /** For people: on one line, and true to its bytes. */
  readonly shown: string;
}

/** The name of a file that is known by its bytes. */
export function nameOfBytes(bytes: Uint8Array): FileName {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const path = buffer.toString("utf8");
  if (Buffer.from(path, "utf8").equals(buffer)) return { path, isUtf8: true, shown: quoted(path) };
  const shown = [...buffer].map(shownByte).join("");
  return { path, isUtf8: false, shown: `"${cut(shown)}"` };
}

/** The name of a file that is known by its text alone, in which U+FFFD stands for what is none. */
export function nameOfText(path: string): FileName {
  return { path, isUtf8: path.isWellFormed() && !path.includes(REPLACEMENT), shown: quoted(path) };
}

/** Says of a file that cannot be kept under its name what to do about it; null for any other. */
export function namingProblem({ path, isUtf8, shown }: FileName): string | null {
  if (isUtf8 && isWorkspacePath(path) && !LINE_BREAK.test(path)) return null;
  return `The artifact ${shown} cannot be kept under that name. Names of artifacts are UTF-8 without backslashes and line breaks: name it otherwise, or have the globs of "artifacts" leave it out.`;
}

const cut = (text: string) => (text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text);

/** JSON leaves two kinds of line break as they are. */
const quoted = (path: string) =>
  JSON.stringify(cut(path)).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");

function shownByte(byte: number): string {
  const isPlain = byte >= PRINTABLE.first && byte <= PRINTABLE.last && byte !== BACKSLASH;
  return isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
}
