/** `npm start`: builds PIPELZR, runs it on this machine, and keeps it running until it is stopped. */
import { relative } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { configurationProblems } from "./lib/configuration.ts";
import { ensureDevVars, type Variables } from "./lib/dev-vars.ts";
import { ensureStateFolder } from "./lib/folders.ts";
import { isInstalled, LocalRunner } from "./lib/local-runner.ts";
import { dataPath, devVarsPath, rootPath } from "./lib/paths.ts";
import { prepareService, stateFolder, variablesOfEnvironment } from "./lib/service.ts";
import { readSettings } from "./lib/settings.ts";
import type { Supervisor } from "./lib/supervisor.ts";

const inWords = (error: unknown) => (error instanceof Error ? error.message : String(error));
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
const say = (line: string) => process.stderr.write(`pipelzr: ${line}\n`);
const shown = (path: string) => {
  const inside = relative(rootPath(), path);
  return inside.startsWith("..") ? path : inside;
};

const USAGE = `usage: npm start -- [--allow-subprocess] [--no-runner]
  --allow-subprocess  let subprocess tasks run on this machine; the runner says how they are isolated
  --no-runner         start no companion runner beside the service`;

interface Flags {
  readonly allowSubprocess: boolean;
  readonly noRunner: boolean;
}

function readFlags(args: readonly string[]): Flags {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { "allow-subprocess": { type: "boolean" }, "no-runner": { type: "boolean" } },
    });
    return {
      allowSubprocess: values["allow-subprocess"] ?? false,
      noRunner: values["no-runner"] ?? false,
    };
  } catch (error) {
    throw new Error(`${inWords(error)}\n${USAGE}`);
  }
}

/** What the runner beside the service can be asked for, unless the user has said it. */
function executorsOf({ allowSubprocess, noRunner }: Flags): Variables {
  return {
    ...(allowSubprocess && { SUBPROCESS_ENABLED: "true" }),
    ...(!noRunner && isInstalled("dagger") && { DAGGER_ENABLED: "true" }),
  };
}

function localRunner(service: Supervisor, key: string, { allowSubprocess }: Flags): LocalRunner {
  return new LocalRunner({
    url: service.url,
    key,
    folder: dataPath("runner"),
    flags: allowSubprocess ? ["--allow-subprocess"] : [],
    onOutput: (text) => process.stderr.write(text),
  });
}

/** What tasks may do on this machine is told by the runner, which finds out how they are isolated. */
function announceRunner(variables: Variables, { allowSubprocess }: Flags): void {
  if (!allowSubprocess) {
    say(
      "a runner starts beside the service; subprocess tasks are off: `npm start -- --allow-subprocess` runs them on this machine",
    );
  }
  if (variables.DAGGER_ENABLED === undefined) {
    say(
      "dagger tasks are off: install the dagger CLI (https://docs.dagger.io/install), start anew",
    );
  }
}

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

Install skills to begin with, those of examples/skills:

  npm run seed

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
  const flags = readFlags(process.argv.slice(2));
  const { HOST, PORT, WATCHDOG_MS } = readSettings(process.env);
  ensureStateFolder(dataPath());
  ensureStateFolder(stateFolder(dataPath()));
  const kept = await ensureDevVars(devVarsPath());
  const variables = {
    ...executorsOf(flags),
    ...kept,
    ...variablesOfEnvironment(process.env),
  };
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
  let runner: LocalRunner | null = null;
  let stopped = false;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // The second signal ends at once: the exit handler takes the runtime along.
    process.once(name, () => {
      process.once(name, () => process.exit(1));
      stopped = true;
      void stop(runner, service).then(() => process.exit(0));
    });
  }
  try {
    await service.start();
  } catch (error) {
    // Who stops it while it boots wants no report; the signal's handler ends this process.
    if (stopped) return;
    throw error;
  }
  const key = variables.PIPELZR_DEV_API_KEY ?? "";
  announce(service, key, performance.now() - began);
  if (flags.noRunner) return;
  announceRunner(variables, flags);
  runner = localRunner(service, key, flags);
  await runner.start().catch((error: unknown) => {
    if (!stopped) say(`no runner starts beside the service: ${inWords(error)}`);
  });
}

/** The runner goes first, as long as it can say how what it runs has ended. */
async function stop(runner: LocalRunner | null, service: Supervisor): Promise<void> {
  await runner?.stop();
  await service.stop();
}

try {
  await main();
} catch (error) {
  say(inWords(error));
  process.exitCode = 1;
}
