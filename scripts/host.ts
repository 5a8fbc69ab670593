/**
 * Hosts the runtime: boots the built bundle on Miniflare, fires its cron handlers, and ends with the
 * process that started it. Miniflare itself starts workerd again, on the same ports, when it dies.
 */
import process from "node:process";
import { Cron } from "croner";
import { Miniflare, type MiniflareOptions, NoOpLog } from "miniflare";
import { EGRESS_NETWORK_BINDING } from "../workers/security/outbound-network.ts";
import { type Descriptor, MAIN_MODULE, readDescriptor, readModules } from "./lib/bundle.ts";
import {
  type Companion,
  type FromHost,
  type HostOptions,
  toHostSchema,
} from "./lib/host-protocol.ts";
import { migrate, persistencePath } from "./lib/migrate.ts";
import { childProcesses } from "./lib/processes.ts";
import { withoutAddresses } from "./lib/runtime-log.ts";

function report(message: FromHost): void {
  // The channel closes when the supervisor dies; `disconnect` then ends this process.
  if (process.connected) process.send?.(message);
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function optionsOf(options: HostOptions, descriptor: Descriptor): Promise<MiniflareOptions> {
  const { hostname: host, port, state, variables } = options;
  const texts: Record<string, { type: "text"; value: string }> = {};
  for (const [name, value] of Object.entries(variables)) texts[name] = { type: "text", value };
  const manifest = { mainModule: MAIN_MODULE, modulesRoot: "/" };
  const { compatibilityDate } = descriptor.config;
  return {
    resourcePersistencePath: persistencePath(state),
    cf: false,
    enableDevRegistry: false,
    log: new NoOpLog(),
    handleStructuredLogs: ({ level, message }) => {
      const stream = level === "error" || level === "warn" ? process.stderr : process.stdout;
      stream.write(`${withoutAddresses(message)}\n`);
    },
    unsafeHandleRuntimeRestart: serving,
    workers: [
      {
        config: {
          ...descriptor.config,
          env: {
            ...descriptor.config.env,
            ...texts,
            EGRESS_NETWORK: EGRESS_NETWORK_BINDING,
          },
          manifest: { ...manifest, modules: await readModules(options.dist) },
        },
        // Clients reach the Worker without Miniflare's proxy and its developer endpoints.
        dev: { unsafeDirectSockets: [{ host, port }] },
      },
      ...options.companions.map((companion) => ({
        config: {
          name: companion.name,
          compatibilityDate,
          env: { ...workflowBindingsOf(companion), ...queueBindingsOf(companion) },
          triggers: companion.queue ? [queueTriggerOf(companion)] : [],
          manifest: {
            ...manifest,
            modules: { [MAIN_MODULE]: { type: "esm" as const, contents: companion.script } },
          },
        },
        dev: { unsafeDirectSockets: [{ host: "127.0.0.1", port: companion.port }] },
      })),
    ],
  };
}

/**
 * Workflows keep their state beside the service's, as they do under `wrangler dev`; the code of their
 * steps may run in isolates, as that of the service's does.
 */
function workflowBindingsOf({ name, workflow }: Companion) {
  if (!workflow) return {};
  const { binding, class_name: exportName } = workflow;
  return {
    [binding]: { type: "workflow" as const, name, worker: name, exportName },
    LOADER: { type: "worker-loader" as const },
  };
}

function queueBindingsOf({ name, queue }: Companion) {
  return queue ? { [queue.binding]: { type: "queue" as const, name } } : {};
}

function queueTriggerOf({ name }: Companion) {
  return { type: "queue" as const, name, maxBatchTimeout: 0 };
}

function serving(): void {
  const [runtime] = childProcesses(process.pid);
  if (runtime !== undefined) report({ type: "serving", runtime });
}

let running: Miniflare | null = null;
let workerName = "";

async function boot(options: HostOptions): Promise<void> {
  const descriptor = await readDescriptor(options.dist);
  if (!descriptor) throw new Error(`${options.dist} holds no build; run \`npm run build\`.`);
  await migrate(descriptor, options.state);
  running = new Miniflare(await optionsOf(options, descriptor));
  workerName = descriptor.config.name;
  await running.ready;
  serving();
  if (!options.crons) return;
  for (const expression of descriptor.crons) {
    new Cron(expression, { timezone: "UTC" }, () => void fireCron(expression));
  }
}

/** Invokes the scheduled handler as the platform would; returns how it ended. */
async function fireCron(cron: string): Promise<string> {
  if (!running) return "the service is not running";
  try {
    const worker = await running.getWorker(workerName);
    const { outcome } = await worker.scheduled({ cron, scheduledTime: new Date() });
    return outcome;
  } catch (error) {
    return messageOf(error);
  }
}

async function stop(code: number): Promise<void> {
  await running?.dispose();
  process.exit(code);
}

process.on("disconnect", () => void stop(0));
process.on("message", async (raw: unknown) => {
  const message = toHostSchema.parse(raw);
  switch (message.type) {
    case "boot":
      try {
        await boot(message.options);
      } catch (error) {
        report({ type: "failed", message: messageOf(error) });
        await stop(1);
      }
      return;
    case "fire_cron":
      report({ type: "cron_fired", id: message.id, outcome: await fireCron(message.cron) });
      return;
    case "stop":
      await stop(0);
  }
});
