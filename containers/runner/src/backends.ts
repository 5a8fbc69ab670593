/** The one place that knows every backend: makes those that the runner is started for. */
import type { Backends } from "./backend.ts";
import type { Settings } from "./cli.ts";
import { createDaggerBackend } from "./dagger/backend.ts";
import { FatalError } from "./errors.ts";
import type { StateFolder } from "./state-folder.ts";
import { createSubprocessBackend } from "./subprocess/backend.ts";
import { chooseIsolation, describeIsolation } from "./subprocess/isolation.ts";
import { type TreeCache, treeCacheIn } from "./tree-cache.ts";

/** Found in the PATH of the runner. */
const DAGGER_CLI = "dagger";

export type Say = (line: string) => void;

/** Throws FatalError when there would be nothing to run. */
export async function createBackends(
  settings: Settings,
  state: StateFolder,
  say: Say,
): Promise<Backends> {
  const trees = treeCacheIn(state.path, say, settings.treeCacheMib);
  const backends: Backends = {
    ...(settings.allowSubprocess && { subprocess: await subprocess(settings, state, trees, say) }),
    ...(!settings.noDagger && { dagger: dagger(settings, state, trees, say) }),
  };
  if (Object.keys(backends).length > 0) return backends;
  throw new FatalError(
    "This runner has nothing to run. Allow it processes of this machine with --allow-subprocess, or leave --no-dagger out.",
  );
}

function dagger(settings: Settings, state: StateFolder, trees: TreeCache, warn: Say) {
  return createDaggerBackend({
    trees,
    stateFolder: state.path,
    attempts: state.attempts,
    cli: settings.daggerCli ?? DAGGER_CLI,
    engine: settings.engine,
    defaultImage: settings.daggerImage,
    warn,
  });
}

async function subprocess(settings: Settings, state: StateFolder, trees: TreeCache, say: Say) {
  const isolation = await chooseIsolation(settings.isolation, settings.bwrap);
  say(`subprocess tasks run on this machine, ${describeIsolation(isolation)}`);
  return createSubprocessBackend({
    stateFolder: state.path,
    attempts: state.attempts,
    trees,
    isolation,
    engines: [settings.engine, process.env.DOCKER_HOST].filter((each) => typeof each === "string"),
    limits: {
      memoryMib: settings.memoryMib,
      processes: settings.maxProcesses,
      fileMib: settings.maxFileMib,
    },
    path: settings.taskPath,
    warn: say,
  });
}
