/** How often an archive is read, and what is said when it does not come to an end. */
import type { SnapshotRow } from "../storage/snapshots.ts";
import type { SnapshotError } from "../types.ts";

export const MAX_TRIES = 5;

/** What a try failed with, while others follow. */
export function failedTry(cause: string): SnapshotError {
  return { code: "ingest_retrying", message: cause, path: null };
}

/** After the last try: `error` is what that failed with, null when nothing was heard of it. */
export function givenUp({ source, error }: Pick<SnapshotRow, "source" | "error">): SnapshotError {
  const what = source.url === null ? "the archive" : new URL(source.url).host;
  const last =
    error === null
      ? "and did not come to an end."
      : `and failed each time, at last with: ${error.message}`;
  const advice =
    source.url === null
      ? "Send it again."
      : "Check the address, and that what is there answers; then import it again.";
  return {
    code: source.url === null || error === null ? "ingest_lost" : "source_unavailable",
    message: `Reading ${what} was tried ${MAX_TRIES} times ${last} ${advice}`,
    path: null,
  };
}
