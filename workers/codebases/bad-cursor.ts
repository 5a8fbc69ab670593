/** The error of a cursor that does not go on. */
import { ApiError } from "../http/errors.ts";
import type { CursorFault } from "./index/reading/pinned.ts";

/** `path` is where the cursor stands in the input; `foreign` says what it may be when it is none of the question. */
export function badCursor(fault: CursorFault, path: string, foreign: string): ApiError {
  const message = messageOf(fault, foreign);
  return new ApiError("validation_failed", message, { issues: [{ path, message }] });
}

function messageOf(fault: CursorFault, foreign: string): string {
  switch (fault.kind) {
    case "foreign":
      return foreign;
    case "other_snapshot":
      return `It is a cursor of snapshot ${fault.of}, and snapshot ${fault.named} is named. Leave the name out to go on in snapshot ${fault.of}, or begin again without the cursor.`;
    case "snapshot_gone":
      return `It is a cursor of snapshot ${fault.of}, which was deleted. Begin again without it.`;
  }
}
