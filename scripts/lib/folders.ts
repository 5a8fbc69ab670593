/** Makes the folders that a service writes to, and says in words why one cannot be used. */
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

const CAUSES = new Map([
  ["EACCES", "this user may not write there"],
  ["EPERM", "this user may not write there"],
  ["EROFS", "its file system is read-only"],
  ["ENOTDIR", "a part of its path is a file"],
  ["EEXIST", "a part of its path is a file"],
  ["EISDIR", "a folder is in its place"],
  ["ENOENT", "no folder can be made there"],
  ["ENOSPC", "the disk is full"],
  ["EDQUOT", "the disk quota is used up"],
  ["ENAMETOOLONG", "its path is too long"],
  ["ELOOP", "its path leads back to itself"],
]);

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** What the operating system refused, in words. */
export function causeInWords(error: unknown): string {
  const known = CAUSES.get(codeOf(error));
  return known ?? (error instanceof Error ? error.message : String(error));
}

/**
 * Makes a folder and those that it lies in, one by one: Node's own way of doing so does not return
 * where a folder exists in which none can be made, as in `/proc`.
 */
export function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process may have made it in between.
    if (codeOf(error) !== "EEXIST" || !statSync(path).isDirectory()) throw error;
  }
}

/** Removes a folder with all in it; one that is not there is no error. */
export function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
}

/** Makes a folder of state when it does not exist; throws with what to do when it is of no use. */
export function ensureStateFolder(path: string): void {
  try {
    makeFolder(path);
    rmdirSync(mkdtempSync(join(path, ".written-")));
  } catch (error) {
    throw new Error(
      `The state folder ${path} cannot be written: ${causeInWords(error)}. ` +
        "Set PIPELZR_DATA_DIR to a folder that this user may write to.",
      { cause: error },
    );
  }
}
