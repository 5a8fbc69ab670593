/** Executors on the fake engine, for the tests of this folder. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import {
  type ContractDeps,
  type RunningAttempt,
  startAttempt,
} from "../../../../workers/executors/contract-support.ts";
import type { Work } from "../../../../workers/executors/port.ts";
import type { FaultsInput } from "../../../fakes/dagger/faults.ts";
import { FAKE_DAGGER_CLI } from "../../../fakes/dagger/in-process.ts";
import type { Backend } from "../backend.ts";
import { createDaggerBackend, type DaggerOptions } from "./backend.ts";

export const stateFolder = mkdtempSync(join(tmpdir(), "pipelzr-dagger-"));
export const attempts = join(stateFolder, "attempts");
/** What the engine keeps; sessions of all tests share it, as they share an engine. */
export const engineState = join(stateFolder, "engine");
export const removeState = () => rmSync(stateFolder, { recursive: true, force: true });

export function makeBackend(
  faults: FaultsInput = {},
  options: Partial<DaggerOptions> = {},
): Backend {
  return createDaggerBackend({
    ...{ stateFolder, attempts, cli: FAKE_DAGGER_CLI, engine: null, warn: console.warn },
    ...options,
    environment: {
      FAKE_DAGGER_STATE: engineState,
      FAKE_DAGGER_FAULTS: JSON.stringify(faults),
      FAKE_DAGGER_NODE: process.execPath,
      ...inject("bundled"),
      ...options.environment,
    },
  });
}

export interface Start {
  readonly faults?: FaultsInput;
  readonly options?: Partial<DaggerOptions>;
  readonly deps?: Partial<ContractDeps>;
}

export function startWork(
  work: Partial<Work>,
  { faults, options, deps }: Start = {},
): RunningAttempt {
  const backend = makeBackend(faults, options);
  return startAttempt(
    (given) => backend.executor(given),
    { task_type: "dagger", ...work },
    deps ?? {},
  );
}
