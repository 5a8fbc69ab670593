/** Keeps a task's artifacts, with words for those that cannot be. */

import { type FileName, namingProblem } from "../../../workers/executors/artifact-path.ts";
import { ArtifactsTooLarge } from "../../../workers/executors/attempt-output.ts";
import { AttemptFailed } from "../../../workers/executors/outcome.ts";

/** Stores one artifact; rejects when it cannot be kept. */
export type Keep = (path: string, body: Uint8Array) => Promise<void>;

/** Throws AttemptFailed for a name that nothing can be kept under. */
export function checkArtifactName(name: FileName): void {
  const problem = namingProblem(name);
  if (problem !== null) throw new AttemptFailed("error", "artifact_path_invalid", problem);
}

const UNREADABLE = new Set(["EACCES", "EPERM"]);

/** Does `work` for one artifact; throws AttemptFailed. */
export async function keepArtifact(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof AttemptFailed) throw error;
    if (error instanceof ArtifactsTooLarge) {
      throw new AttemptFailed("error", "artifacts_too_large", error.message);
    }
    const isUnreadable =
      error instanceof Error && "code" in error && UNREADABLE.has(String(error.code));
    const why = error instanceof Error ? error.message : String(error);
    throw isUnreadable
      ? new AttemptFailed(
          "error",
          "artifact_unreadable",
          `The artifact "${path}" may not be read by the runner's user. Leave it readable.`,
        )
      : new AttemptFailed(
          "error",
          "artifact_not_stored",
          `The artifact "${path}" could not be stored: ${why}. Retry the task.`,
        );
  }
}
