/** A companion runner for black-box tests: the real process, on a state folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { expect, vi } from "vitest";
import { z } from "zod";
import { rootPath } from "../../scripts/lib/paths.ts";
import type { Client } from "./client.ts";

const PATIENCE = { timeout: 30_000, interval: 20 };
const createdSchema = z.object({ id: z.string(), token: z.string() });
const stateSchema = z.object({ state: z.string() });

export class RunnerProcess {
  readonly id: string;
  readonly #client: Client;
  readonly #folder: string;
  /** Where the runner finds the service. */
  readonly #url: string;
  #process: ChildProcess | null = null;
  #output = "";

  private constructor(client: Client, id: string, folder: string, url: string) {
    this.#client = client;
    this.id = id;
    this.#folder = folder;
    this.#url = url;
  }

  /**
   * Registers a runner of the default project, starts it and waits until it is connected. `url` is
   * the way that it takes to the service.
   */
  static async start(
    client: Client,
    url = client.service.url,
    ...options: string[]
  ): Promise<RunnerProcess> {
    const reply = await client.call("/api/v1/runners", { json: { name: "test" } });
    expect(reply.status, reply.text).toBe(201);
    const { id, token } = createdSchema.parse(reply.json);
    const folder = await mkdtemp(join(tmpdir(), "pipelzr-runner-"));
    const runner = new RunnerProcess(client, id, folder, url);
    await runner.run("--token", token, ...options);
    return runner;
  }

  /** What it has printed. */
  get output(): string {
    return this.#output;
  }

  /** Starts the process; after the first time it needs no token. */
  async run(...options: string[]): Promise<void> {
    const main = rootPath("containers/runner/src/main.ts");
    const shared = [
      "--url",
      this.#url,
      "--state-dir",
      this.#folder,
      "--allow-subprocess",
      "--no-dagger",
    ];
    const child = spawn(process.execPath, [main, ...shared, ...options], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
      });
    }
    await this.is("connected");
  }

  /** Waits until the service says so of it. */
  async is(state: string): Promise<void> {
    const read = async () => {
      const reply = await this.#client.call(`/api/v1/runners/${this.id}`);
      return stateSchema.parse(reply.json).state;
    };
    await vi.waitFor(async () => expect(await read(), this.#output).toBe(state), PATIENCE);
  }

  async kill(name: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(name);
    await exited;
  }

  async stop(): Promise<void> {
    await this.kill("SIGTERM");
    await rm(this.#folder, { recursive: true, force: true });
  }
}
