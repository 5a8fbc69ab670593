/** Says why a snapshot cannot be read. */
import { ApiError } from "../http/errors.ts";
import type { Index } from "./ingest.ts";

/** Whether none is ready yet, or none of that name exists. */
export async function noSnapshot(index: Index, name: string | null): Promise<never> {
  const known = name === null ? null : await index.snapshot(name);
  if (known !== null) {
    throw new ApiError(
      "illegal_transition",
      known.state === "failed"
        ? `Snapshot ${known.number} failed: ${known.error?.message ?? ""} Push it again.`
        : `Snapshot ${known.number} is ${known.state}. Wait until it is ready: GET …/events follows it.`,
      { members: { state: known.state, allowed: ["ready"] } },
    );
  }
  throw new ApiError(
    "not_found",
    name === null
      ? "The codebase has no snapshot that is ready. Push or import one; GET …/events follows it."
      : `The codebase has no snapshot "${name.slice(0, 100)}". Name it by its number, id, ref or commit; GET …/snapshots lists them.`,
  );
}
