/**
 * The fake `dagger` command. `dagger session` serves an engine of its own on a port of the loopback
 * interface, says so in one line of JSON and ends when standard input closes or on SIGTERM, with
 * everything that it executes. `dagger version` says which version it stands for.
 *
 * Environment: FAKE_DAGGER_STATE is the engine's state directory; sessions that share it share what was
 * executed and cached. Without it the state lives as long as the session. FAKE_DAGGER_FAULTS: see faults.ts.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Faults, readFaults } from "./faults.ts";
import { defaultPlatform } from "./platform.ts";
import { Progress } from "./progress.ts";
import { ENGINE_VERSION } from "./version.ts";

const RUNNER_HOST = `image://registry.dagger.io/engine:${ENGINE_VERSION}`;

async function session(hostDirectory: string): Promise<void> {
  const { FAKE_DAGGER_STATE: given, _EXPERIMENTAL_DAGGER_RUNNER_HOST: runnerHost } = process.env;
  const writeProgress = (text: string) => process.stderr.write(text);
  const input = readFaults(process.env.FAKE_DAGGER_FAULTS);
  const faults = new Faults(input);
  const asked = new Promise<void>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve());
    process.stdin.once("end", () => resolve()).once("close", () => resolve());
    process.stdin.resume();
  }).then(() => "asked to end");
  const connecting = new Progress(writeProgress).step("connect");
  const slow = sleep(faults.startDelayMs, "connected", { ref: false });
  if ((await Promise.race([slow, asked])) !== "connected") process.exit(0);
  if (faults.unreachable) {
    const host = JSON.stringify(runnerHost ?? RUNNER_HOST);
    const problem = `start engine: new client: failed to dial ${host}: connection refused`;
    connecting.end("ERROR", problem);
    process.stderr.write(`Error: ${problem}\n`);
    process.exit(1);
  }
  // Not before they are needed: most of the time that this command takes to start is theirs.
  const { Engine } = await import("./engine.ts");
  const { openSession } = await import("./session.ts");
  const state = given || mkdtempSync(join(tmpdir(), "fake-dagger-"));
  const open = await openSession(new Engine(state, input), { hostDirectory, writeProgress });
  connecting.end("DONE");
  process.stdout.write(`${JSON.stringify({ port: open.port, session_token: open.token })}\n`);
  await asked;
  await open.close();
  if (!given) rmSync(state, { recursive: true, force: true });
  process.exit(0);
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    label: { type: "string", multiple: true },
    version: { type: "string" },
    workdir: { type: "string" },
    project: { type: "string" },
    workspace: { type: "string", short: "W" },
    progress: { type: "string" },
    silent: { type: "boolean", short: "s" },
    "load-workspace-modules": { type: "boolean" },
    "skip-workspace-modules": { type: "boolean" },
  },
});
const [command] = positionals;
if (command === "session") await session(values.workdir ?? process.cwd());
else if (command === "version") {
  process.stdout.write(`dagger ${ENGINE_VERSION} (${RUNNER_HOST}) ${defaultPlatform()}\n`);
} else {
  process.stderr.write(`Error: unknown command ${JSON.stringify(command ?? "")} for "dagger"\n`);
  process.exitCode = 1;
}
