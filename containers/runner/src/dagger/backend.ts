/** The backend of `task_type: dagger`. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Executor } from "../../../../workers/executors/port.ts";
import type { AttemptDeps, Backend } from "../backend.ts";
import { markPrefix } from "../leftovers.ts";
import { type TreeCache, treeCacheIn } from "../tree-cache.ts";
import { DaggerExecutor, type DaggerSettings } from "./executor.ts";
import { makeHarnessFolder } from "./harness-folder.ts";
import { DEFAULT_IMAGE } from "./places.ts";
import { probeEngine } from "./probe.ts";

/** The CLI tries again and again to reach an engine whose address it was given. */
const CONNECT_MS = 20_000;
/** An engine that the CLI starts itself may have to be fetched first. */
const PROVISION_MS = 120_000;
/** A probe says soon that an engine at a known address does not answer; it is asked again and again. */
const PROBE_MS = 10_000;

/** An engine that answered is not asked again before this, unless an attempt found it gone: it costs a session. */
const USABLE_MS = 60_000;

/** What the CLI may know of the runner's environment: where things are, and how the network is reached. */
const PASSED =
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|LANG|LC_.*|TZ|XDG_.*|DOCKER_.*|SSL_CERT_(FILE|DIR)|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY)$/;

export interface DaggerOptions {
  readonly stateFolder: string;
  readonly attempts: string;
  /** Path of the `dagger` executable. */
  readonly cli: string;
  /** Address of the engine, such as `unix:///run/dagger/engine.sock`; null is what the CLI chooses. */
  readonly engine: string | null;
  readonly defaultImage?: string;
  /** Shell lines that are run in every image before a task, once for each image: the engine caches them. */
  readonly setup?: readonly string[];
  /** Directories that outlive a container, of each project its own. */
  readonly cacheVolumes?: DaggerSettings["cacheVolumes"];
  readonly connectTimeoutMs?: number;
  readonly probeTimeoutMs?: number;
  /** One of the state folder's own unless given. */
  readonly trees?: TreeCache;
  /** More variables of the CLI. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly warn: (message: string) => void;
}

function passed(): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (typeof value === "string" && PASSED.test(name)) variables[name] = value;
  }
  return variables;
}

export function createDaggerBackend(options: DaggerOptions): Backend {
  const { stateFolder, attempts, cli, engine } = options;
  mkdirSync(attempts, { recursive: true, mode: 0o700 });
  const environment = {
    ...passed(),
    ...(engine !== null && { _EXPERIMENTAL_DAGGER_RUNNER_HOST: engine }),
    // What a run does is told to nobody but the service, and nobody reads hints or colors.
    DO_NOT_TRACK: "1",
    DAGGER_NO_NAG: "1",
    NO_COLOR: "1",
    NODE_COMPILE_CACHE: join(stateFolder, "compile-cache"),
    ...options.environment,
  };
  // Given up before, it would never come about: each probe would begin anew.
  const probeTimeoutMs = options.probeTimeoutMs ?? (engine === null ? PROVISION_MS : PROBE_MS);
  const beginning =
    engine === null
      ? `The Dagger CLI starts an engine, and may have to fetch it first. This can take ${Math.round(probeTimeoutMs / 1000)} s; name one that runs with --engine to do without.`
      : `The runner asks the Dagger engine at ${engine}.`;
  let harness: Promise<string> | null = null;
  let usableUntil = 0;
  const settings: DaggerSettings = {
    ...{ attempts, cli, environment, warn: options.warn },
    markPrefix: markPrefix(stateFolder),
    trees: options.trees ?? treeCacheIn(stateFolder, options.warn),
    connectTimeoutMs: options.connectTimeoutMs ?? (engine === null ? PROVISION_MS : CONNECT_MS),
    defaultImage: options.defaultImage ?? DEFAULT_IMAGE,
    setup: options.setup ?? [],
    cacheVolumes: options.cacheVolumes ?? [],
    doubt: () => {
      usableUntil = 0;
    },
    harness: () => {
      harness ??= makeHarnessFolder(join(stateFolder, "harness")).catch((error: unknown) => {
        harness = null;
        throw error;
      });
      return harness;
    },
  };
  return {
    type: "dagger",
    beginning,
    probe: async () => {
      if (performance.now() < usableUntil) return null;
      const problem = await probeEngine({ cli, engine, environment, timeoutMs: probeTimeoutMs });
      if (problem === null) usableUntil = performance.now() + USABLE_MS;
      return problem;
    },
    executor: (deps) => new DaggerExecutor(settings, deps),
  };
}

/** An executor for whoever has no backends: with what comes with its dispatch, and the probe. */
export function createDaggerExecutor(
  options: DaggerOptions & AttemptDeps,
): Executor & Pick<Backend, "probe"> {
  const { probe, executor } = createDaggerBackend(options);
  return Object.assign(executor(options), { probe });
}
