/** Sends the files that a task's artifact globs match. */
import picomatch from "picomatch";
import { MAX_ARTIFACT_BYTES } from "../../port.ts";
import type { Channel } from "./channel.ts";

/** 768 KiB, a multiple of 3, so that parts in base64 join without padding in between. */
const PART_BYTES = 3 << 18;

/** The files of a run, by path relative to its working directory. */
export interface FileSource {
  paths(): string[] | Promise<string[]>;
  read(path: string): Uint8Array | Promise<Uint8Array>;
}

/** Matches like a shell with `globstar`, dot files included; a folder's name matches all below it. */
export function matcher(globs: readonly string[]): (path: string) => boolean {
  const patterns = globs
    .map((glob) => glob.replace(/^\.\//, "").replace(/\/+$/, ""))
    .flatMap((glob) => [glob, `${glob}/**`]);
  return picomatch(patterns, { dot: true, posix: true });
}

/** Sends all matches in order of their paths; returns why it stopped, or null. */
export async function sendArtifacts(
  globs: readonly string[],
  files: FileSource,
  channel: Channel,
): Promise<string | null> {
  if (globs.length === 0) return null;
  const matches = (await files.paths()).filter(matcher(globs)).sort();
  let total = 0;
  for (const path of matches) {
    const body = await files.read(path);
    total += body.byteLength;
    if (total > MAX_ARTIFACT_BYTES) {
      return `The artifacts exceed ${MAX_ARTIFACT_BYTES / (1024 * 1024)} MiB together at "${path}". Match fewer files, or compress them.`;
    }
    await sendFile(path, body, channel);
  }
  return null;
}

async function sendFile(path: string, body: Uint8Array, channel: Channel): Promise<void> {
  let start = 0;
  do {
    const end = Math.min(body.byteLength, start + PART_BYTES);
    const part = Buffer.from(body.buffer, body.byteOffset + start, end - start).toString("base64");
    await channel.send(["artifact", path, part, end === body.byteLength]);
    start = end;
  } while (start < body.byteLength);
}
