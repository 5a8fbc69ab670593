/**
 * The files that a session has written: they shadow those of the codebase that it works on, which is
 * itself never changed.
 */
import { z } from "zod";
import { isWorkspacePath } from "../../executors/workspace-path.ts";
import type { FileChange } from "./patch.ts";

export const MAX_FILES = 2_000;
export const MAX_FILE_BYTES = 1024 * 1024;
export const MAX_TOTAL_BYTES = 32 * 1024 * 1024;
/** Commands that are remembered, so that one that is repeated after a crash changes nothing. */
const MAX_REMEMBERED = 100;

const fileSchema = z.object({ sha256: z.string(), bytes: z.int() });
export type OverlayFile = z.output<typeof fileSchema>;

export const overlaySchema = z.object({
  format: z.literal(1),
  /** By path; null hides a file of the codebase. */
  files: z.record(z.string(), fileSchema.nullable()),
  /** Keys of the newest commands that changed it, the newest last. */
  done: z.array(z.string()),
});
export type Overlay = z.output<typeof overlaySchema>;

export const EMPTY: Overlay = { format: 1, files: {}, done: [] };

export interface StoredChange {
  readonly path: string;
  /** Null for a file that is deleted. */
  readonly file: OverlayFile | null;
}

export function withChanges(
  overlay: Overlay,
  key: string,
  changes: readonly StoredChange[],
): Overlay {
  const files = { ...overlay.files };
  for (const { path, file } of changes) files[path] = file;
  return { ...overlay, files, done: [...overlay.done, key].slice(-MAX_REMEMBERED) };
}

/** Why an overlay cannot be kept; null when it can. */
export function overlayProblem({ files }: Overlay): string | null {
  const kept = Object.values(files).filter((file) => file !== null);
  if (Object.keys(files).length > MAX_FILES) {
    return `A session changes at most ${MAX_FILES} files. Change fewer, or start another session.`;
  }
  const bytes = kept.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes <= MAX_TOTAL_BYTES) return null;
  return `The files of a session hold at most ${MAX_TOTAL_BYTES} bytes together. Delete some, or write less.`;
}

/** Why a change cannot be made; null when it can. */
export function changeProblem({ path, content }: FileChange): string | null {
  if (!isWorkspacePath(path) || path === "__proto__") {
    return 'Give a path relative to the top of the codebase, without "." and ".." parts.';
  }
  if (content === null || Buffer.byteLength(content) <= MAX_FILE_BYTES) return null;
  return `A file holds at most ${MAX_FILE_BYTES} bytes. Split it.`;
}

/** Paths where a file is, and what is below a folder; `""` is all. In the order of their paths. */
export function filesBelow(overlay: Overlay, folder: string) {
  const prefix = folder === "" ? "" : `${folder}/`;
  return Object.entries(overlay.files)
    .filter(([path]) => path.startsWith(prefix))
    .flatMap(([path, file]) => (file === null ? [] : [{ path, bytes: file.bytes }]))
    .sort((left, right) => (left.path < right.path ? -1 : 1));
}

/** Null for one that is deleted, undefined for one that the session has not touched. */
export function fileAt({ files }: Overlay, path: string): OverlayFile | null | undefined {
  return Object.hasOwn(files, path) ? files[path] : undefined;
}

export function isShadowed(overlay: Overlay, path: string): boolean {
  return fileAt(overlay, path) !== undefined;
}
