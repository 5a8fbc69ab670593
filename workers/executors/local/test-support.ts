/** Executors on the test lane's own loader, for the tests of this folder. */
import { env } from "cloudflare:workers";
import type { Recorder } from "../contract.ts";
import { type ContractDeps, type RunningAttempt, startAttempt } from "../contract-support.ts";
import type { Executor, Work } from "../port.ts";
import { createLocalExecutor, type LocalExecutorDeps } from "./executor.ts";

export function makeLocalExecutor(
  deps: ContractDeps,
  changes: Partial<LocalExecutorDeps> = {},
): Executor {
  return createLocalExecutor({
    loader: env.LOADER,
    cpuMs: 30_000,
    egress: () => env.RECORDER,
    skills: () => env.RECORDER,
    ...deps,
    ...changes,
  });
}

/** Starts a script; one executor serves all attempts that name it, as in one coordinator. */
export function startScript(
  script: string,
  work: Partial<Work> = {},
  changes: Partial<LocalExecutorDeps> = {},
): RunningAttempt {
  return startAttempt(
    (deps) => makeLocalExecutor(deps, changes),
    { language: "javascript", script, ...work },
    {},
  );
}

/** A recorder with a count of its own. */
export async function makeRecorder(): Promise<Recorder> {
  const path = `/${crypto.randomUUID()}`;
  return {
    allow: ["recorder.test"],
    url: `http://recorder.test${path}`,
    count: async () => {
      const response = await env.RECORDER.fetch(`http://recorder.test/count${path}`);
      return Number(await response.text());
    },
  };
}
