/** Files given with a task: their wire shape, their limits, and where they are kept. */
import { z } from "@hono/zod-openapi";
import type { FileSet, InlineFile } from "../executors/port.ts";
import { sha256 } from "../security/hash.ts";

/** Sets up to this size travel in the task's row; larger ones go to the blob store. */
export const MAX_INLINE_FILES_BYTES = 64 * 1024;
const MAX_FILES = 5_000;
const MAX_PATH_CHARS = 400;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const contentSchema = z.union([
  z.string(),
  z.strictObject({
    content: z.string(),
    encoding: z.enum(["utf8", "base64"]).default("utf8"),
    mode: z
      .string()
      .regex(/^0?[0-7]{3}$/, "Write the mode in octal, such as 0755.")
      .optional(),
  }),
]);

/** Files by path, as they are sent. */
export const fileRecordSchema = z
  .record(z.string(), contentSchema)
  .superRefine((files, context) => {
    const paths = Object.keys(files);
    if (paths.length > MAX_FILES) {
      context.addIssue({ code: "custom", message: `At most ${MAX_FILES} files go with a task.` });
    }
    const folders = new Set(paths.flatMap(foldersOf));
    for (const path of paths) {
      const message = problemWith(path, files[path], folders);
      if (message) context.addIssue({ code: "custom", path: [path], message });
    }
  })
  .openapi({
    type: "object",
    description: "Path to content: text, or `{content, encoding: utf8|base64, mode}`.",
    example: { "data/words.txt": "one\ntwo\n" },
  });

export const filesSchema = fileRecordSchema.transform(
  (files) => new Map(Object.entries(files).map(([path, file]) => [path, toFile(file)])),
);

export type Files = z.output<typeof filesSchema>;

export interface FileEntry {
  readonly path: string;
  readonly bytes: number;
}

/** What a task keeps of its files: the set for executors, and the listing for people. */
export interface KeptFiles {
  readonly set: FileSet;
  readonly entries: readonly FileEntry[];
}

/** Where large sets are put; the blob store is one. */
export interface FileStore {
  put(key: string, json: string): Promise<unknown>;
}

export const NO_FILES: KeptFiles = { set: { kind: "inline", entries: {} }, entries: [] };

/** Decides where files are kept; a large set is put into the blob store under `keyOf(sha256)`. */
export async function keepFiles(
  files: Files,
  blobs: FileStore,
  keyOf: (sha256: string) => string,
): Promise<KeptFiles> {
  if (files.size === 0) return NO_FILES;
  const entries = [...files].map(([path, file]) => ({ path, bytes: sizeOf(file) }));
  const inline = Object.fromEntries(files);
  const json = JSON.stringify(inline);
  if (json.length <= MAX_INLINE_FILES_BYTES)
    return { set: { kind: "inline", entries: inline }, entries };
  const key = keyOf(sha256(json));
  await blobs.put(key, json);
  return { set: { kind: "stored", key, bytes: json.length }, entries };
}

/** A file as executors take it. */
export function toFile(file: z.output<typeof contentSchema>): InlineFile {
  if (typeof file === "string") return { content: file, encoding: "utf8" };
  const { mode, ...rest } = file;
  return mode === undefined ? rest : { ...rest, mode };
}

function sizeOf(file: InlineFile): number {
  return Buffer.byteLength(file.content, file.encoding);
}

function foldersOf(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}

function problemWith(
  path: string,
  file: z.output<typeof contentSchema> | undefined,
  folders: ReadonlySet<string>,
): string | null {
  if (path.length === 0 || path.length > MAX_PATH_CHARS) {
    return `A path is 1 to ${MAX_PATH_CHARS} characters long.`;
  }
  if (path.startsWith("/"))
    return "Paths are relative to the workspace: leave out the leading slash.";
  if (path.includes("\0") || path.includes("\\")) return "A path holds no NUL and no backslash.";
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    return 'A path has no empty, "." or ".." parts.';
  }
  if (folders.has(path)) return "Another file lies under this path, so it must be a folder.";
  if (typeof file === "object" && file.encoding === "base64" && !BASE64.test(file.content)) {
    return "The content is not base64.";
  }
  return null;
}
