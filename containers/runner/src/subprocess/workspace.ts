/** The folder of one attempt on the disk: its files, its home, and what the runner gives it. */
import { randomUUID } from "node:crypto";
import { lstat, mkdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Files } from "../../../../workers/executors/file-set.ts";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
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
