/** Files of a skill: their limits, and what they are known by wherever they are kept. */

import { pathProblem } from "../codebases/intake/paths.ts";
import type { InlineFile } from "../executors/port.ts";
import { canonicalJson } from "../http/json.ts";
import { contentDigest } from "../security/hash.ts";
import { type Files, fileRecordSchema, toFile } from "../tasks/files.ts";

/** As the Skills extension of MCP bounds a skill, `SKILL.md` included. */
export const MAX_BUNDLE_FILES = 512;
export const MAX_BUNDLE_BYTES = 16 * 1024 * 1024;
export const SKILL_FILE = "SKILL.md";
export const SIDE_FILE = "pipelzr.json";
/** Keys of `metadata` that `SKILL.md` has of ours; the skill's own have other names. */
export const OWN_METADATA = "pipelzr.";

const MAX_FILES = MAX_BUNDLE_FILES - 1;
/** The rest of a bundle is for what is written of the skill itself. */
const MAX_FILES_BYTES = MAX_BUNDLE_BYTES - 4 * 1024 * 1024;
const PATH_LIMITS = { maxPathBytes: 1_024, maxPathDepth: 32 };
/** Names that a bundle has files of its own under, on file systems of either kind. */
const RESERVED: ReadonlySet<string> = new Set(
  [SKILL_FILE, SIDE_FILE].map((name) => name.toLowerCase()),
);
const EXECUTABLE = 0o100;
const PLAIN_MODE = "0644";
const EXECUTABLE_MODE = "0755";

export const skillFilesSchema = fileRecordSchema
  .superRefine((files, context) => {
    const paths = Object.keys(files);
    const report = (message: string, path: string[] = []) =>
      context.addIssue({ code: "custom", path, message });
    if (paths.length > MAX_FILES) report(`At most ${MAX_FILES} files go with a skill.`);
    for (const path of paths) {
      const message = skillPathProblem(path);
      if (message !== null) report(message, [path]);
    }
    const bytes = Object.values(files).reduce((sum, file) => sum + bytesOf(toFile(file)).length, 0);
    if (bytes > MAX_FILES_BYTES) {
      report(`The files take ${bytes} bytes, and a skill's take ${MAX_FILES_BYTES} at most.`);
    }
  })
  .transform((files) => sorted(Object.entries(files).map(([path, file]) => [path, toFile(file)])));

/** Why a skill has no file under a path; null when it may. */
export function skillPathProblem(path: string): string | null {
  if (RESERVED.has(path.toLowerCase())) {
    return `A bundle's own ${path.toLowerCase() === SIDE_FILE ? SIDE_FILE : SKILL_FILE} is made of the skill's other members; give the file another name.`;
  }
  if (path === "__proto__") return "This name is reserved; choose another.";
  return pathProblem(path, PATH_LIMITS)?.message ?? null;
}

/** In the order of their paths, with the modes that archives tell apart written in one way. */
export function sorted(files: readonly (readonly [string, InlineFile])[]): Files {
  const inOrder = [...files].sort(([left], [right]) => (left < right ? -1 : 1));
  return new Map(inOrder.map(([path, file]) => [path, withMode(file)]));
}

function withMode({ content, encoding, mode }: InlineFile): InlineFile {
  const padded = mode?.padStart(4, "0");
  const isPlain = padded === undefined || padded === PLAIN_MODE;
  return isPlain ? { content, encoding } : { content, encoding, mode: padded };
}

/** The mode of what an archive tells to be executable, or not. */
export function modeOf(isExecutable: boolean): Pick<InlineFile, "mode"> {
  return isExecutable ? { mode: EXECUTABLE_MODE } : {};
}

export function isExecutable({ mode }: InlineFile): boolean {
  return mode !== undefined && (Number.parseInt(mode, 8) & EXECUTABLE) !== 0;
}

/** The mode of a file that an archive alone would bring back with another one; null of any other. */
export function oddMode({ mode }: InlineFile): string | null {
  return mode === undefined || mode === EXECUTABLE_MODE ? null : mode;
}

export function bytesOf({ content, encoding }: InlineFile): Uint8Array {
  return Buffer.from(content, encoding);
}

/** What a set of files is known by: their contents and modes, however they are written. */
export function filesDigest(files: Files): string {
  const known = [...files].map(([path, file]) => [
    path,
    [contentDigest(bytesOf(file)), file.mode ?? null],
  ]);
  return contentDigest(Buffer.from(canonicalJson(Object.fromEntries(known))));
}
