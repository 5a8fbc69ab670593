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
/** The exit code that says: starting it again may help. With 1 it does not. */
const DEFECT = 70;
const say = (line: string) => process.stderr.write(`pipelzr-runner: ${line}\n`);

function readVersion(): string {
  const text = readFileSync(rootPath("package.json"), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

function warnOfPlainHttp(url: string): void {
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:" || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)) return;
  say(`${url} is not encrypted: secrets of tasks can be read on the way. Use https`);
}

async function run(settings: Settings, state: StateFolder): Promise<void> {
  const killed = await clearLeftovers(state.attempts, markPrefix(state.path), say);
  if (killed > 0) say(`ended ${killed} processes that an earlier runner left behind`);
  const backends = await createBackends(settings, state, say);
  const { url, runnerId, privateKey } = await enrol(settings, state.identity, say);
  warnOfPlainHttp(url);
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
    say,
  });
  const kill = () => killLeftovers(state.attempts, markPrefix(state.path));
  process.on("uncaughtException", (error: unknown) => {
    say(`a defect: ${error instanceof Error ? error.stack : error}`);
    kill();
    process.exit(DEFECT);
  });
  onSignals(() => {
    say(`ends when its attempts have, in ${settings.drainSeconds} s at the latest`);
    void runner.drain(settings.drainSeconds * 1_000);
  }, kill);
  await runner.run();
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
  const state = openStateFolder(invocation.settings.stateDir);
  process.on("exit", () => state.release());
  await run(invocation.settings, state);
  return 0;
}

try {
  process.exit(await main());
} catch (error) {
  // Anything but a FatalError is a defect, whose place is worth knowing.
  if (error instanceof FatalError) say(error.message);
  else say(error instanceof Error ? `${error.stack}` : String(error));
  process.exit(error instanceof FatalError ? 1 : DEFECT);
}
