/** Files that a step takes from earlier ones: where they go, and how they count in its cache. */
import type { Mount } from "../executors/port.ts";
import { canonicalJson } from "../http/json.ts";
import { sha256 } from "../security/hash.ts";
import type { CacheRequest, TakenDigest } from "./ports.ts";

/** The part of a cache request that stands for these files. */
export const FILES_PART = "use_artifacts";

/** Files whose contents are noted one by one, for naming those that changed; of more, their steps are. */
const MAX_NOTED_FILES = 2_000;
/** Names in one answer of what changed. */
const MAX_NAMED = 20;

/** What one step kept, as another takes it. */
export interface TakenFiles {
  /** Name of the step that kept them. */
  readonly step: string;
  readonly made_by: {
    readonly resource_id: string;
    readonly run: number;
    /** Index of the step. */
    readonly step: number;
    readonly epoch: number;
  };
  /** Folder of the workspace that they go into; "" is its root. */
  readonly folder: string;
  readonly files: readonly {
    readonly path: string;
    readonly key: string;
    /** Null for a file that was stored without a digest. */
    readonly sha256: string | null;
  }[];
}

export function mountsOf(taken: readonly TakenFiles[]): Mount[] {
  return taken.flatMap(({ folder, files }) =>
    files.map(({ path, key }) => ({ path: inFolder(folder, path), key })),
  );
}

/**
 * The request with the files counted: by path and content, so that equal files count as equal
 * whichever run made them. Files of a step that kept some without a digest count by the dispatch
 * that made them.
 */
export function countFiles(request: CacheRequest, taken: readonly TakenFiles[]): CacheRequest {
  if (request.taken === null) return request;
  let room = MAX_NOTED_FILES;
  const noted = taken.map((source) => {
    room -= source.files.length;
    return [source.step, digestOf(source, room >= 0)] as const;
  });
  const counted = workspaceOf(taken);
  const part = counted.length === 0 ? "[]" : sha256(canonicalJson(counted));
  return {
    ...request,
    parts: { ...request.parts, [FILES_PART]: part },
    taken: Object.fromEntries(noted),
  };
}

/** Names what is other among files taken, at most so many; none when the files are the same. */
export function changedFiles(
  before: Readonly<Record<string, TakenDigest>>,
  now: Readonly<Record<string, TakenDigest>>,
): readonly string[] {
  const names = changedKeys(before, now, (digest) => digest?.whole).flatMap((step) => {
    const old = before[step]?.files;
    const current = now[step]?.files;
    if (!old || !current) return [`${FILES_PART}: ${step}`];
    return changedKeys(old, current, (digest) => digest).map(
      (path) => `${FILES_PART}: ${step}/${path}`,
    );
  });
  if (names.length <= MAX_NAMED) return names;
  return [...names.slice(0, MAX_NAMED), `${FILES_PART}: ${names.length - MAX_NAMED} more`];
}

/** Keys under which two records have something else, sorted. */
export function changedKeys<T>(
  before: Readonly<Record<string, T>>,
  now: Readonly<Record<string, T>>,
  identity: (value: T | undefined) => string | undefined,
): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...keys].filter((key) => identity(before[key]) !== identity(now[key])).sort();
}

/** What the workspace holds of these files, equal for equal contents. */
function workspaceOf(taken: readonly TakenFiles[]) {
  if (taken.every(isKnown)) return sorted(taken.flatMap(contentsOf));
  // Which of two files at one path is the later one decides, so that the order of steps counts too.
  return taken.map((source) =>
    isKnown(source)
      ? { path: source.folder, files: sorted(contentsOf(source)) }
      : { ...source.made_by, path: source.folder },
  );
}

/** Of files at the same path the later one counts, as in the workspace. */
function sorted(contents: readonly (readonly [path: string, digest: string])[]) {
  return [...new Map(contents)].sort(([left], [right]) => (left < right ? -1 : 1));
}

function contentsOf({ folder, files }: TakenFiles): (readonly [path: string, digest: string])[] {
  return files.map(({ path, sha256: digest }) => [inFolder(folder, path), digest ?? ""] as const);
}

function digestOf(source: TakenFiles, isNoted: boolean): TakenDigest {
  if (!isKnown(source)) return { whole: canonicalJson(source.made_by), files: null };
  const contents = sorted(contentsOf({ ...source, folder: "" }));
  const whole = sha256(canonicalJson(contents));
  return { whole, files: isNoted ? Object.fromEntries(contents) : null };
}

function isKnown({ files }: TakenFiles): boolean {
  return files.every((file) => file.sha256 !== null);
}

function inFolder(folder: string, path: string): string {
  return folder === "" ? path : `${folder}/${path}`;
}
