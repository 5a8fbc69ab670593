/** Puts artifacts together from the parts that a child sends. */
import { ArtifactsTooLarge } from "../attempt-output.ts";
import { AttemptFailed } from "../outcome.ts";
import { MAX_ARTIFACT_BYTES } from "../port.ts";
import { isWorkspacePath } from "../workspace-path.ts";
import { ProtocolError } from "./read-frames.ts";

export class Artifacts {
  readonly #keep: (path: string, body: Uint8Array) => Promise<void>;
  #parts: Buffer[] = [];
  #bytes = 0;

  /** `keep` stores one complete artifact. */
  constructor(keep: (path: string, body: Uint8Array) => Promise<void>) {
    this.#keep = keep;
  }

  /** Takes one part; throws AttemptFailed when the artifact cannot be kept. */
  take(path: string, part: string, isLast: boolean): Promise<void> | undefined {
    if (!isWorkspacePath(path)) throw new ProtocolError("an artifact is outside the workspace");
    const bytes = Buffer.from(part, "base64");
    this.#parts.push(bytes);
    this.#bytes += bytes.byteLength;
    if (this.#bytes > MAX_ARTIFACT_BYTES) throw tooLarge(new ArtifactsTooLarge(path));
    if (!isLast) return undefined;
    const body = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    return this.#store(path, body);
  }

  async #store(path: string, body: Uint8Array): Promise<void> {
    try {
      await this.#keep(path, body);
    } catch (error) {
      if (error instanceof ArtifactsTooLarge) throw tooLarge(error);
      const why = error instanceof Error ? error.message : String(error);
      throw new AttemptFailed(
        "error",
        "artifact_not_stored",
        `The artifact "${path}" could not be stored: ${why}. Retry the task.`,
      );
    }
  }
}

function tooLarge(error: ArtifactsTooLarge): AttemptFailed {
  return new AttemptFailed("error", "artifacts_too_large", error.message);
}
