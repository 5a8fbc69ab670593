/** The folder of one attempt on the disk: its files, its home, and what the runner gives it. */
import { randomUUID } from "node:crypto";
import { chmod, lstat, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Files } from "../../../../workers/executors/file-set.ts";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";

const DEFAULT_MODE = 0o644;

export interface Workspace {
  /** Holds all of the following, and is removed with the attempt. */
  readonly folder: string;
  /** Root of the task's files. */
  readonly root: string;
  /** Where the code starts. */
  readonly directory: string;
  readonly home: string;
  readonly temporary: string;
  /** What the runner and the code exchange. */
  readonly control: string;
}

/** Makes the folder of an attempt; `directory` is relative to the workspace's root. */
export async function makeWorkspace(parent: string, directory: string): Promise<Workspace> {
  const folder = join(parent, randomUUID());
  const root = join(folder, "workspace");
  const workspace = {
    folder,
    root,
    directory: join(root, directory),
    home: join(folder, "home"),
    temporary: join(folder, "tmp"),
    control: join(folder, "control"),
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const path of [root, workspace.home, workspace.temporary, workspace.control]) {
    await mkdir(path);
  }
  return workspace;
}

/** Writes the task's files, whose paths are checked already, and makes the working directory. */
export async function fillWorkspace(workspace: Workspace, files: Files): Promise<void> {
  for (const [path, { content, encoding, mode }] of Object.entries(files)) {
    const target = join(workspace.root, path);
    try {
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, content, { encoding });
      // Not by writeFile, whose mode is subject to the umask.
      await chmod(target, mode === undefined ? DEFAULT_MODE : Number.parseInt(mode, 8));
    } catch (error) {
      throw notWritten(path, error);
    }
  }
  try {
    await mkdir(workspace.directory, { recursive: true });
  } catch (error) {
    throw notWritten("working_directory", error);
  }
}

const TWICE = new Set(["EEXIST", "ENOTDIR", "EISDIR"]);

function notWritten(path: string, error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (typeof code !== "string" || !(TWICE.has(code) || code === "ENAMETOOLONG")) return error;
  const why = TWICE.has(code) ? "is both a file and a folder" : "is too long";
  return new AttemptFailed(
    "error",
    "file_path_invalid",
    `The path "${path}" ${why}. Give each file a path of its own.`,
  );
}

/** Removes a folder, also where the code took the permissions away that this needs. */
export async function removeTree(path: string): Promise<void> {
  const remove = () => rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 20 });
  try {
    await remove();
  } catch {
    await allowAll(path);
    await remove();
  }
}

async function allowAll(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path)) {
    const inner = join(path, entry);
    if ((await lstat(inner)).isDirectory()) await allowAll(inner);
  }
}
