/** Directories that never change once they have their place; every change makes another. */
import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, existsSync, mkdirSync } from "node:fs";
import { lstat, mkdir, readdir, readlink, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { hasCode } from "./errors.ts";

const run = promisify(execFile);

/** Copies what a directory holds into another, with owners, modes, times and links. */
export async function copyContents(from: string, to: string): Promise<void> {
  await run("cp", ["-a", "--", `${from}/.`, to]);
}

/** Copies one file as it is; the name may change. */
export async function copyFile(from: string, to: string): Promise<void> {
  await run("cp", ["-aL", "--", from, to]);
}

export class Snapshots {
  readonly directory: string;
  readonly #pending = new Map<string, Promise<string>>();

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  path(key: string): string {
    return join(this.directory, key);
  }

  /** The snapshot of this key, made by `change` on a copy of `base` when there is none yet. */
  async derive(
    key: string,
    base: string | null,
    change: (directory: string) => Promise<void>,
  ): Promise<string> {
    const path = this.path(key);
    if (existsSync(path)) return path;
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const making = this.#make(path, base, change).finally(() => this.#pending.delete(key));
    this.#pending.set(key, making);
    return making;
  }

  async #make(
    path: string,
    base: string | null,
    change: (directory: string) => Promise<void>,
  ): Promise<string> {
    const draft = `${path}.${randomUUID()}`;
    await mkdir(draft, { mode: 0o755 });
    try {
      if (base !== null) await copyContents(base, draft);
      await change(draft);
      await moveIntoPlace(draft, path);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      throw error;
    }
    return path;
  }
}

/** Renames a finished draft; when another process has put the same one there, the draft goes. */
export async function moveIntoPlace(draft: string, path: string): Promise<void> {
  try {
    await rename(draft, path);
  } catch (error) {
    if (!hasCode(error, "ENOTEMPTY") && !hasCode(error, "EEXIST")) throw error;
    await rm(draft, { recursive: true, force: true });
  }
}

/** One digest of everything a tree holds: names, modes, contents and the targets of links. */
export async function digestTree(root: string): Promise<string> {
  const hash = createHash("sha256");
  const visit = async (path: string, name: string): Promise<void> => {
    const stats = await lstat(path);
    hash.update(`${name}\0${stats.mode}\0${stats.isDirectory() ? "" : stats.size}\0`);
    if (stats.isSymbolicLink()) hash.update(await readlink(path));
    else if (stats.isFile()) for await (const chunk of createReadStream(path)) hash.update(chunk);
    else if (stats.isDirectory()) {
      for (const entry of (await readdir(path)).sort()) {
        await visit(join(path, entry), `${name}/${entry}`);
      }
    }
  };
  await visit(root, "");
  return hash.digest("hex");
}
