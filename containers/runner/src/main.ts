/** `node containers/runner/src/main.ts`: the companion runner. `--help` describes it. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { rootPath } from "../../../scripts/lib/paths.ts";
import { createBackends } from "./backends.ts";
import { readInvocation, type Settings } from "./cli.ts";
import { enrol } from "./enrol.ts";
import { FatalError } from "./errors.ts";
import { createSigner } from "./identity.ts";
import { clearLeftovers, killLeftovers, markPrefix } from "./leftovers.ts";
import { helpText } from "./options.ts";
import { Runner } from "./runner.ts";
import { ServiceClient } from "./service.ts";
import { openStateFolder, type StateFolder } from "./state-folder.ts";
import { TransportChoice } from "./transport/choice.ts";
import { createPollTransport } from "./transport/poll.ts";
import { createWebSocketTransport } from "./transport/websocket.ts";

const MEBIBYTE = 1024 * 1024;
/** The exit code that says: starting it again does not help. */
const FINAL = 1;
/** Starting it again may help. */
const DEFECT = 70;
const say = (line: string) => process.stderr.write(`pipelzr-runner: ${line}\n`);

function readVersion(): string {
  const text = readFileSync(rootPath("package.json"), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

async function run(settings: Settings, state: StateFolder): Promise<void> {
  const killed = await clearLeftovers(state.attempts, markPrefix(state.path), say);
  if (killed > 0) say(`ended ${killed} processes that an earlier runner left behind`);
  const backends = await createBackends(settings, state, say);
  const { url, runnerId, privateKey, confirm } = await enrol(settings, state.identity, say);
  const signer = createSigner(runnerId, privateKey);
  const service = new ServiceClient(url, signer);
  const runner = new Runner({
    url,
    version: readVersion(),
    registerAnew: `To register this machine anew, remove ${state.identity} and start with a new --token.`,
    labels: settings.labels,
    slots: settings.slots,
    maxOutputBytes: settings.logBufferMib * MEBIBYTE,
    attempts: state.attempts,
    backends,
    service,
    transports: {
      websocket: createWebSocketTransport(url, signer),
      poll: createPollTransport(service),
    },
    choice: new TransportChoice(settings.transport),
    onWelcome: confirm,
    say,
  });
  const kill = () => killLeftovers(state.attempts, markPrefix(state.path));
  process.on("uncaughtException", (error: unknown) => {
    say(`a defect: ${error instanceof Error ? error.stack : error}`);
    kill();
    process.exit(DEFECT);
  });
  const end = () => {
    say(`ends when its attempts have, in ${settings.drainSeconds} s at the latest`);
    void runner.drain(settings.drainSeconds * 1_000);
  };
  onSignals(end, kill);
  if (settings.tied) process.stdin.once("end", end).resume();
  try {
    await runner.run();
  } finally {
    // Also what the runner itself gave up on.
    kill();
  }
}

/** The first signal ends the runner, the second one at once: `kill` takes its processes along. */
function onSignals(end: () => void, kill: () => void): void {
  let isEnding = false;
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (isEnding) {
        kill();
        process.exit(1);
      }
      isEnding = true;
      end();
    });
  }
}

async function main(): Promise<number> {
  const invocation = readInvocation(process.argv.slice(2), process.env);
  if (invocation.kind === "help") {
    process.stdout.write(helpText());
    return 0;
  }
  if (invocation.kind === "version") {
    process.stdout.write(`${readVersion()}\n`);
    return 0;
  }
  const { settings } = invocation;
  try {
    const state = openStateFolder(settings.stateDir);
    process.on("exit", () => state.release());
    await run(settings, state);
  } catch (error) {
    if (!(error instanceof FatalError && settings.stay)) throw error;
    const stopped = stopSignal();
    say(`${error.message} It waits to be stopped, since starting it again would not help.`);
    await stopped;
    return FINAL;
  }
  return 0;
}

/** Resolves at SIGTERM or SIGINT, and keeps the process running until then. */
function stopSignal(): Promise<void> {
  const waiting = setInterval(() => {}, 2 ** 31 - 1);
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      const earlier = process.listeners(name);
      process.once(name, () => {
        clearInterval(waiting);
        resolve();
      });
      // After that, since a signal that nobody listens to is lost, or ends the process.
      for (const listener of earlier) process.off(name, listener);
    }
  });
}

try {
  process.exit(await main());
} catch (error) {
  // Anything but a FatalError is a defect, whose place is worth knowing.
  if (error instanceof FatalError) say(error.message);
  else say(error instanceof Error ? `${error.stack}` : String(error));
  process.exit(error instanceof FatalError ? FINAL : DEFECT);
}
