/** Columns that tables share. */
import { integer } from "drizzle-orm/sqlite-core";

/**
 * When the object of a resource is to be awake for its live runs: of one at rest its deadline, of
 * others the row's `updated_at`. Null when only a call changes them, or all have ended.
 */
export const wakeAt = () => integer("wake_at");
