/** `npm start`: builds PIPELZR, runs it on this machine, and keeps it running until it is stopped. */
import { relative } from "node:path";
import process from "node:process";
import { configurationProblems } from "./lib/configuration.ts";
import { ensureDevVars } from "./lib/dev-vars.ts";
import { ensureStateFolder } from "./lib/folders.ts";
import { dataPath, devVarsPath, rootPath } from "./lib/paths.ts";
import { prepareService, stateFolder, variablesOfEnvironment } from "./lib/service.ts";
import { readSettings } from "./lib/settings.ts";
import type { Supervisor } from "./lib/supervisor.ts";

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
const say = (line: string) => process.stderr.write(`pipelzr: ${line}\n`);
const shown = (path: string) => {
  const inside = relative(rootPath(), path);
  return inside.startsWith("..") ? path : inside;
};

function announce(service: Supervisor, key: string, startedMs: number): void {
  const task = JSON.stringify({ name: "hello", command: "echo Hello from $(pwd)", execute: true });
  process.stdout.write(`
PIPELZR runs at ${service.url} (started in ${seconds(startedMs)}; Ctrl-C stops it)

  API key   ${key}   (kept in ${shown(devVarsPath())})
  API docs  ${service.url}/docs
  State     ${shown(stateFolder(dataPath()))}

Create a task, execute it and see its result:

  curl -sS ${service.url}/api/v1/tasks \\
    -H 'Authorization: Bearer ${key}' \\
    -H 'Content-Type: application/json' \\
    -H 'Prefer: wait=30' -w '\\n' \\
    -d '${task}'

`);
}

function tellOfRestarts(service: Supervisor, watchdogMs: number): void {
  service.on("recovered", (reason, downtimeMs) => {
    const cause = reason === "hung" ? `gave no answer for ${seconds(watchdogMs)}` : "ended";
    say(
      `the runtime ${cause} and was restarted with its state; it answers again after ${seconds(downtimeMs)}`,
    );
  });
  service.on("pausing", (ms) => say(`the runtime keeps failing; next start in ${seconds(ms)}`));
  service.on("failed", (message) => say(message));
}

async function main(): Promise<void> {
  const began = performance.now();
  const { HOST, PORT, WATCHDOG_MS } = readSettings(process.env);
  ensureStateFolder(dataPath());
  ensureStateFolder(stateFolder(dataPath()));
  const kept = await ensureDevVars(devVarsPath());
  const variables = { ...kept, ...variablesOfEnvironment(process.env) };
  const problems = await configurationProblems(variables);
  if (problems.length > 0) {
    throw new Error(
      `It does not start, as its variables are not usable:\n${problems.map((line) => `  ${line}\n`).join("")}` +
        `Correct them in the environment or in ${shown(devVarsPath())}; .env.example describes each.`,
    );
  }
  const service = await prepareService({
    hostname: HOST,
    port: PORT,
    data: dataPath(),
    variables,
    watchdogMs: WATCHDOG_MS,
  });
  tellOfRestarts(service, WATCHDOG_MS);
  let stopped = false;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // The second signal ends at once: the exit handler takes the runtime along.
    process.once(name, () => {
      process.once(name, () => process.exit(1));
      stopped = true;
      void service.stop().then(() => process.exit(0));
    });
  }
  try {
    await service.start();
  } catch (error) {
    // Who stops it while it boots wants no report; the signal's handler ends this process.
    if (stopped) return;
    throw error;
  }
  announce(service, variables.PIPELZR_DEV_API_KEY ?? "", performance.now() - began);
}

try {
  await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
