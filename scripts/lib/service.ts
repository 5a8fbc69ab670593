/** The service as `npm start`, the demo, the benchmark and the black-box tests run it. */
import { join } from "node:path";
import { VARIABLE_NAMES } from "../../workers/config.ts";
import { build } from "./build.ts";
import type { Variables } from "./dev-vars.ts";
import type { Companion } from "./host-protocol.ts";
import { DEFAULT_WATCHDOG_MS } from "./settings.ts";
import { Supervisor } from "./supervisor.ts";

export interface ServiceOptions {
  readonly hostname: string;
  readonly port: number;
  /** Folder of the state and of its lock; made when it does not exist. */
  readonly data: string;
  readonly variables: Variables;
  readonly watchdogMs?: number;
  /** Whether cron handlers fire by the clock; true unless told otherwise. */
  readonly crons?: boolean;
  readonly companions?: readonly Companion[];
  readonly onOutput?: (text: string) => void;
}

/** Where the state is inside a data folder; `wrangler dev --persist-to` takes the same. */
export const stateFolder = (data: string): string => join(data, "state");
export const lockFile = (data: string): string => join(data, "lock.json");
const temporaryFolder = (data: string): string => join(data, "tmp");

/** Builds what is not built and prepares a supervisor, not yet started. */
export async function prepareService(options: ServiceOptions): Promise<Supervisor> {
  const { dist } = await build();
  return new Supervisor({
    dist,
    hostname: options.hostname,
    port: options.port,
    state: stateFolder(options.data),
    lockPath: lockFile(options.data),
    temporary: temporaryFolder(options.data),
    variables: { ...options.variables, ENVIRONMENT: "local" },
    watchdogMs: options.watchdogMs ?? DEFAULT_WATCHDOG_MS,
    crons: options.crons ?? true,
    companions: [...(options.companions ?? [])],
    ...(options.onOutput && { onOutput: options.onOutput }),
  });
}

/** The service's variables that this process's environment sets. */
export function variablesOfEnvironment(environment: NodeJS.ProcessEnv): Variables {
  const set: Record<string, string> = {};
  for (const name of VARIABLE_NAMES) {
    const value = environment[name];
    if (value !== undefined && value !== "") set[name] = value;
  }
  return set;
}
