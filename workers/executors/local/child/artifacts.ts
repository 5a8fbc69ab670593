/** Sends the files that a task's artifact globs match. */
import { matcher, nameOfText, namingProblem } from "../../artifact-path.ts";
import { MAX_ARTIFACT_BYTES } from "../../port.ts";
import type { Channel } from "./channel.ts";

/** 768 KiB, a multiple of 3, so that parts in base64 join without padding in between. */
const PART_BYTES = 3 << 18;

/** The files of a run, by path relative to its working directory. */
export interface FileSource {
  paths(): string[] | Promise<string[]>;
  read(path: string): Uint8Array | Promise<Uint8Array>;
}

/** Why not all artifacts can be kept. */
export interface NotSent {
  readonly code: "artifacts_too_large" | "artifact_path_invalid";
  readonly message: string;
}

/** Sends all matches in order of their paths; returns why it stopped, or null. */
export async function sendArtifacts(
  globs: readonly string[],
  files: FileSource,
  channel: Channel,
): Promise<NotSent | null> {
  if (globs.length === 0) return null;
  const matches = (await files.paths()).filter(matcher(globs)).sort();
  for (const path of matches) {
    const message = namingProblem(nameOfText(path));
    if (message !== null) return { code: "artifact_path_invalid", message };
  }
  let total = 0;
  for (const path of matches) {
    const body = await files.read(path);
    total += body.byteLength;
    if (total > MAX_ARTIFACT_BYTES) {
      const message = `The artifacts exceed ${MAX_ARTIFACT_BYTES / (1024 * 1024)} MiB together at "${path}". Match fewer files, or compress them.`;
      return { code: "artifacts_too_large", message };
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
