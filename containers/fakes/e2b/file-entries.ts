/** Entries of a sandbox's file system as envd describes them. */
import type { Stats } from "node:fs";
import { lstat, stat } from "node:fs/promises";
import { basename } from "node:path";
import { withoutZeros } from "./connect-rpc.ts";
import type { Sandbox } from "./sandbox.ts";
import { DEFAULT_USER, type Location, PathError } from "./sandbox-paths.ts";

const PERMISSION_BITS = 0o777;
const LETTERS = "rwxrwxrwx";

function typeOf(stats: Stats | null): string | undefined {
  if (stats?.isFile()) return "FILE_TYPE_FILE";
  return stats?.isDirectory() ? "FILE_TYPE_DIRECTORY" : undefined;
}

/** As `-rw-r--r--`, with `d` for directories and, as Go writes it, `L` for symbolic links. */
function permissionsOf(stats: Stats): string {
  const bits = (stats.mode & PERMISSION_BITS).toString(2).padStart(LETTERS.length, "0");
  const letters = [...LETTERS].map((letter, index) => (bits[index] === "1" ? letter : "-"));
  const kind = stats.isDirectory() ? "d" : stats.isSymbolicLink() ? "L" : "-";
  return `${kind}${letters.join("")}`;
}

/** Describes what is at a place, a symbolic link as itself with its target's type and mode. */
export async function describeEntry(sandbox: Sandbox, at: Location): Promise<object> {
  const stats = await lstat(at.host).catch(() => null);
  if (!stats) throw new PathError("missing", `'${at.path}' does not exist`);
  const target = stats.isSymbolicLink() ? await sandbox.paths.follow(at.path) : null;
  const real = target ? await stat(target.host).catch(() => null) : stats;
  return withoutZeros({
    name: basename(at.path) || "/",
    type: typeOf(real),
    path: at.path,
    size: String(stats.size),
    mode: (real?.mode ?? 0) & PERMISSION_BITS,
    permissions: permissionsOf(stats),
    owner: DEFAULT_USER,
    group: DEFAULT_USER,
    modifiedTime: stats.mtime.toISOString(),
    symlinkTarget: target?.path,
    metadata: sandbox.fileMetadata.get(at.host),
  });
}
