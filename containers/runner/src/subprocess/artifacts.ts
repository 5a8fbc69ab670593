/** Finds and keeps the files that a task's artifact globs match, without following links outside. */
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { ArtifactsTooLarge } from "../../../../workers/executors/attempt-output.ts";
import { isWorkspacePath } from "../../../../workers/executors/file-set.ts";
import { matcher } from "../../../../workers/executors/local/child/artifacts.ts";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
import { MAX_ARTIFACT_BYTES } from "../../../../workers/executors/port.ts";
import type { Workspace } from "./workspace.ts";

interface Match {
  /** Relative to the working directory. */
  readonly path: string;
  /** Where its content is, links resolved. */
  readonly source: string;
}

/** Stores one artifact; rejects when it cannot be kept. */
export type Keep = (path: string, body: Uint8Array) => Promise<void>;

/** Keeps all matches in order of their paths; throws AttemptFailed. */
export async function keepArtifacts(
  globs: readonly string[],
  workspace: Workspace,
  keep: Keep,
): Promise<void> {
  if (globs.length === 0) return;
  let total = 0;
  for (const { path, source } of await findMatches(workspace, matcher(globs))) {
    if (!isWorkspacePath(path)) {
      throw new AttemptFailed(
        "error",
        "artifact_path_invalid",
        `The artifact ${JSON.stringify(path)} cannot be kept under that name. Name it without a backslash.`,
      );
    }
    total += (await stat(source)).size;
    if (total > MAX_ARTIFACT_BYTES) throw tooLarge(new ArtifactsTooLarge(path));
    await keepOne(path, source, keep);
  }
}

async function keepOne(path: string, source: string, keep: Keep): Promise<void> {
  try {
    await keep(path, await readFile(source));
  } catch (error) {
    if (error instanceof AttemptFailed) throw error;
    if (error instanceof ArtifactsTooLarge) throw tooLarge(error);
    const why = error instanceof Error ? error.message : String(error);
    throw new AttemptFailed(
      "error",
      "artifact_not_stored",
      `The artifact "${path}" could not be stored: ${why}. Retry the task.`,
    );
  }
}

function tooLarge(error: ArtifactsTooLarge): AttemptFailed {
  return new AttemptFailed("error", "artifacts_too_large", error.message);
}

async function findMatches(
  { directory, root }: Workspace,
  isMatch: (path: string) => boolean,
): Promise<Match[]> {
  const inside = `${await realpath(root)}${sep}`;
  const matches: Match[] = [];
  const visit = async (folder: string, prefix: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = `${prefix}${entry.name}`;
      const full = join(folder, entry.name);
      if (entry.isDirectory()) {
        await visit(full, `${path}/`);
      } else if (isMatch(path)) {
        const source = await fileBehind(full);
        if (source?.startsWith(inside) === true) matches.push({ path, source });
      }
    }
  };
  // The code may have removed its own working directory.
  await visit(directory, "").catch((error: unknown) => {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  });
  return matches.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The real path of a file, through links; null for what is none, and for a link that leads nowhere. */
async function fileBehind(path: string): Promise<string | null> {
  try {
    const source = await realpath(path);
    return (await stat(source)).isFile() ? source : null;
  } catch {
    return null;
  }
}
