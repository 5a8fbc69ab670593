/** Writes the files of a task, with words for the paths that cannot be. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Files } from "../../../workers/executors/file-set.ts";
import { AttemptFailed } from "../../../workers/executors/outcome.ts";

const DEFAULT_MODE = 0o644;

export function modeOf(mode: string | undefined): number {
  return mode === undefined ? DEFAULT_MODE : Number.parseInt(mode, 8);
}

export function invalidPath(path: string, why: string): AttemptFailed {
  return new AttemptFailed("error", "file_path_invalid", `The path "${path}" ${why}.`);
}

const TWICE = "is both a file and a folder. Give each file a path of its own";
const REASONS: Readonly<Record<string, string>> = {
  EEXIST: TWICE,
  ENOTDIR: TWICE,
  EISDIR: TWICE,
  ENAMETOOLONG: "is too long. Shorten it",
  EACCES: "may not be written by the runner's user. Give it another place",
  EPERM: "may not be written by the runner's user. Give it another place",
  EINVAL: "is no name that the runner's disk can hold. Rename it",
  EILSEQ: "is no name that the runner's disk can hold. Rename it",
};

/** What the operating system says against a path of the task's, as a failure; else the error itself. */
export function notWritten(path: string, error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const why = REASONS[code];
  return why === undefined ? error : invalidPath(path, why);
}

export const bothFileAndFolder = (path: string) => invalidPath(path, TWICE);

/** Writes files, whose paths are checked already, below `root`; throws AttemptFailed. */
export async function writeFiles(root: string, files: Files): Promise<void> {
  for (const [path, { content, encoding, mode }] of Object.entries(files)) {
    const target = join(root, path);
    try {
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, content, { encoding });
      // Not by writeFile, whose mode is subject to the umask.
      await chmod(target, modeOf(mode));
    } catch (error) {
      throw notWritten(path, error);
    }
  }
}

/** Makes the working directory, `""` for the root itself; throws AttemptFailed. */
export async function makeDirectory(root: string, directory: string): Promise<void> {
  try {
    await mkdir(join(root, directory), { recursive: true });
  } catch (error) {
    throw notWritten(directory, error);
  }
}
