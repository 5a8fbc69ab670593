/** Removes what attempts leave on the disk, however it looks. */
import { execFile } from "node:child_process";
import { chmod, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const remove = (path: string) =>
  rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 20 });

/**
 * Removes a folder, also where the code took the permissions away that this needs, or made the tree
 * deeper than a path can be long. Links are removed, not followed.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await remove(path);
    return;
  } catch {
    // Permissions, or depth.
  }
  try {
    await allowAll(path);
    await remove(path);
    return;
  } catch {
    // Depth: Node names every file by its whole path, which the kernel takes up to 4096 bytes.
  }
  // These tools walk a tree folder by folder.
  await run("chmod", ["-R", "u+rwx", "--", path]).catch(() => undefined);
  await run("rm", ["-rf", "--", path]);
}

async function allowAll(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await chmod(path, 0o700);
  for (const entry of await readdir(path)) await allowAll(join(path, entry));
}
