/** What errors around an attempt come to for its user. */
import { SecretsTooLargeError } from "../../security/masking.ts";
import { DISPATCH_UNDELIVERABLE } from "../detached.ts";
import { messageOf } from "../message.ts";
import { AttemptFailed, type Failure, failed } from "../outcome.ts";
import type { Outcome } from "../port.ts";
import { BlobNotStored } from "./artifact-copy.ts";
import { CreateRejected, DiskFull } from "./sandbox.ts";
import type { Unmade } from "./state.ts";

const MINUTE_MS = 60_000;

/** Ends with a full stop, whatever it ended with. */
export function sentence(text: string): string {
  return `${text.trim().replace(/[.!?]+$/, "")}.`;
}

/** Code of an attempt, or of a shared sandbox, that failed since E2B knows the API key not. */
export const KEY_REFUSED = "e2b_key_refused";

/** How an attempt ends for which no sandbox could be made ready. */
export function undeliverable({ since, tries, why }: Unmade, now: number): Failure {
  const minutes = Math.round((now - since) / MINUTE_MS);
  const advice =
    "Once that is mended, retry, or POST /api/v1/dead-letters/redrive for all that failed by it.";
  const message = `No sandbox could be made ready in ${minutes} minutes, at ${tries} tries: ${sentence(why)} ${advice}`;
  return failed("error", DISPATCH_UNDELIVERABLE, message);
}

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
