/**
 * A fake of E2B that speaks its wire: the control plane, the proxy and envd on one port of this
 * machine, with real processes behind it. Where it is not faithful, the answer says so:
 * terminals, watching, ports of users, snapshots, forks, network rules and metrics are not there.
 * `sandbox-paths.ts` says how paths of a sandbox map to this machine.
 */
import { once } from "node:events";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  answerAdmin,
  describeState,
  type Inspected,
  isAdminPath,
  type StateSnapshot,
} from "./admin.ts";
import { ControlPlane } from "./control-plane.ts";
import { Envd, targetOf } from "./envd.ts";
import { Exchange, HttpError } from "./exchange.ts";
import { Faults } from "./faults.ts";
import { chooseIsolation, type IsolationKind } from "./isolation.ts";
import { Sandboxes } from "./sandboxes.ts";

export const FAKE_API_KEY = `e2b_${"0".repeat(40)}`;
const HOST = "127.0.0.1";
const RESUME_SECONDS = 300;
const DEFAULT_MAX_TIMEOUT_SECONDS = 24 * 3_600;
const KEEP_ALIVE_MS = 120_000;

export interface FakeE2BOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  readonly apiKey?: string;
  /** Templates that exist; any does by default. */
  readonly templates?: readonly string[];
  /** Sandboxes that may run at once; without end by default. */
  readonly maxConcurrent?: number;
  /** Without end by default. */
  readonly createsPerSecond?: number;
  readonly maxTimeoutSeconds?: number;
  /** The best there is by default. */
  readonly isolation?: IsolationKind;
}

export interface FakeE2B {
  readonly port: number;
  /** For the SDK's option `apiUrl`. */
  readonly apiUrl: string;
  /** For the SDK's option `sandboxUrl`. */
  readonly sandboxUrl: string;
  readonly apiKey: string;
  readonly faults: Faults;
  inspect(): StateSnapshot;
  /** Kills a sandbox as its node's death would; resolves with whether there was one. */
  loseSandbox(id: string): Promise<boolean>;
  /** Resolves once no process, folder or connection is left. */
  stop(): Promise<void>;
}

const delay = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

class Server {
  readonly #envd: Envd;
  readonly #controlPlane: ControlPlane;
  readonly #inspected: Inspected;

  constructor(envd: Envd, controlPlane: ControlPlane, inspected: Inspected) {
    this.#envd = envd;
    this.#controlPlane = controlPlane;
    this.#inspected = inspected;
  }

  async #route(exchange: Exchange): Promise<void> {
    if (isAdminPath(exchange.url.pathname)) return answerAdmin(exchange, this.#inspected);
    const { refuse_all: refuses, latency_ms: latencyMs } = this.#inspected.faults.settings;
    if (refuses) return exchange.drop();
    if (latencyMs > 0) await delay(latencyMs);
    const target = targetOf(exchange);
    return target ? this.#envd.handle(exchange, target) : this.#controlPlane.handle(exchange);
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = new Exchange(request, response);
    try {
      await this.#route(exchange);
    } catch (error) {
      // A connection that broke, by whichever side, can be told nothing.
      if (exchange.isDropped) return;
      if (response.headersSent) return exchange.drop();
      exchange.refuse(error instanceof HttpError ? error : new HttpError(500, String(error)));
    }
  }
}

/** Starts a fake and resolves once it listens. */
export async function startFakeE2B(options: FakeE2BOptions = {}): Promise<FakeE2B> {
  const isolation = await chooseIsolation(options.isolation);
  const folder = await mkdtemp(join(await realpath(tmpdir()), "pipelzr-e2b-"));
  const faults = new Faults();
  const sandboxes = new Sandboxes(folder, isolation.open, {
    maxConcurrent: options.maxConcurrent ?? Number.POSITIVE_INFINITY,
    createsPerSecond: options.createsPerSecond ?? Number.POSITIVE_INFINITY,
  });
  const apiKey = options.apiKey ?? FAKE_API_KEY;
  const controlPlane = new ControlPlane(sandboxes, faults, {
    apiKey,
    templates: options.templates ?? null,
    maxTimeoutSeconds: options.maxTimeoutSeconds ?? DEFAULT_MAX_TIMEOUT_SECONDS,
  });
  const inspected: Inspected = { isolation: isolation.kind, sandboxes, faults, controlPlane };
  const envd = new Envd(sandboxes, faults, RESUME_SECONDS);
  const service = new Server(envd, controlPlane, inspected);
  const server = createServer((request, response) => void service.answer(request, response));
  server.on("clientError", (_, socket) => socket.destroy());
  // A client's pool may send a request on a connection at the very moment at which it is closed.
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const removeFolder = () => rm(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    server.listen(options.port ?? 0, HOST);
    await once(server, "listening");
  } catch (error) {
    await removeFolder();
    throw error;
  }
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const url = `http://${HOST}:${port}`;
  const stop = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await sandboxes.killAll();
    await closed;
    await removeFolder();
  };
  let stopping: Promise<void> | undefined;
  return {
    port,
    apiUrl: url,
    sandboxUrl: url,
    apiKey,
    faults,
    inspect: () => describeState(inspected),
    loseSandbox: (id) => sandboxes.kill(id),
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}
