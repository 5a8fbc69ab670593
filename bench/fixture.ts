/** A service to measure: as `npm start` runs it, on a new folder, with companions in its runtime. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { freshDevVars } from "../scripts/lib/dev-vars.ts";
import type { Companion } from "../scripts/lib/host-protocol.ts";
import { freePort } from "../scripts/lib/probe.ts";
import { prepareService } from "../scripts/lib/service.ts";

export interface MeasuredService {
  readonly url: string;
  readonly key: string;
  /** Process id of the runtime. */
  readonly runtime: number;
  /** Throws when the runtime was replaced since the start: what was measured is then not one run. */
  assertUninterrupted(): void;
}

export interface FixtureOptions {
  readonly companions?: readonly Companion[];
  /** Folder under which the state is kept; the system's temporary folder unless told otherwise. */
  readonly folder?: string;
}

/** Runs `measure` with a service of its own, which is gone with its state when that ends. */
export async function withService<T>(
  { companions = [], folder = tmpdir() }: FixtureOptions,
  measure: (service: MeasuredService) => Promise<T>,
): Promise<T> {
  const data = await mkdtemp(join(folder, "pipelzr-bench-"));
  const variables = freshDevVars();
  const service = await prepareService({
    hostname: "127.0.0.1",
    port: await freePort(),
    data,
    variables: { ...variables, RATE_LIMIT_REQUESTS: "1000000000" },
    companions,
    onOutput: (text) => process.stderr.write(text),
  });
  let interruption = "";
  service.on("restarting", (reason) => {
    interruption = reason;
  });
  try {
    await service.start();
    const { runtime } = service.processes;
    if (runtime === null) throw new Error("The runtime has no process.");
    return await measure({
      url: service.url,
      key: variables.PIPELZR_DEV_API_KEY,
      runtime,
      assertUninterrupted() {
        if (interruption) throw new Error(`The runtime ${interruption} while it was measured.`);
      },
    });
  } finally {
    await service.stop();
    await rm(data, { recursive: true, force: true });
  }
}
