/** Finds and keeps the files that a task's artifact globs match, without following links outside. */
import { readdir, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { matcher, nameOfBytes } from "../../../../workers/executors/artifact-path.ts";
import { ArtifactsTooLarge } from "../../../../workers/executors/attempt-output.ts";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
import { MAX_ARTIFACT_BYTES } from "../../../../workers/executors/port.ts";
import { checkArtifactName, type Keep, keepArtifact } from "../artifact-errors.ts";
import { liesIn, readLeftFile } from "../left-files.ts";
import { type PlacedTree, type Workspace, workspaceReplaced } from "./workspace.ts";

/** A workspace after its code has run; the files of its tree are not the task's own. */
type Searched = Workspace & { readonly tree: PlacedTree | null };

/** Keeps all matches in order of their paths; throws AttemptFailed. */
export async function keepArtifacts(
  globs: readonly string[],
  workspace: Searched,
  exitCode: number,
  keep: Keep,
): Promise<void> {
  if (globs.length === 0) return;
  const { root } = workspace;
  let total = 0;
  for (const { path, name, full } of await findMatches(workspace, matcher(globs), exitCode)) {
    await keepArtifact(path, async () => {
      const known = nameOfBytes(name);
      // The calls that follow take text, and would not find it.
      if (!known.isUtf8) checkArtifactName(known);
      const source = await realPath(full);
      if (source === null || !liesIn(source, root)) return;
      const body = await readLeftFile(source, root, MAX_ARTIFACT_BYTES - total);
      if (body === null) return;
      checkArtifactName(known);
      if (body === "large") throw new ArtifactsTooLarge(path);
      total += body.byteLength;
      await keep(path, body);
    });
  }
}

interface Match {
  /** Relative to the working directory. */
  readonly path: string;
  /** The same as the system has it. */
  readonly name: Buffer;
  /** Not necessarily a file. */
  readonly full: Buffer;
}

const SEPARATOR = Buffer.from(sep);
const NONE = Buffer.alloc(0);

async function findMatches(
  { directory, root, tree }: Searched,
  isMatch: (path: string) => boolean,
  exitCode: number,
): Promise<Match[]> {
  const start = await realPath(directory);
  // The code may have removed its own working directory.
  if (start === null) return [];
  if (!liesIn(start, root)) throw workspaceReplaced(exitCode);
  const matches: Match[] = [];
  const mounted = tree === null ? null : join(root, tree.path);
  if (mounted !== null && liesIn(start.toString(), mounted)) return [];
  const visit = async (folder: Buffer, prefix: Buffer): Promise<void> => {
    const options = { withFileTypes: true, encoding: "buffer" } as const;
    const entries = await readdir(folder, options).catch((error: unknown) => {
      throw notSearched(prefix.toString(), error);
    });
    for (const entry of entries) {
      const name = Buffer.concat([prefix, entry.name]);
      const path = name.toString();
      const full = Buffer.concat([folder, SEPARATOR, entry.name]);
      if (entry.isDirectory()) {
        if (full.toString() !== mounted) await visit(full, Buffer.concat([name, SEPARATOR]));
        continue;
      }
      if (isMatch(path)) matches.push({ path, name, full });
    }
  };
  await visit(Buffer.from(start), NONE);
  return matches.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Through links; null for what is not there, and for a link that leads nowhere. */
async function realPath(path: string | Buffer): Promise<string | null> {
  try {
    return await realpath(path);
  } catch {
    return null;
  }
}

const SHOWN_CHARS = 200;
const REASONS: Readonly<Record<string, string>> = {
  ENAMETOOLONG: "it lies deeper than a path can be long. Make fewer folders in one another",
  EACCES: "the code took the permission to read it away. Leave it readable",
};

function notSearched(prefix: string, error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const why = REASONS[code];
  if (why === undefined) return error;
  const shown = prefix.length > SHOWN_CHARS ? `${prefix.slice(0, SHOWN_CHARS)}…` : prefix || ".";
  return new AttemptFailed(
    "error",
    "artifacts_not_searched",
    `The folder "${shown}" cannot be searched for artifacts: ${why}.`,
  );
}
