/** A companion runner beside a local service: registered once, started, and kept running. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { Api } from "./api.ts";
import { rootPath } from "./paths.ts";

/** The exit code of a runner that cannot work as things are; it has said why. */
const UNABLE = 1;
/** Starts that end so before it is given up: the one before may still be about to end. */
const MAX_UNABLE = 4;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 30_000;
/** A runner that ran this long had started well. */
const SETTLED_MS = 30_000;
/** How long attempts may go on when the runner is stopped, and the runner after that. */
const DRAIN_SECONDS = 2;
const KILL_MS = 5_000;

const createdSchema = z.object({ token: z.string() });

export interface LocalRunnerOptions {
  readonly url: string;
  /** An API key that may register runners. */
  readonly key: string;
  /** Its state folder. */
  readonly folder: string;
  /** Options of the runner, beyond where the service and its state are. */
  readonly flags: readonly string[];
  /** Hears what the runner prints. */
  onOutput(text: string): void;
}

export class LocalRunner {
  readonly #options: LocalRunnerOptions;
  #child: ChildProcess | null = null;
  #isStopping = false;
  #kept: Promise<void> = Promise.resolve();

  constructor(options: LocalRunnerOptions) {
    this.#options = options;
  }

  /** Process id of the runner; null while none runs. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Registers the runner if it is new, and starts it. Throws when the service does not let it. */
  async start(): Promise<void> {
    const { url, key, folder } = this.#options;
    let registration: readonly string[] = [];
    if (!existsSync(join(folder, "runner.json"))) {
      const json = { name: "local", shared: true };
      const reply = await new Api(url, key).call("POST", "/runners", { json });
      registration = ["--token", createdSchema.parse(await reply.json()).token];
    }
    if (!this.#isStopping) this.#kept = this.#keep(registration);
  }

  /** Lets attempts end for a moment, then ends it. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const child = this.#child;
    child?.kill("SIGTERM");
    const limit = setTimeout(() => child?.kill("SIGKILL"), DRAIN_SECONDS * 1_000 + KILL_MS);
    await this.#kept;
    clearTimeout(limit);
  }

  async #keep(registration: readonly string[]): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    let unable = 0;
    while (!this.#isStopping) {
      const began = performance.now();
      unable = (await this.#run(registration)) === UNABLE ? unable + 1 : 0;
      if (this.#isStopping || unable === MAX_UNABLE) return;
      if (performance.now() - began > SETTLED_MS) pauseMs = FIRST_PAUSE_MS;
      await delay(pauseMs, undefined, { ref: false });
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
    }
  }

  /** Runs it once; resolves to its exit code. */
  async #run(registration: readonly string[]): Promise<unknown> {
    const { url, folder, flags, onOutput } = this.#options;
    const main = rootPath("containers/runner/src/main.ts");
    const place = ["--url", url, "--state-dir", folder];
    const end = ["--tied", "--drain-seconds", String(DRAIN_SECONDS)];
    const child = spawn(process.execPath, [main, ...place, ...end, ...registration, ...flags], {
      // Signals of the terminal are for the parent, which stops it in order; its end of the pipe
      // closes with the parent, however that ends.
      detached: true,
      stdio: ["pipe", "ignore", "pipe"],
    });
    this.#child = child;
    child.stderr.setEncoding("utf8").on("data", onOutput);
    const [code] = await once(child, "exit");
    return code;
  }
}

/** Whether a program is found in $PATH. */
export function isInstalled(program: string, path: string = process.env.PATH ?? ""): boolean {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return folder !== "";
    } catch {
      return false;
    }
  });
}
