/** The built service for black-box tests: booted as `npm start` boots it, on a state of its own. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freshDevVars } from "../../scripts/lib/dev-vars.ts";
import { freePort } from "../../scripts/lib/probe.ts";
import { signal } from "../../scripts/lib/processes.ts";
import { prepareService, type ServiceOptions } from "../../scripts/lib/service.ts";
import type { Supervisor } from "../../scripts/lib/supervisor.ts";

const CAPTURED_CHARACTERS = 256 * 1024;

export interface TestServiceOptions extends Pick<ServiceOptions, "watchdogMs" | "crons"> {
  /** Variables over the defaults. */
  readonly variables?: Readonly<Record<string, string>>;
}

export class TestService {
  readonly url: string;
  readonly key: string;
  readonly supervisor: Supervisor;
  readonly #data: string;
  readonly #output: () => string;

  private constructor(supervisor: Supervisor, key: string, data: string, output: () => string) {
    this.url = supervisor.url;
    this.key = key;
    this.supervisor = supervisor;
    this.#data = data;
    this.#output = output;
  }

  /** Builds what is not built and boots it on an empty state. Cron handlers fire only when told. */
  static async start(options: TestServiceOptions = {}): Promise<TestService> {
    const data = await mkdtemp(join(tmpdir(), "pipelzr-test-"));
    const vars = freshDevVars();
    let output = "";
    const supervisor = await prepareService({
      hostname: "127.0.0.1",
      port: await freePort(),
      data,
      variables: { ...vars, RATE_LIMIT_REQUESTS: "1000000", ...options.variables },
      crons: options.crons ?? false,
      ...(options.watchdogMs !== undefined && { watchdogMs: options.watchdogMs }),
      onOutput: (text) => {
        output = (output + text).slice(-CAPTURED_CHARACTERS);
      },
    });
    try {
      await supervisor.start();
    } catch (error) {
      await rm(data, { recursive: true, force: true });
      throw error;
    }
    return new TestService(supervisor, vars.PIPELZR_DEV_API_KEY, data, () => output);
  }

  /** What the service has printed lately, for the message of a failed expectation. */
  get output(): string {
    return this.#output();
  }

  /** Calls the service with its key; an object as `json` becomes the body. */
  fetch(path: string, init: RequestInit & { json?: unknown } = {}): Promise<Response> {
    const { json, ...rest } = init;
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) headers.set("authorization", `Bearer ${this.key}`);
    if (json === undefined) return fetch(new URL(path, this.url), { ...rest, headers });
    headers.set("content-type", "application/json");
    const method = init.method ?? "POST";
    return fetch(new URL(path, this.url), { ...rest, method, headers, body: JSON.stringify(json) });
  }

  /** Kills the runtime as `kill -9` does; it comes back by itself. */
  killRuntime(): void {
    const { runtime } = this.supervisor.processes;
    if (runtime === null) throw new Error("No runtime is running.");
    signal(runtime, "SIGKILL");
  }

  /** Kills the runtime and resolves when the service answers again; with the downtime in ms. */
  async killAndRecover(): Promise<number> {
    const recovered = once(this.supervisor, "recovered");
    this.killRuntime();
    const [, downtimeMs] = await recovered;
    return downtimeMs;
  }

  async stop(): Promise<void> {
    await this.supervisor.stop();
    await rm(this.#data, { recursive: true, force: true });
  }
}
