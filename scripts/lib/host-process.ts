/** One run of the host, and through it of the runtime, from outside. */
import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter, on, once } from "node:events";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fromHostSchema, type HostOptions, type ToHost } from "./host-protocol.ts";
import { rootPath } from "./paths.ts";
import { isGroupAlive, killGroup, signal } from "./processes.ts";

const BOOT_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 5_000;
/** A killed process may take this long to be gone; what nobody reaps would never be. */
const DEATH_LIMIT_MS = 2_000;
const DEATH_CHECK_MS = 5;

export interface HostEvents {
  /** The runtime serves under this process id, at first or again. */
  serving: [runtime: number];
  exit: [];
}

export class HostProcess extends EventEmitter<HostEvents> {
  readonly #process: ChildProcess;
  #runtime: number | null = null;
  #lastCron = 0;

  /**
   * Starts the process, which keeps its temporary files in a folder of ours. Without `onOutput`,
   * what the runtime prints goes to this process's own output.
   */
  constructor(temporary: string, onOutput: ((text: string) => void) | undefined) {
    super();
    const stream = onOutput ? "pipe" : "inherit";
    // Its own process group, which the runtime joins: one signal ends both.
    this.#process = fork(rootPath("scripts/host.ts"), [], {
      detached: true,
      env: { ...process.env, TMPDIR: temporary, TEMP: temporary, TMP: temporary },
      stdio: ["ignore", stream, stream, "ipc"],
    });
    for (const output of [this.#process.stdout, this.#process.stderr]) {
      output?.setEncoding("utf8").on("data", (text: string) => onOutput?.(text));
    }
    this.#process.on("message", (raw) => {
      const message = fromHostSchema.parse(raw);
      if (message.type !== "serving") return;
      this.#runtime = message.runtime;
      this.emit("serving", message.runtime);
    });
    this.#process.once("exit", () => this.emit("exit"));
  }

  get pid(): number | null {
    return this.#process.pid ?? null;
  }

  /** Process id of the runtime; null until it serves. */
  get runtime(): number | null {
    return this.#runtime;
  }

  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Boots the service; resolves when the runtime serves, throws with the reason when it cannot. */
  async boot(options: HostOptions): Promise<void> {
    const limit = AbortSignal.timeout(BOOT_LIMIT_MS);
    this.#tell({ type: "boot", options });
    for await (const message of this.#messages(limit)) {
      if (message.type === "serving") return;
      if (message.type === "failed")
        throw new Error(`The service cannot start: ${message.message}`);
    }
    throw new Error("The service's host ended before it served.");
  }

  /** Invokes the scheduled handler of a cron expression; resolves with its outcome. */
  async fireCron(cron: string): Promise<string> {
    this.#lastCron += 1;
    const id = this.#lastCron;
    this.#tell({ type: "fire_cron", id, cron });
    for await (const message of this.#messages()) {
      if (message.type === "cron_fired" && message.id === id) return message.outcome;
    }
    throw new Error("The service's host ended before the cron handler did.");
  }

  /** Ends the runtime alone, at once; the host starts it again. */
  killRuntime(): void {
    if (this.#runtime === null) return;
    signal(this.#runtime, "SIGKILL");
    this.#runtime = null;
  }

  /** Ends host and runtime at once. */
  kill(): void {
    if (this.#process.pid) killGroup(this.#process.pid);
  }

  /** Ends host and runtime in order, and at once what does not end in time; resolves when both are gone. */
  async stop(): Promise<void> {
    if (this.isAlive) {
      const exited = once(this.#process, "exit");
      this.#tell({ type: "stop" });
      await Promise.race([exited, delay(STOP_LIMIT_MS, undefined, { ref: false })]);
    }
    this.kill();
    const { pid } = this.#process;
    const deadline = performance.now() + DEATH_LIMIT_MS;
    while (pid && isGroupAlive(pid) && performance.now() < deadline) await delay(DEATH_CHECK_MS);
  }

  #tell(message: ToHost): void {
    if (this.#process.connected) this.#process.send(message);
  }

  /** The host's messages until it ends. */
  async *#messages(signal?: AbortSignal) {
    const options = { close: ["exit"], ...(signal && { signal }) };
    for await (const [raw] of on(this.#process, "message", options)) {
      yield fromHostSchema.parse(raw);
    }
  }
}
