/** Executors on processes, for the tests of this folder. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type RunningAttempt,
  startAttempt,
} from "../../../../workers/executors/contract-support.ts";
import type { Work } from "../../../../workers/executors/port.ts";
import { createSubprocessBackend, type SubprocessOptions } from "./backend.ts";
import { chooseIsolation } from "./isolation.ts";

export const stateFolder = mkdtempSync(join(tmpdir(), "pipelzr-subprocess-"));
export const attempts = join(stateFolder, "attempts");
export const removeState = () => rmSync(stateFolder, { recursive: true, force: true });

/** Bubblewrap, where this machine has one that works. */
export const sandbox = await chooseIsolation("auto", process.env.PIPELZR_RUNNER_BWRAP ?? null);

export function startWork(
  work: Partial<Work>,
  options: Partial<SubprocessOptions> = {},
): RunningAttempt {
  const isolation = { kind: "none", why: "the test says so" } as const;
  const backend = createSubprocessBackend({
    stateFolder,
    attempts,
    isolation,
    warn: console.warn,
    ...options,
  });
  return startAttempt((deps) => backend.executor(deps), { task_type: "subprocess", ...work }, {});
}
