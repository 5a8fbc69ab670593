/** Applies a unified diff over several files: all of it, or nothing. */
import { applyPatch, parsePatch, type StructuredPatch } from "diff";
import { isWorkspacePath } from "../../executors/workspace-path.ts";
import type { Issue } from "../../http/errors.ts";

const NO_FILE = "/dev/null";
const HOW =
  'Send a unified diff: for each file "--- a/path", "+++ b/path" (or /dev/null), then hunks that begin with "@@ -1,3 +1,4 @@".';

/** Null content is a file that is deleted. */
export interface FileChange {
  readonly path: string;
  readonly content: string | null;
}

export type PatchOutcome =
  | { readonly changes: readonly FileChange[]; readonly problems: null }
  /** `path` of each is the file's; empty when it is about the whole patch. */
  | { readonly changes: null; readonly problems: readonly Issue[] };

/** The texts of files by path; null for one that is not there. */
export type ReadText = (path: string) => Promise<string | null>;

/** Context has to match line by line; where it stands in the file may differ from what the hunk says. */
export async function applyUnifiedDiff(patch: string, read: ReadText): Promise<PatchOutcome> {
  const parsed = parse(patch);
  if (typeof parsed === "string") return refused([{ path: "", message: `${parsed} ${HOW}` }]);
  const texts = new Map<string, string | null>();
  const problems: Issue[] = [];
  for (const file of parsed) {
    const paths = pathsOf(file);
    const path = paths.to ?? paths.from;
    if (path === null || !isWorkspacePath(path)) {
      problems.push({ path: path ?? "", message: `This is no path of a file. ${HOW}` });
      continue;
    }
    const source = paths.from ?? path;
    const before = texts.has(source) ? (texts.get(source) ?? null) : await read(source);
    const after = patched(file, paths, before);
    if ("problem" in after) {
      problems.push({ path: source, message: after.problem });
      continue;
    }
    if (source !== path) texts.set(source, null);
    texts.set(path, after.text);
  }
  if (problems.length > 0) return refused(problems);
  const changes = [...texts].map(([path, content]) => ({ path, content }));
  return { changes, problems: null };
}

interface Paths {
  /** Null for a file that is created. */
  readonly from: string | null;
  /** Null for a file that is deleted. */
  readonly to: string | null;
}

/** Text says why it is none. */
function parse(patch: string): StructuredPatch[] | string {
  try {
    const files = parsePatch(patch).filter(({ hunks }) => hunks.length > 0);
    return files.length > 0 ? files : "The patch changes no file.";
  } catch (error) {
    return `The patch cannot be read: ${error instanceof Error ? error.message.trim() : error}.`;
  }
}

function pathsOf(file: StructuredPatch): Paths {
  // The library leaves them out of a patch that has hunks alone.
  const from: string | undefined = file.oldFileName;
  const to: string | undefined = file.newFileName;
  const isPrefixed = [from, to].every(
    (name) => name === undefined || name === NO_FILE || /^[ab]\//.test(name),
  );
  const pathOf = (name: string | undefined) =>
    name === undefined || name === NO_FILE ? null : isPrefixed ? name.slice(2) : name;
  return { from: pathOf(from), to: pathOf(to) };
}

type Patched = { readonly text: string | null } | { readonly problem: string };

function patched(file: StructuredPatch, { from, to }: Paths, before: string | null): Patched {
  if (from === null && before !== null) {
    return { problem: "The file is there already. Diff it against its content, not /dev/null." };
  }
  if (from !== null && before === null) {
    return { problem: "There is no such file. List the files, or create it from /dev/null." };
  }
  const text = applyPatch(before ?? "", file);
  if (text === false) return { problem: whichHunk(file, before ?? "") };
  if (to !== null) return { text };
  if (text === "") return { text: null };
  return { problem: "The patch deletes the file and leaves lines of it. Remove all of them." };
}

function whichHunk(file: StructuredPatch, before: string): string {
  const failing = file.hunks.findIndex(
    (_, index) => applyPatch(before, { ...file, hunks: file.hunks.slice(0, index + 1) }) === false,
  );
  const { oldStart = 0, lines = [] } = file.hunks[failing] ?? {};
  const context = lines.find((line) => line.startsWith(" ") || line.startsWith("-"))?.slice(1);
  const near = context === undefined ? "" : `, which expects the line ${JSON.stringify(context)}`;
  return `Hunk ${failing + 1} (at line ${oldStart}${near}) does not match the file. Read the file again and diff against what it holds.`;
}

function refused(problems: readonly Issue[]): PatchOutcome {
  return { changes: null, problems };
}
