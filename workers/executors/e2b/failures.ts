/** What errors around an attempt come to for its user. */
import { SecretsTooLargeError } from "../../security/masking.ts";
import { messageOf } from "../message.ts";
import { AttemptFailed, failed } from "../outcome.ts";
import type { Outcome } from "../port.ts";
import { BlobNotStored } from "./artifact-copy.ts";
import { CreateRejected, DiskFull } from "./sandbox.ts";

/** How an error ends an attempt; null when it is worth trying again. */
export function finalFailure(error: unknown): Outcome | null {
  if (error instanceof AttemptFailed) return error.outcome;
  if (error instanceof SecretsTooLargeError) return failed("error", error.code, error.message);
  if (error instanceof CreateRejected) return failed("error", error.code, error.message);
  if (!(error instanceof DiskFull)) return null;
  return failed(
    "error",
    "sandbox_disk_full",
    "The sandbox's disk is full. Give the task fewer or smaller files, or a template with a larger disk.",
  );
}

/** How an attempt ends whose error came again and again. */
export function wornOut(error: unknown): Outcome {
  const why = messageOf(error);
  if (error instanceof BlobNotStored) {
    const advice = "Retry the task; if it repeats, look at the service's blob store.";
    const message = `The task's artifacts could not be stored: ${why}. ${advice}`;
    return failed("error", "artifact_not_stored", message);
  }
  const advice = "Retry it; if it repeats, see the service's logs.";
  const message = `The attempt could not be carried out in its sandbox: ${why}. ${advice}`;
  return failed("error", "sandbox_failed", message);
}
