/** Takes what a task left out of its container: whole output, results, artifacts. */
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Container, Directory } from "@dagger.io/dagger";
import { matcher, nameOfText } from "../../../../workers/executors/artifact-path.ts";
import { ArtifactsTooLarge } from "../../../../workers/executors/attempt-output.ts";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
import {
  type LogStream,
  MAX_ARTIFACT_BYTES,
  MAX_LOG_BYTES,
  MAX_RESULT_BYTES,
} from "../../../../workers/executors/port.ts";
import { checkArtifactName } from "../artifact-errors.ts";
import { refusal } from "./engine-errors.ts";
import { ARTIFACTS_FOLDER, CONTROL, FILES, LEFT_FOLDER } from "./places.ts";
import type { Report } from "./protocol.ts";
import type { SdkEnums } from "./sdk.ts";

/** Queries under way at a time. */
const CONCURRENCY = 8;
const MAX_NOTE_BYTES = 100;
/** JSON escapes can double a text that is within its limit; nothing legitimate is longer. */
const MAX_LEFT_BYTES = 2 * MAX_RESULT_BYTES + (1 << 20);

/** Null for what is not there, or is no file; throws when the engine is gone. */
async function orNull<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (refusal(error) === null) throw error;
    return null;
  }
}

/**
 * Bytes of a file, through links; null for what is not there or no file. It is asked before anything is
 * read: the engine would wait for ever for a writer of a pipe.
 */
async function sizeOf(
  from: Container | Directory,
  path: string,
  { ExistsType }: SdkEnums,
): Promise<number | null> {
  const isFile = await orNull(from.exists(path, { expectedType: ExistsType.RegularType }));
  return isFile === true ? orNull(from.file(path).size()) : null;
}

const inControl = (name: string) => `${CONTROL}/${name}`;

/** The text of a short file that the wrapper wrote; null when it is not there. */
export async function readNote(
  container: Container,
  name: string,
  enums: SdkEnums,
): Promise<string | null> {
  const path = inControl(name);
  const size = await sizeOf(container, path, enums);
  return size === null || size > MAX_NOTE_BYTES ? null : orNull(container.file(path).contents());
}

/** Exports a file that the code may have written, removed or replaced. */
export async function exportLeft(
  container: Container,
  folder: string,
  name: string,
  enums: SdkEnums,
): Promise<void> {
  const path = inControl(name);
  const size = await sizeOf(container, path, enums);
  if (size === null) return;
  const place = join(LEFT_FOLDER, name);
  if (size <= MAX_LEFT_BYTES) return void (await orNull(container.file(path).export(place)));
  // Of what is too large to be read only its size is asked.
  await writeFile(join(folder, place), "");
  await truncate(join(folder, place), size);
}

/** Bytes of a stream as the engine counted them; null when the task removed the file. */
export function outputSize(
  container: Container,
  stream: LogStream,
  enums: SdkEnums,
): Promise<number | null> {
  return sizeOf(container, inControl(FILES[stream]), enums);
}

/** The beginning of a stream, one byte more than may be logged; null when it cannot be had. */
export async function readOutput(
  container: Container,
  stream: LogStream,
  size: number | null,
  nonce: string,
  { ReturnType }: SdkEnums,
): Promise<string | null> {
  const path = inControl(FILES[stream]);
  const limit = nonce.length + MAX_LOG_BYTES + 1;
  let whole: string | null;
  if (size === null) whole = await orNull(container[stream]());
  else if (size <= limit) whole = await orNull(container.file(path).contents());
  else {
    const args = ["head", "-c", String(limit), path];
    whole = await orNull(container.withExec(args, { expect: ReturnType.Any }).stdout());
  }
  if (whole === null || !whole.startsWith(nonce)) return null;
  return whole.slice(nonce.length);
}

/** Runs `work` for all items, a few at a time, and returns the results in the items' order. */
async function inTurns<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>) {
  const results: R[] = [];
  let next = 0;
  const turns = Array.from({ length: CONCURRENCY }, async () => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) results[index] = await work(item, index);
    }
  });
  await Promise.all(turns);
  return results;
}

/** Files to keep. */
export interface Wanted {
  /** Path in the container. */
  readonly directory: string;
  readonly globs: readonly string[];
  /** Whether a file is the task's own, and none that was mounted. */
  readonly isOwn: (path: string) => boolean;
}

async function findMatches(
  directory: Directory,
  { globs, isOwn }: Omit<Wanted, "directory">,
): Promise<string[]> {
  // The code may have removed its own working directory.
  const all = (await orNull(directory.glob("**"))) ?? [];
  const isMatch = matcher(globs);
  return all.filter((path) => !path.endsWith("/") && isOwn(path) && isMatch(path)).sort();
}

/**
 * Exports what the globs match below the folder of artifacts, each file under a number of its own: no
 * name that the code chose becomes a path of this machine. Throws AttemptFailed.
 */
export async function exportArtifacts(
  container: Container,
  { directory: path, globs, isOwn }: Wanted,
  enums: SdkEnums,
): Promise<Report["artifacts"]> {
  if (globs.length === 0) return [];
  const directory = container.directory(path);
  const matches = await findMatches(directory, { globs, isOwn });
  const names = matches.map(nameOfText);
  for (const name of names) if (name.isUtf8) checkArtifactName(name);
  let total = 0;
  const sizes = await inTurns(matches, async (match) => {
    const size = total > MAX_ARTIFACT_BYTES ? null : await sizeOf(directory, match, enums);
    total += size ?? 0;
    return size;
  });
  if (total > MAX_ARTIFACT_BYTES) {
    let sum = 0;
    const index = sizes.findIndex((size) => {
      sum += size ?? 0;
      return sum > MAX_ARTIFACT_BYTES;
    });
    const { message } = new ArtifactsTooLarge(matches[index] ?? path);
    throw new AttemptFailed("error", "artifacts_too_large", message);
  }
  // The engine tells such a name as text, by which it is not found unless it is one.
  for (const [index, name] of names.entries()) if (sizes[index] === null) checkArtifactName(name);
  const files = matches.filter((_, index) => typeof sizes[index] === "number");
  return inTurns(files, async (match, index) => {
    const file = join(ARTIFACTS_FOLDER, String(index));
    await directory.file(match).export(file);
    return { path: match, file };
  });
}
