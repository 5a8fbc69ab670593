/**
 * Files that a task's code left. It may have put links, pipes or devices in their place, or in that of
 * a folder above them: none of it may lead to a file of the runner's, such as its key.
 */
import { constants } from "node:fs";
import { type FileHandle, open, readlink, realpath, stat } from "node:fs/promises";
import { sep } from "node:path";

/** Whether a path without links is `folder` or lies below it. */
export function liesIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}

/** Where an open file lies now, whatever its path was; null when that cannot be made sure of. */
async function placeOf(file: FileHandle, path: string): Promise<string | null> {
  try {
    return await readlink(`/proc/self/fd/${file.fd}`);
  } catch {
    // Without /proc: the path leads to this very file, or it is not known where that lies.
    const place = await realpath(path);
    const [there, here] = await Promise.all([stat(place), file.stat()]);
    return there.dev === here.dev && there.ino === here.ino ? place : null;
  }
}

/**
 * The content of a file that lies in `inside`, a folder without links in its path; `"large"` beyond
 * `limitBytes`, null for what is not there, no file, or elsewhere. A link is not followed.
 */
export async function readLeftFile(
  path: string,
  inside: string,
  limitBytes: number,
): Promise<Buffer | "large" | null> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let file: FileHandle | null = null;
  try {
    // Opening a pipe would wait for its writer otherwise.
    file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const about = await file.stat();
    const place = about.isFile() ? await placeOf(file, path) : null;
    if (place === null || !liesIn(place, inside)) return null;
    return about.size > limitBytes ? "large" : await file.readFile();
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  } finally {
    await file?.close();
  }
}

/** Nothing is there, or a link, or what cannot be opened such as a socket. */
const MISSING = new Set(["ENOENT", "ENOTDIR", "ELOOP", "EMLINK", "ENXIO", "ENODEV", "EISDIR"]);

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && MISSING.has(String(error.code));
}
