/** What the runner and the process of a script leave for each other in the folder they share. */
import type { AttemptRef, Json } from "../../../../workers/executors/port.ts";

export const REQUEST_FILE = "request.json";
/** JavaScript, of a TypeScript task too. */
export const SCRIPT_FILE = "script.mjs";
/** A `LastFrame`; missing when the code ended the process by itself. */
export const FRAME_FILE = "frame.json";

export interface HarnessRequest {
  readonly inputs: Json;
  /** Names of the task's own variables; their values are in the environment, secrets included. */
  readonly variables: readonly string[];
  /** Of the workspace. */
  readonly root: string;
  /** The working directory below the root; `""` is the root. */
  readonly directory: string;
  readonly ref: AttemptRef;
  /** ms since 1970 */
  readonly deadline_at: number;
}
