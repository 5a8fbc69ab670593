/**
 * Finds container paths on the host: a root directory with things mounted over it. Symbolic links are
 * followed inside the container alone, so that no path leads out of it.
 */
import { chown, lstat, mkdir, readdir, readlink } from "node:fs/promises";
import { join, posix } from "node:path";
import process from "node:process";
import { EngineError, hasCode } from "./errors.ts";

export interface MountPoint {
  readonly path: string;
  /** Where it is on the host. */
  readonly source: string;
  /** Set for what can be written to and not read back: the word for it. */
  readonly opaque?: "cache" | "tmpfs" | "secret";
}

export interface View {
  readonly root: string;
  readonly mounts: readonly MountPoint[];
}

export interface Located {
  readonly hostPath: string;
  /** Absolute, without symbolic links. */
  readonly path: string;
  readonly mount: MountPoint | null;
}

const MAX_LINKS = 40;

export function isWithin(path: string, parent: string): boolean {
  return path === parent || path.startsWith(parent === "/" ? "/" : `${parent}/`);
}

function place(view: View, path: string): Located {
  const mount =
    view.mounts
      .filter((candidate) => isWithin(path, candidate.path))
      .sort((a, b) => b.path.length - a.path.length)[0] ?? null;
  if (mount === null) return { path, mount, hostPath: join(view.root, path) };
  return { path, mount, hostPath: join(mount.source, posix.relative(mount.path, path)) };
}

/** Resolves a path, whether or not there is something at its end. */
export async function locate(view: View, path: string, followLast = true): Promise<Located> {
  const pending = parts(path);
  let resolved: string[] = [];
  let links = 0;
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part === "..") {
      resolved.pop();
      continue;
    }
    const { hostPath } = place(view, `/${[...resolved, part].join("/")}`);
    const target = pending.length > 0 || followLast ? await linkTarget(hostPath) : null;
    if (target === null) {
      resolved.push(part);
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw new EngineError(`${path}: too many levels of symbolic links`);
    if (target.startsWith("/")) resolved = [];
    pending.unshift(...parts(target));
  }
  return place(view, `/${resolved.join("/")}`);
}

function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

async function linkTarget(path: string): Promise<string | null> {
  try {
    return await readlink(path);
  } catch {
    return null;
  }
}

/** The host path of something that is there, to read it. */
export async function readable(
  view: View,
  path: string,
  kind: "file" | "directory",
): Promise<string> {
  const { hostPath, mount } = await locate(view, path);
  if (mount?.opaque === "secret") throw new EngineError(`${path}: no such file or directory`);
  if (mount?.opaque !== undefined) {
    throw new EngineError(`${path}: cannot retrieve path from ${mount.opaque}`);
  }
  const stats = await lstat(hostPath).catch((error: unknown) => {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) {
      throw new EngineError(`${path}: no such file or directory`);
    }
    throw error;
  });
  if (kind === "directory" && !stats.isDirectory()) {
    throw new EngineError(`path ${path} is a file, not a directory`);
  }
  if (kind === "file" && stats.isDirectory()) {
    throw new EngineError(`path ${path} is a directory, not a file`);
  }
  return hostPath;
}

/** Makes a directory with its parents and returns the ones that were missing, outermost first. */
export async function ensureDirectory(path: string): Promise<string[]> {
  const made: string[] = [];
  let current = path;
  while (!(await exists(current))) {
    made.unshift(current);
    current = join(current, "..");
  }
  await mkdir(path, { recursive: true, mode: 0o755 });
  return made;
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** Gives a tree to an owner; a user who is not root has nothing to give. */
export async function changeOwner(path: string, { uid, gid }: Identity): Promise<void> {
  if (process.getuid?.() !== 0) return;
  await chown(path, uid, gid);
  if (!(await lstat(path)).isDirectory()) return;
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await changeOwner(join(path, entry.name), { uid, gid });
  }
}
