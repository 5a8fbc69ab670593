/** The rules that paths keep wherever they come from: archives, manifests, trees. */
import { IntakeError } from "./errors.ts";
import type { IntakeLimits } from "./limits.ts";

type PathLimits = Pick<IntakeLimits, "maxPathBytes" | "maxPathDepth">;

const DRIVE = /^[A-Za-z]:/;
/** HFS+ ignores these in names, so that `.g\u200cit` opens `.git` there. */
const IGNORED_BY_HFS = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;
/** What Windows reads as `.git`: trailing dots and spaces, a stream name, the 8.3 short name. */
const GIT_FOLDER = /^(?:\.git|git~1)[. ]*(?::.*)?$/i;

/** Whether a part of a path would be git's own folder on some file system. */
function isGitFolder(part: string): boolean {
  return GIT_FOLDER.test(part.replace(IGNORED_BY_HFS, ""));
}

export interface PathProblem {
  readonly code: "path_unsafe" | "path_too_long";
  readonly message: string;
}

const unsafe = (message: string): PathProblem => ({ code: "path_unsafe", message });

/** What is wrong with a path and what to do, or null when it names a file below the root. */
export function pathProblem(path: string, limits: PathLimits): PathProblem | null {
  if (path === "") return unsafe("A path is empty. Name the file.");
  if (path.includes("\0") || path.includes("\\")) {
    return unsafe("A path holds a NUL or a backslash. Separate folders with a slash.");
  }
  if (path.startsWith("/") || DRIVE.test(path)) {
    return unsafe("A path is absolute. Give paths relative to the top of the codebase.");
  }
  if (!path.isWellFormed()) return unsafe("A path is no valid Unicode. Rename the file.");
  if (Buffer.byteLength(path) > limits.maxPathBytes) {
    const message = `A path is longer than ${limits.maxPathBytes} bytes. Shorten it or leave the file out.`;
    return { code: "path_too_long", message };
  }
  const parts = path.split("/");
  if (parts.length > limits.maxPathDepth) {
    const message = `A path is deeper than ${limits.maxPathDepth} folders. Leave the file out.`;
    return { code: "path_too_long", message };
  }
  for (const part of parts) {
    if (part === "" || part === "." || part === "..") {
      return unsafe('A path has an empty, "." or ".." part. Write it in its shortest form.');
    }
    if (isGitFolder(part)) {
      return unsafe('A path lies in git\'s own folder. Leave ".git" out of what is sent.');
    }
  }
  return null;
}

/** Throws IntakeError when `path` breaks a rule of `pathProblem`. */
export function checkPath(path: string, limits: PathLimits): void {
  const problem = pathProblem(path, limits);
  if (problem) throw new IntakeError(problem.code, problem.message, { path });
}

/** Oddities that are legal in git and worth telling: they confuse people or other file systems. */
export type PathNoteKind =
  | "case_collision"
  | "unicode_collision"
  | "not_normalized"
  | "hidden_characters"
  | "not_utf8";

export interface PathNote {
  readonly kind: PathNoteKind;
  /** The path it collides with. */
  readonly other: string | null;
}

const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const ASCII_LOWER = /^[\x20-\x40\x5b-\x7e]*$/;

/** Notes that can be made from a path alone. */
export function oddities(path: string): PathNote[] {
  if (ASCII_LOWER.test(path)) return [];
  const notes: PathNote[] = [];
  if (HIDDEN.test(path)) notes.push({ kind: "hidden_characters", other: null });
  if (path.normalize("NFC") !== path) notes.push({ kind: "not_normalized", other: null });
  return notes;
}

/**
 * The paths seen so far. Refuses a path that comes twice and one that lies below a file; notes those
 * that are one file where case or Unicode form does not count.
 */
export class PathTable<File> {
  readonly #files = new Map<string, File>();
  readonly #folders = new Set<string>();
  /** Name as it is where neither case nor Unicode form counts, to the first that has it. */
  readonly #folded = new Map<string, string>();

  get size(): number {
    return this.#files.size;
  }

  get(path: string): File | undefined {
    return this.#files.get(path);
  }

  addFolder(path: string): PathNote[] {
    if (this.#folders.has(path)) return [];
    if (this.#files.has(path)) throw conflict(path);
    const notes = this.#addParents(path);
    this.#folders.add(path);
    return [...notes, ...this.#collisions(path)];
  }

  addFile(path: string, file: File): PathNote[] {
    if (this.#files.has(path)) {
      throw new IntakeError("path_duplicate", "A path comes twice. Send each file once.", { path });
    }
    if (this.#folders.has(path)) throw conflict(path);
    const notes = this.#addParents(path);
    this.#files.set(path, file);
    return [...notes, ...this.#collisions(path)];
  }

  #addParents(path: string): PathNote[] {
    const slash = path.lastIndexOf("/");
    return slash < 0 ? [] : this.addFolder(path.slice(0, slash));
  }

  #collisions(path: string): PathNote[] {
    const composed = path.normalize("NFC");
    const folded = composed.toLowerCase();
    const other = this.#folded.get(folded);
    if (other === undefined) {
      this.#folded.set(folded, path);
      return [];
    }
    const sameForm = other.normalize("NFC") === composed;
    return [{ kind: sameForm ? "unicode_collision" : "case_collision", other }];
  }
}

function conflict(path: string): IntakeError {
  return new IntakeError(
    "path_conflict",
    "A path names both a file and a folder. Keep one of the two.",
    { path },
  );
}
