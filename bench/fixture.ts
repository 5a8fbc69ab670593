/** A service to measure: as `npm start` runs it, on a new folder, with companions in its runtime. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { freshDevVars, type Variables } from "../scripts/lib/dev-vars.ts";
import type { Companion } from "../scripts/lib/host-protocol.ts";
import { freePort } from "../scripts/lib/probe.ts";
import { prepareService } from "../scripts/lib/service.ts";
import { DEFAULT_WATCHDOG_MS } from "../scripts/lib/settings.ts";

const NOTICED_MS = 1_000;

export interface MeasuredService {
  readonly url: string;
  readonly key: string;
  /** Process id of the runtime. */
  readonly runtime: number;
}

export interface FixtureOptions {
  readonly companions?: readonly Companion[];
  /** Folder under which the state is kept; the system's temporary folder unless told otherwise. */
  readonly folder?: string;
  /** Silence that counts as a hang; what `npm start` takes for one unless told otherwise. */
  readonly watchdogMs?: number;
  /** Variables of the service, beyond those that it cannot do without. */
  readonly variables?: Variables;
}

const interrupted = (reasons: readonly string[], cause?: unknown) =>
  new Error(`The runtime ${reasons.join(", then ")} while it was measured.`, { cause });

/**
 * Runs `measure` with a service of its own, which is gone with its state when that ends. Throws when
 * the runtime was replaced meanwhile, even where every request was answered.
 */
export async function withService<T>(
  {
    companions = [],
    folder = tmpdir(),
    watchdogMs = DEFAULT_WATCHDOG_MS,
    variables: more = {},
  }: FixtureOptions,
  measure: (service: MeasuredService) => Promise<T>,
): Promise<T> {
  const data = await mkdtemp(join(folder, "pipelzr-bench-"));
  const variables = freshDevVars();
  const service = await prepareService({
    hostname: "127.0.0.1",
    port: await freePort(),
    data,
    variables: { ...variables, ...more, RATE_LIMIT_REQUESTS: "1000000000" },
    companions,
    watchdogMs,
    onOutput: (text) => process.stderr.write(text),
  });
  const interruptions: string[] = [];
  service.on("restarting", (reason) => interruptions.push(reason));
  try {
    await service.start();
    const { runtime } = service.processes;
    if (runtime === null) throw new Error("The runtime has no process.");
    const measured = { url: service.url, key: variables.PIPELZR_DEV_API_KEY, runtime };
    const figures = await measure(measured).catch(async (error: unknown) => {
      // The client notices a death before the supervisor does.
      await delay(NOTICED_MS);
      throw interruptions.length === 0 ? error : interrupted(interruptions, error);
    });
    if (interruptions.length > 0) throw interrupted(interruptions);
    return figures;
  } finally {
    await service.stop();
    await rm(data, { recursive: true, force: true });
  }
}
