/** The folder of one attempt on the runner's disk, and the trees that the engine makes of its files. */
import { mkdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Files } from "../../../../workers/executors/file-set.ts";
import { bothFileAndFolder, makeDirectory, modeOf, writeFiles } from "../write-files.ts";
import { ARTIFACTS_FOLDER, LEFT_FOLDER } from "./places.ts";
import type { Tree } from "./protocol.ts";

/** More or larger files than this are uploaded from the disk; they would make an unwieldy query. */
const MAX_INLINE_FILES = 32;
const MAX_INLINE_CHARS = 64 * 1024;

/** Makes the folder of the execution of this id; there are no links in its path. */
export async function makeAttemptFolder(attempts: string, id: string): Promise<string> {
  const folder = join(await realpath(attempts), id);
  await mkdir(folder, { mode: 0o700 });
  for (const name of [ARTIFACTS_FOLDER, LEFT_FOLDER]) await mkdir(join(folder, name));
  return folder;
}

/** Throws AttemptFailed for a path that is also a folder of another. */
function checkPaths(files: Files, directory: string): void {
  const paths = new Set(Object.keys(files));
  for (const path of directory === "" ? paths : [...paths, `${directory}/.`]) {
    const parts = path.split("/");
    for (let count = 1; count < parts.length; count += 1) {
      const parent = parts.slice(0, count).join("/");
      if (paths.has(parent)) throw bothFileAndFolder(parent);
    }
  }
}

/**
 * The tree of files, whose paths are checked already, with a folder `directory`, `""` for none. What
 * is many, large or binary is written below `folder` for the upload.
 */
export async function makeTree(files: Files, directory: string, folder: string): Promise<Tree> {
  checkPaths(files, directory);
  const entries = Object.entries(files);
  const chars = entries.reduce((sum, [path, { content }]) => sum + path.length + content.length, 0);
  const isText = entries.every(([, { encoding }]) => encoding === "utf8");
  if (isText && entries.length <= MAX_INLINE_FILES && chars <= MAX_INLINE_CHARS) {
    return {
      kind: "inline",
      files: entries.map(([path, { content, mode }]) => ({ path, content, mode: modeOf(mode) })),
      folders: directory === "" ? [] : [directory],
    };
  }
  await makeDirectory(folder, directory);
  await writeFiles(folder, files);
  return { kind: "host", path: folder };
}
