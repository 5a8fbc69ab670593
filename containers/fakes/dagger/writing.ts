/** Changes to the files of a directory or a container, as the calls `with…` and `without…` ask for. */
import { chmod, cp, mkdir, readdir, rm, rmdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import picomatch from "picomatch";
import { z } from "zod";
import { callArgument } from "./arguments.ts";
import type { Arguments, Call } from "./call.ts";
import type { Evaluation } from "./context.ts";
import { copyContents, copyFile } from "./snapshots.ts";
import { changeOwner, ensureDirectory, type Identity, locate } from "./view.ts";

const common = z.object({
  path: z.string(),
  permissions: z.number().nullish(),
  owner: z.string().nullish(),
});
const patterns = z.object({
  include: z.array(z.string()).nullish(),
  exclude: z.array(z.string()).nullish(),
});

export interface Writer extends Evaluation {
  identity(owner: string): Promise<Identity>;
}

/** Writes below `root`, at `path` in place of the path that the call was given. */
type Write = (root: string, path: string, call: Call, writer: Writer) => Promise<void>;

async function target(root: string, path: string): Promise<string> {
  const { hostPath } = await locate({ root, mounts: [] }, path);
  await ensureDirectory(dirname(hostPath));
  return hostPath;
}

async function finish(path: string, args: Arguments, writer: Writer): Promise<void> {
  const { permissions, owner } = common.parse(args);
  if (permissions !== undefined && permissions !== null) await chmod(path, permissions);
  if (owner) await changeOwner(path, await writer.identity(owner));
}

/** The calls that write files, of directories and containers alike. */
export const WRITES: Readonly<Record<string, Write>> = {
  withNewFile: async (root, path, call, writer) => {
    const { contents } = z.object({ contents: z.string() }).parse(call.arguments);
    const file = await target(root, path);
    await rm(file, { force: true });
    await writeFile(file, contents, { mode: 0o644 });
    await finish(file, call.arguments, writer);
  },
  withFile: async (root, path, call, writer) => {
    const source = await writer.file(callArgument(call, "source"));
    const name = path.endsWith("/") ? `${path}${basename(source)}` : path;
    const file = await target(root, name);
    await rm(file, { force: true });
    await copyFile(source, file);
    await finish(file, call.arguments, writer);
  },
  withNewDirectory: async (root, path, call, writer) => {
    const directory = await target(root, path);
    await mkdir(directory, { recursive: true });
    await finish(directory, call.arguments, writer);
  },
  withDirectory: async (root, path, call, writer) => {
    const source = await writer.directory(callArgument(call, "source"));
    const directory = await target(root, path);
    await mkdir(directory, { recursive: true });
    await copyMatching(source, directory, call.arguments);
    await finish(directory, call.arguments, writer);
  },
  withoutFile: async (root, path) => {
    const { hostPath } = await locate({ root, mounts: [] }, path, false);
    await rm(hostPath, { force: true });
  },
  withoutDirectory: async (root, path) => {
    const { hostPath } = await locate({ root, mounts: [] }, path, false);
    await rm(hostPath, { recursive: true, force: true });
  },
};

/** Copies what the patterns of a call let through; without patterns, everything. */
export async function copyMatching(from: string, to: string, args: Arguments): Promise<void> {
  const { include, exclude } = patterns.parse(args);
  if (!include?.length && !exclude?.length) return copyContents(from, to);
  const isExcluded = matcher(exclude ?? []);
  const isIncluded = matcher(include ?? []);
  await cp(from, to, {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
    filter: async (source) => {
      const path = relative(from, source);
      if (path === "") return true;
      if (isExcluded(path)) return false;
      return !include?.length || isIncluded(path) || isDirectory(source);
    },
  });
  if (include?.length) await removeEmptyDirectories(to);
}

/** Matches a path by itself or by a directory that it is in, as .dockerignore does. */
function matcher(globs: readonly string[]): (path: string) => boolean {
  const matchers = globs.map((glob) => picomatch(glob.replace(/^\.?\/+|\/+$/g, ""), { dot: true }));
  return (path) => {
    const parts = path.split("/");
    return parts.some((_part, index) => {
      const prefix = parts.slice(0, index + 1).join("/");
      return matchers.some((matches) => matches(prefix));
    });
  };
}

async function isDirectory(path: string): Promise<boolean> {
  return readdir(path).then(
    () => true,
    () => false,
  );
}

async function removeEmptyDirectories(root: string): Promise<void> {
  for (const entry of await readdir(root, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = join(root, entry.name);
    await removeEmptyDirectories(path);
    if ((await readdir(path)).length === 0) await rmdir(path);
  }
}
