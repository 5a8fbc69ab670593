/** The fields that read directories and files, or export them to the host. */
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { basename, dirname, join, posix, resolve } from "node:path";
import picomatch from "picomatch";
import { z } from "zod";
import type { Arguments } from "./call.ts";
import { EngineError } from "./errors.ts";
import { directoryPath, filePath } from "./evaluate.ts";
import type { Fields } from "./fields.ts";
import { copyContents, copyFile, digestTree } from "./snapshots.ts";
import { isThere, readable, type View } from "./view.ts";

const MAX_CONTENTS_BYTES = 128 * 1_024 * 1_024;

/** Directories are told from files by a slash at the end. */
async function withSlash(root: string, path: string): Promise<string> {
  return (await stat(join(root, path)).catch(() => null))?.isDirectory() ? `${path}/` : path;
}

const existsOptions = z.object({
  path: z.string(),
  expectedType: z.enum(["REGULAR_TYPE", "DIRECTORY_TYPE", "SYMLINK_TYPE"]).nullish(),
  doNotFollowSymlinks: z.boolean().nullish(),
});

/** Answers `exists` for a path that begins at `workdir`. */
export function existsIn(view: View, args: Arguments, workdir: string): Promise<boolean> {
  const { path, expectedType, doNotFollowSymlinks } = existsOptions.parse(args);
  const absolute = posix.resolve(workdir, path);
  return isThere(view, absolute, expectedType ?? null, doNotFollowSymlinks !== true);
}

export const DIRECTORY_READS: Fields = {
  sync: async (call, _args, context) => {
    await directoryPath(call, context);
    return context.engine.calls.idOf(call);
  },
  entries: async (call, args, context) => {
    const { path } = z.object({ path: z.string().nullish() }).parse(args);
    const root = await directoryPath(call, context);
    const directory = await readable({ root, mounts: [] }, path ?? "/", "directory");
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
  },
  glob: async (call, args, context) => {
    const { pattern } = z.object({ pattern: z.string() }).parse(args);
    const root = await directoryPath(call, context);
    // Names that begin with a dot, or hold a line break, are like any other.
    const isMatch = picomatch(pattern, { dot: true, flags: "s" });
    const paths = (await readdir(root, { recursive: true })).filter((path) => isMatch(path));
    return (await Promise.all(paths.map((path) => withSlash(root, path)))).sort();
  },
  exists: async (call, args, context) =>
    existsIn({ root: await directoryPath(call, context), mounts: [] }, args, "/"),
  digest: async (call, _args, context) =>
    `sha256:${await digestTree(await directoryPath(call, context))}`,
  export: async (call, args, context) => {
    const parsed = z.object({ path: z.string(), wipe: z.boolean().nullish() }).parse(args);
    const path = resolve(context.session.hostDirectory, parsed.path);
    const source = await directoryPath(call, context);
    if (parsed.wipe) await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true });
    await copyContents(source, path);
    return path;
  },
};

export const FILE_READS: Fields = {
  sync: async (call, _args, context) => {
    await filePath(call, context);
    return context.engine.calls.idOf(call);
  },
  name: (call) => basename(String(call.arguments.path ?? call.arguments.name)),
  size: async (call, _args, context) => (await stat(await filePath(call, context))).size,
  contents: async (call, args, context) => {
    const { offsetLines, limitLines } = z
      .object({ offsetLines: z.number().nullish(), limitLines: z.number().nullish() })
      .parse(args);
    const path = await filePath(call, context);
    const { size } = await stat(path);
    if (size > MAX_CONTENTS_BYTES) {
      throw new EngineError(`file size ${size} exceeds limit ${MAX_CONTENTS_BYTES}`);
    }
    const text = await readFile(path, "utf8");
    if (!offsetLines && !limitLines) return text;
    const from = offsetLines ?? 0;
    const lines = text.split(/(?<=\n)/);
    return lines.slice(from, limitLines ? from + limitLines : undefined).join("");
  },
  export: async (call, args, context) => {
    const parsed = z
      .object({ path: z.string(), allowParentDirPath: z.boolean().nullish() })
      .parse(args);
    const source = await filePath(call, context);
    const path = resolve(context.session.hostDirectory, parsed.path);
    const isFolder = (await stat(path).catch(() => null))?.isDirectory() ?? false;
    if (isFolder && !parsed.allowParentDirPath) {
      throw new EngineError(
        `destination ${JSON.stringify(parsed.path)} is a directory; must be a file path unless allowParentDirPath is set`,
      );
    }
    const file = isFolder ? join(path, basename(source)) : path;
    await mkdir(dirname(file), { recursive: true });
    await copyFile(source, file);
    return path;
  },
};
