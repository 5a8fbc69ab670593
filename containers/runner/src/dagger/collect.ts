/** Takes what a task left out of its container: whole output, results, artifacts. */
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Container, Directory, File, ReturnType } from "@dagger.io/dagger";
import { ArtifactsTooLarge } from "../../../../workers/executors/attempt-output.ts";
import { isWorkspacePath } from "../../../../workers/executors/file-set.ts";
import { matcher } from "../../../../workers/executors/local/child/artifacts.ts";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
import {
  type LogStream,
  MAX_ARTIFACT_BYTES,
  MAX_LOG_BYTES,
  MAX_RESULT_BYTES,
} from "../../../../workers/executors/port.ts";
import { refusal } from "./engine-errors.ts";
import { ARTIFACTS_FOLDER, CONTROL, FILES, LEFT_FOLDER } from "./places.ts";
import type { Report } from "./protocol.ts";

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

/** The text of a short file that the wrapper wrote; null when it is not there. */
export async function readNote(container: Container, name: string): Promise<string | null> {
  const file = container.file(`${CONTROL}/${name}`);
  const size = await orNull(file.size());
  return size === null || size > MAX_NOTE_BYTES ? null : orNull(file.contents());
}

/** Exports a file that the code may have written, removed or replaced. */
export async function exportLeft(
  container: Container,
  folder: string,
  name: string,
): Promise<void> {
  const file = container.file(`${CONTROL}/${name}`);
  const size = await orNull(file.size());
  if (size === null) return;
  const place = join(LEFT_FOLDER, name);
  if (size <= MAX_LEFT_BYTES) return void (await orNull(file.export(place)));
  // Of what is too large to be read only its size is asked.
  await writeFile(join(folder, place), "");
  await truncate(join(folder, place), size);
}

/** Bytes of a stream as the engine counted them; null when the task removed the file. */
export function outputSize(container: Container, stream: LogStream): Promise<number | null> {
  return orNull(container.file(`${CONTROL}/${FILES[stream]}`).size());
}

/** The beginning of a stream, one byte more than may be logged; null when it cannot be had. */
export async function readOutput(
  container: Container,
  stream: LogStream,
  size: number | null,
  nonce: string,
  any: ReturnType,
): Promise<string | null> {
  const path = `${CONTROL}/${FILES[stream]}`;
  const limit = nonce.length + MAX_LOG_BYTES + 1;
  let whole: string | null;
  if (size === null) whole = await orNull(container[stream]());
  else if (size <= limit) whole = await orNull(container.file(path).contents());
  else {
    const head = container.withExec(["head", "-c", String(limit), path], { expect: any });
    whole = await orNull(head.stdout());
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

interface Match {
  readonly path: string;
  readonly file: File;
}

async function findMatches(directory: Directory, globs: readonly string[]): Promise<Match[]> {
  // The code may have removed its own working directory.
  const all = (await orNull(directory.glob("**"))) ?? [];
  const isMatch = matcher(globs);
  const paths = all.filter((path) => !path.endsWith("/") && isMatch(path)).sort();
  return paths.map((path) => ({ path, file: directory.file(path) }));
}

/**
 * Exports what the globs match below the folder of artifacts, each file under a number of its own: no
 * name that the code chose becomes a path of this machine. Throws AttemptFailed.
 */
export async function exportArtifacts(
  container: Container,
  path: string,
  globs: readonly string[],
): Promise<Report["artifacts"]> {
  if (globs.length === 0) return [];
  const matches = await findMatches(container.directory(path), globs);
  const bad = matches.find((match) => !isWorkspacePath(match.path));
  if (bad !== undefined) {
    throw new AttemptFailed(
      "error",
      "artifact_path_invalid",
      `The artifact ${JSON.stringify(bad.path)} cannot be kept under that name. Name it without a backslash.`,
    );
  }
  let total = 0;
  const sizes = await inTurns(matches, async ({ file }) => {
    // What is neither a file nor a link to one has no size.
    const size = total > MAX_ARTIFACT_BYTES ? null : await orNull(file.size());
    total += size ?? 0;
    return size;
  });
  if (total > MAX_ARTIFACT_BYTES) {
    let sum = 0;
    const index = sizes.findIndex((size) => {
      sum += size ?? 0;
      return sum > MAX_ARTIFACT_BYTES;
    });
    const { message } = new ArtifactsTooLarge(matches[index]?.path ?? path);
    throw new AttemptFailed("error", "artifacts_too_large", message);
  }
  const files = matches.filter((_, index) => typeof sizes[index] === "number");
  return inTurns(files, async (match, index) => {
    const file = join(ARTIFACTS_FOLDER, String(index));
    await match.file.export(file);
    return { path: match.path, file };
  });
}
