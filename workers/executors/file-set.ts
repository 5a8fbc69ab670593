/** Loads the files of a task and holds their paths inside the workspace. */
import { z } from "zod";
import { AttemptFailed } from "./outcome.ts";
import type { FileSet, InlineFile, Mount, MountedTree, Work } from "./port.ts";
import { isInTree } from "./tree-archive.ts";
import { isWorkspacePath } from "./workspace-path.ts";

/** What of the blob store a stored file set needs; an R2Bucket is one. */
export interface FileSetStore {
  get(key: string): Promise<{
    text(): Promise<string>;
    arrayBuffer(): Promise<ArrayBuffer>;
    readonly body: ReadableStream<Uint8Array> | null;
  } | null>;
}

export type Files = Readonly<Record<string, InlineFile>>;

const stored = z.record(
  z.string(),
  z.object({
    content: z.string(),
    encoding: z.enum(["utf8", "base64"]),
    mode: z
      .string()
      .regex(/^0?[0-7]{3}$/)
      .exactOptional(),
  }),
);

function unsafePath(path: string): AttemptFailed {
  return new AttemptFailed(
    "error",
    "file_path_invalid",
    `"${path}" is no path inside the workspace. Give a relative path without "." and ".." parts.`,
  );
}

/** The working directory's path below the workspace root, `""` for the root; throws AttemptFailed. */
export function workingDirectory(path: string | null): string {
  if (path === null || path === ".") return "";
  if (!isWorkspacePath(path)) throw unsafePath(path);
  return path;
}

function missing(what: string): AttemptFailed {
  return new AttemptFailed(
    "error",
    "files_missing",
    `The task's stored files ${what}. Create the task again with its files.`,
  );
}

/** Null for what is not JSON, which the schema refuses like any other shape. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function loadStored(key: string, store: FileSetStore): Promise<Files> {
  const object = await store.get(key);
  if (object === null) throw missing("are no longer there");
  const parsed = stored.safeParse(parseJson(await object.text()));
  if (!parsed.success) throw missing("cannot be read");
  return parsed.data;
}

/** The object behind a mount; throws AttemptFailed when it is gone or belongs outside. */
export async function openMount<T>(
  { path, key }: Mount,
  store: { get(key: string): Promise<T | null> },
): Promise<T> {
  if (!isWorkspacePath(path)) throw unsafePath(path);
  const object = await store.get(key);
  if (object !== null) return object;
  throw new AttemptFailed(
    "error",
    "artifact_missing",
    `The file that belongs at "${path}" is no longer kept. Run the step that makes it again.`,
  );
}

/** The files by path, from the run's row and the blob store; throws AttemptFailed. */
export async function loadFiles(
  { files: set, mounts }: { readonly files: FileSet; readonly mounts: readonly Mount[] },
  store: FileSetStore,
): Promise<Files> {
  const files = set.kind === "inline" ? set.entries : await loadStored(set.key, store);
  for (const path in files) if (!isWorkspacePath(path)) throw unsafePath(path);
  if (mounts.length === 0) return files;
  const all: Record<string, InlineFile> = { ...files };
  for (const mount of mounts) {
    const object = await openMount(mount, store);
    const content = Buffer.from(await object.arrayBuffer()).toString("base64");
    all[mount.path] = { content, encoding: "base64" };
  }
  return all;
}

/**
 * Throws AttemptFailed when the folder of a tree is none of the workspace, or something else is to
 * stand in it.
 */
export function checkTree(
  { path }: MountedTree,
  files: Files,
  mounts: readonly Pick<Mount, "path">[],
): void {
  if (!isWorkspacePath(path)) throw unsafePath(path);
  const others = [...Object.keys(files), ...mounts.map((mount) => mount.path)];
  const other = others.find((file) => isInTree(file, { path }) || path.startsWith(`${file}/`));
  if (other === undefined) return;
  throw new AttemptFailed(
    "error",
    "file_path_invalid",
    `"${other}" stands in the way of the codebase at "${path}". Put the file, or the codebase, at another path.`,
  );
}

/** The archive of a tree, gzipped; throws AttemptFailed when it is gone. */
export async function openTree(
  { path, key }: MountedTree,
  store: FileSetStore,
): Promise<ReadableStream<Uint8Array>> {
  const body = (await store.get(key))?.body ?? null;
  if (body !== null) return body;
  throw new AttemptFailed(
    "error",
    "tree_missing",
    `The codebase that belongs at "${path}" is no longer kept. Retry, and if it repeats, push it again and name the new snapshot.`,
  );
}

/** Whether the working directory is of the tree, so that it cannot be made. */
export function startsInTree({ working_directory, tree }: Work): boolean {
  return working_directory !== null && isInTree(working_directory, tree);
}
