/** Keeps the files that a task's artifact globs match: from the sandbox into the blob store. */
import { matcher, namingProblem } from "../artifact-path.ts";
import { ArtifactsTooLarge } from "../attempt-output.ts";
import type { AttemptOwner, DetachedRef } from "../detached.ts";
import { AttemptFailed } from "../outcome.ts";
import { MAX_ARTIFACT_BYTES, type MountedTree } from "../port.ts";
import { isInTree } from "../tree-archive.ts";
import { type BlobWriter, copyFile, FileChanged } from "./artifact-copy.ts";
import { SCRIPT_NAME } from "./node-harness.ts";
import type { OutputLog } from "./output-log.ts";
import type { RemoteFile, RemoteProgram } from "./remote.ts";
import type { StoredArtifact } from "./store.ts";

export interface Keeping {
  readonly program: RemoteProgram;
  readonly log: OutputLog;
  readonly owner: AttemptOwner;
  readonly ref: DetachedRef;
  readonly blobs: BlobWriter;
  /** The task's working directory, and its globs. */
  readonly directory: string;
  readonly globs: readonly string[];
  /** What was mounted, and is not kept. */
  readonly tree: MountedTree | null;
  /** What was kept before a reset, by shown path. */
  readonly kept: ReadonlySet<string>;
  /** Nothing is kept any more from its abort on. */
  readonly signal: AbortSignal;
  /** Remembers a kept file; the next is begun after. */
  remember(artifact: Omit<StoredArtifact, "number">): void;
}

/** Thrown when the owner does not want the dispatch any more. */
export class NotWanted extends Error {
  override readonly name = "NotWanted";
}

/** The files that the globs match, in the order of their paths. */
function matches(
  { globs, tree, directory }: Pick<Keeping, "globs" | "tree" | "directory">,
  files: readonly RemoteFile[],
): RemoteFile[] {
  const isMatch = matcher(globs);
  const isMounted = (path: string) =>
    isInTree(directory === "" ? path : `${directory}/${path}`, tree);
  return files
    .filter(({ name: { path } }) => path !== SCRIPT_NAME && isMatch(path) && !isMounted(path))
    .sort((a, b) => (a.name.path < b.name.path ? -1 : 1));
}

function changed(path: string, why: string): AttemptFailed {
  return new AttemptFailed(
    "error",
    "artifact_changed",
    `The artifact "${path}" could not be kept: ${why}. Let the task end only when all that it started has ended, and retry it.`,
  );
}

async function keep(
  keeping: Keeping,
  { name: { path }, bytes }: RemoteFile,
  shown: string,
  sha256: string,
) {
  const { program, owner, ref, blobs, directory, signal } = keeping;
  const place = await owner.artifactPlace(ref, shown);
  if (place.status === "fenced") throw new NotWanted();
  const body = await program.workspaceFile(directory, path, signal);
  if (body === null) return;
  await copyFile({ key: place.key, body, bytes, sha256 }, blobs, signal).catch((error: unknown) => {
    throw error instanceof FileChanged ? changed(shown, error.message) : error;
  });
  keeping.remember({ path: shown, bytes, sha256 });
}

/**
 * Keeps all matches in order of their paths. Throws AttemptFailed when they are too large together, or
 * one has a name that cannot be, before anything is kept, or one changes meanwhile.
 */
export async function keepArtifacts(keeping: Keeping, files: readonly RemoteFile[]): Promise<void> {
  const found = matches(keeping, files);
  if (found.length === 0) return;
  for (const { name } of found) {
    const problem = namingProblem({ ...name, shown: keeping.log.shownPath(name.shown) });
    if (problem !== null) throw new AttemptFailed("error", "artifact_path_invalid", problem);
  }
  const shown = new Map(found.map(({ name: { path } }) => [path, keeping.log.shownPath(path)]));
  let bytesLeft = MAX_ARTIFACT_BYTES;
  for (const { name, bytes } of found) {
    const { path } = name;
    bytesLeft -= bytes;
    if (bytesLeft >= 0) continue;
    const { message } = new ArtifactsTooLarge(shown.get(path) ?? path);
    throw new AttemptFailed("error", "artifacts_too_large", message);
  }
  const missing = found.filter(({ name: { path } }) => !keeping.kept.has(shown.get(path) ?? path));
  const hashes = await keeping.program.hashes(
    missing.map(({ name }) => name.path),
    keeping.signal,
  );
  for (const file of missing) {
    const { path } = file.name;
    const sha256 = hashes.get(path);
    if (sha256 !== undefined) await keep(keeping, file, shown.get(path) ?? path, sha256);
  }
}
