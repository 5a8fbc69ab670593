/** The backend of `task_type: subprocess`. */
import { accessSync, constants, mkdirSync } from "node:fs";
import { join } from "node:path";
import { rootPath } from "../../../../scripts/lib/paths.ts";
import type { Backend } from "../backend.ts";
import { markPrefix } from "../leftovers.ts";
import { type TreeCache, treeCacheIn } from "../tree-cache.ts";
import { SubprocessExecutor, type SubprocessSettings } from "./executor.ts";
import { neededPaths } from "./hiding.ts";
import { findExecutable, type Isolation } from "./isolation.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";

export const DEFAULT_TASK_PATH = "/usr/local/bin:/usr/bin:/bin";

export interface SubprocessOptions {
  readonly stateFolder: string;
  readonly attempts: string;
  readonly isolation: Isolation;
  /** Addresses of engines, whose sockets a sandbox does not show. */
  readonly engines?: readonly string[];
  readonly limits?: Limits;
  /** One of the state folder's own unless given. */
  readonly trees?: TreeCache;
  readonly bash?: string;
  readonly path?: string;
  readonly warn: (message: string) => void;
}

export function createSubprocessBackend(options: SubprocessOptions): Backend {
  const { stateFolder, attempts, isolation, warn } = options;
  mkdirSync(attempts, { recursive: true, mode: 0o700 });
  const found = findExecutable("bash", process.env.PATH || DEFAULT_TASK_PATH);
  const settings: SubprocessSettings = {
    attempts,
    markPrefix: markPrefix(stateFolder),
    isolation,
    hiding: { stateFolder, engines: options.engines ?? [], needed: neededPaths(rootPath()) },
    limits: options.limits ?? DEFAULT_LIMITS,
    trees: options.trees ?? treeCacheIn(stateFolder, warn),
    bash: options.bash ?? found ?? join("/bin", "bash"),
    path: options.path ?? DEFAULT_TASK_PATH,
    warn,
  };
  return {
    type: "subprocess",
    beginning: "The runner looks for bash.",
    probe: async () => {
      try {
        accessSync(settings.bash, constants.X_OK);
        return null;
      } catch {
        return `${settings.bash} is not there. Install bash on the runner's machine.`;
      }
    },
    executor: (deps) => new SubprocessExecutor(settings, deps),
  };
}
