/** The folder of one attempt on the disk: its files, its home, and what the runner gives it. */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { cp, lstat, mkdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Files } from "../../../../workers/executors/file-set.ts";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
import { isInTree } from "../../../../workers/executors/tree-archive.ts";
import { liesIn } from "../left-files.ts";
import { makeDirectory, writeFiles } from "../write-files.ts";

export interface Workspace {
  /** Holds all of the following, and is removed with the attempt. Without links in its path. */
  readonly folder: string;
  /** Root of the task's files. */
  readonly root: string;
  /** Where the code starts. */
  readonly directory: string;
  readonly home: string;
  readonly temporary: string;
  /** What the runner and the code exchange. */
  readonly control: string;
  /** Which folders those are that the runner reads from afterwards, by path. */
  readonly identities: ReadonlyMap<string, string>;
}

/** Names one folder for good, wherever it is moved; null for what is no folder. */
async function identityOf(path: string): Promise<string | null> {
  const about = await lstat(path, { bigint: true });
  return about.isDirectory() ? `${about.dev}:${about.ino}` : null;
}

/** Makes the folder of an attempt; `directory` is relative to the workspace's root. */
export async function makeWorkspace(parent: string, directory: string): Promise<Workspace> {
  const folder = join(await realpath(parent), randomUUID());
  const root = join(folder, "workspace");
  const control = join(folder, "control");
  const home = join(folder, "home");
  const temporary = join(folder, "tmp");
  await mkdir(folder, { mode: 0o700 });
  for (const path of [root, home, temporary, control]) await mkdir(path);
  const identities = new Map<string, string>();
  for (const path of [folder, root, control]) {
    const identity = await identityOf(path);
    if (identity !== null) identities.set(path, identity);
  }
  return { folder, root, directory: join(root, directory), home, temporary, control, identities };
}

/** Writes the task's files, whose paths are checked already, and makes the working directory. */
export async function fillWorkspace(
  { root }: Workspace,
  files: Files,
  directory: string,
): Promise<void> {
  await writeFiles(root, files);
  await makeDirectory(root, directory);
}

/** A tree that is on the disk, and its folder below the workspace's root. */
export interface PlacedTree {
  readonly source: string;
  readonly path: string;
}

/**
 * Puts a tree into the workspace: with `copies` its files, which are the attempt's own then, else the
 * folder that a sandbox mounts it at. Throws AttemptFailed when the code is to start in a folder that
 * the tree does not have.
 */
export async function placeTree(
  { root }: Workspace,
  { source, path }: PlacedTree,
  directory: string,
  copies: boolean,
): Promise<void> {
  const place = join(root, path);
  await makeDirectory(root, path);
  if (!(await startsWell({ source, path }, directory))) throw noFolder(directory);
  if (!copies) return;
  // Blocks are shared where the file system can.
  const mode = constants.COPYFILE_FICLONE;
  await cp(source, place, { recursive: true, verbatimSymlinks: true, mode });
}

/** Whether the working directory is outside of the tree, or a folder that the tree has. */
export async function startsWell(
  { source, path }: PlacedTree,
  directory: string,
): Promise<boolean> {
  if (!isInTree(directory, { path })) return true;
  try {
    const below = join(source, directory.slice(path.length));
    const [inside, root] = await Promise.all([realpath(below), realpath(source)]);
    return liesIn(inside, root) && (await stat(inside)).isDirectory();
  } catch {
    return false;
  }
}

/** A working directory that the tree does not have. */
export function noFolder(directory: string): AttemptFailed {
  return new AttemptFailed(
    "error",
    "working_directory_missing",
    `The codebase has no folder "${directory}". Name another working_directory.`,
  );
}

export function workspaceReplaced(exitCode: number): AttemptFailed {
  return new AttemptFailed(
    "error",
    "workspace_replaced",
    "The code put something else in the place of its workspace or of the folder of $PIPELZR_OUTPUT, so nothing is taken from there. Leave both where they are.",
    { exit_code: exitCode },
  );
}

/**
 * Throws AttemptFailed when a folder that the runner reads from is not the one it made: through a link
 * in its place, files of the runner's could be read as the task's. One that is gone holds nothing.
 */
export async function checkWorkspace({ identities }: Workspace, exitCode: number): Promise<void> {
  for (const [path, identity] of identities) {
    let found: string | null;
    try {
      found = await identityOf(path);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") continue;
      throw error;
    }
    if (found !== identity) throw workspaceReplaced(exitCode);
  }
}
