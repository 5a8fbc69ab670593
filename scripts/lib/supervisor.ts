/**
 * Keeps one service running: starts the host, notices when the runtime dies or stops answering, and
 * has it start again on the same state.
 *
 * The runtime is one process for all tasks, and on one's own machine nothing limits what a task may
 * compute: a loop without end stops every answer. So silence is treated as death: the runtime is
 * killed and comes back, and the run engine finds what was in flight.
 */
import { EventEmitter } from "node:events";
import process from "node:process";
import { makeFolder, removeFolder } from "./folders.ts";
import { HostProcess } from "./host-process.ts";
import type { HostOptions } from "./host-protocol.ts";
import { StateLock } from "./lock.ts";
import { isPortFree, probe } from "./probe.ts";
import { processorMs } from "./processes.ts";

const PROBE_INTERVAL_MS = 250;
const RECOVERY_PROBE_INTERVAL_MS = 20;
const PORT_LIMIT_MS = 1_000;
/** A runtime that has not come back by then is started anew together with its host. */
const RECOVERY_LIMIT_MS = 8_000;
/** Timers this late mean that the machine slept or is starved, not that the runtime hangs. */
const LATE_TIMER_MS = 1_000;
/** A runtime that hangs uses a processor for at least this share of the time, unless others do. */
const BUSY_SHARE = 0.7;
/** So many times the watchdog's limit a silent runtime that is given no processor is waited for. */
const PATIENCE = 4;
/** A runtime that dies sooner than this after it began to serve has failed to start. */
const SETTLED_MS = 1_000;
const FAILED_STARTS_BEFORE_PAUSE = 5;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;

export type RestartReason = "died" | "hung";

export interface SupervisorEvents {
  /** The runtime stopped answering and is being started again. */
  restarting: [reason: RestartReason];
  /** It answers again, `downtimeMs` after its last answer before. */
  recovered: [reason: RestartReason, downtimeMs: number];
  /** It keeps failing; the next try comes after a pause. */
  pausing: [pauseMs: number];
  /** A new host could not boot the service. */
  failed: [message: string];
}

export interface SupervisorOptions extends HostOptions {
  /** Silence that counts as a hang. */
  readonly watchdogMs: number;
  readonly lockPath: string;
  /** Folder of the runtime's temporary files: empty when it starts, gone when it has stopped. */
  readonly temporary: string;
  /** Called with the runtime's output as it comes; without it, output goes to this process's own. */
  readonly onOutput?: (text: string) => void;
}

/** What a runtime, by its process id, has used of the processors. */
interface Usage {
  readonly runtime: number;
  readonly usedMs: number;
}

export class Supervisor extends EventEmitter<SupervisorEvents> {
  readonly #options: SupervisorOptions;
  readonly #hostOptions: HostOptions;
  #stopping = false;
  /** Ends the pause that is being waited for. */
  #wake = (): void => undefined;
  #lock: StateLock | null = null;
  #host: HostProcess | null = null;
  #watching: Promise<void> = Promise.resolve();
  /** Counts the runtimes that have served, so that a death between two probes is not missed. */
  #generation = 0;
  #servingSince = 0;
  #failedStarts = 0;
  #pauseMs = 0;

  constructor({ watchdogMs, lockPath, temporary, onOutput, ...hostOptions }: SupervisorOptions) {
    super();
    const output = onOutput && { onOutput };
    this.#options = { watchdogMs, lockPath, temporary, ...hostOptions, ...output };
    this.#hostOptions = hostOptions;
  }

  /** The address that a client on this machine uses. */
  get url(): string {
    const { hostname, port } = this.#options;
    return `http://${reachableName(hostname)}:${port}`;
  }

  /** Process ids of the host and of the runtime; null while there is none. */
  get processes(): { readonly host: number | null; readonly runtime: number | null } {
    return { host: this.#host?.pid ?? null, runtime: this.#host?.runtime ?? null };
  }

  /** Starts the service; resolves once it answers. Throws with what to do when it cannot start. */
  async start(): Promise<void> {
    const { hostname, port, lockPath } = this.#options;
    this.#lock = StateLock.acquire(lockPath, this.url);
    process.on("exit", this.#killHost);
    try {
      if (!(await this.#isPortFree())) {
        throw new Error(
          `Port ${port} of ${hostname} is taken. Stop what listens there, or choose another port with PORT.`,
        );
      }
      this.#throwIfStopping();
      await this.#startHost();
      while ((await this.#probe()) !== "answered") {
        this.#throwIfStopping();
        await this.#pause(RECOVERY_PROBE_INTERVAL_MS);
      }
      this.#throwIfStopping();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#watching = this.#watch();
  }

  /** Stops the service and leaves no process behind. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    await this.#watching;
    await this.#host?.stop();
    process.off("exit", this.#killHost);
    // The holder of the lock alone may touch what lies beside it.
    if (this.#lock) removeFolder(this.#options.temporary);
    this.#lock?.release();
    this.#lock = null;
  }

  /** Invokes the scheduled handler of a cron expression now; resolves with its outcome. */
  async fireCron(cron: string): Promise<string> {
    if (!this.#host) throw new Error("The service is not running.");
    return this.#host.fireCron(cron);
  }

  #throwIfStopping(): void {
    if (this.#stopping) throw new Error("The service was stopped before it served.");
  }

  readonly #killHost = (): void => this.#host?.kill();

  /** Waits; cut short by `#wake`. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** A process that was just ended may hold its port a moment longer. */
  async #isPortFree(): Promise<boolean> {
    const { hostname, port } = this.#options;
    const deadline = performance.now() + PORT_LIMIT_MS;
    for (;;) {
      if (await isPortFree(hostname, port)) return true;
      if (performance.now() > deadline) return false;
      await this.#pause(RECOVERY_PROBE_INTERVAL_MS);
    }
  }

  #probe() {
    const { hostname, port, watchdogMs } = this.#options;
    return probe(hostname, port, watchdogMs);
  }

  async #startHost(): Promise<void> {
    const { temporary, onOutput } = this.#options;
    removeFolder(temporary);
    makeFolder(temporary);
    const host = new HostProcess(temporary, onOutput);
    this.#host = host;
    host.on("serving", (runtime) => {
      const now = performance.now();
      this.#failedStarts = now - this.#servingSince < SETTLED_MS ? this.#failedStarts + 1 : 0;
      this.#servingSince = now;
      this.#generation += 1;
      if (host.pid) this.#lock?.recordGroup(host.pid, [host.pid, runtime]);
      this.#wake();
    });
    // Its runtime may live on without it, answering and unwatched.
    host.once("exit", () => {
      if (host === this.#host) this.#wake();
    });
    await host.boot(this.#hostOptions);
  }

  /**
   * A runtime that got too little of the processors to have hung: it is asked again, but not for
   * ever, since one that waits for itself uses none.
   */
  #isStarved(before: Usage | null, waitedMs: number): boolean {
    const now = this.#usage();
    // What another process used says nothing of this one.
    if (now === null || now.runtime !== before?.runtime) return false;
    const { watchdogMs } = this.#options;
    return now.usedMs - before.usedMs < watchdogMs * BUSY_SHARE && waitedMs < watchdogMs * PATIENCE;
  }

  /** Processor time of the runtime; null when there is none, or nobody knows. */
  #usage(): Usage | null {
    const { runtime } = this.processes;
    const usedMs = runtime === null ? null : processorMs(runtime);
    return runtime === null || usedMs === null ? null : { runtime, usedMs };
  }

  async #watch(): Promise<void> {
    let lastAnswer = performance.now();
    let generation = this.#generation;
    let atAnswer: Usage | null = null;
    while (!this.#stopping) {
      atAnswer ??= this.#usage();
      const asked = performance.now();
      const result = await this.#probe();
      const now = performance.now();
      if (this.#stopping) return;
      if (result === "silent" && now - asked > this.#options.watchdogMs + LATE_TIMER_MS) continue;
      if (result === "silent" && this.#isStarved(atAnswer, now - lastAnswer)) continue;
      atAnswer = null;
      if (result !== "answered" || !this.#host?.isAlive) {
        await this.#recover(result === "silent" ? "hung" : "died", lastAnswer);
      } else if (generation !== this.#generation) {
        this.emit("restarting", "died");
        this.emit("recovered", "died", now - lastAnswer);
      }
      generation = this.#generation;
      lastAnswer = performance.now();
      if (lastAnswer - this.#servingSince > MAX_PAUSE_MS) this.#pauseMs = 0;
      await this.#pause(PROBE_INTERVAL_MS);
    }
  }

  async #recover(reason: RestartReason, lastAnswer: number): Promise<void> {
    this.emit("restarting", reason);
    if (reason === "hung") this.#host?.killRuntime();
    let deadline = performance.now() + RECOVERY_LIMIT_MS;
    while (!this.#stopping) {
      const overdue = performance.now() > deadline;
      if (!this.#host?.isAlive || overdue || this.#failedStarts >= FAILED_STARTS_BEFORE_PAUSE) {
        await this.#replaceHost();
        deadline = performance.now() + RECOVERY_LIMIT_MS;
      }
      const result = await this.#probe();
      if (result === "answered") {
        this.emit("recovered", reason, performance.now() - lastAnswer);
        return;
      }
      if (result === "silent") this.#host?.killRuntime();
      await this.#pause(RECOVERY_PROBE_INTERVAL_MS);
    }
  }

  /** Starts host and runtime anew: at once the first time, then with growing pauses. */
  async #replaceHost(): Promise<void> {
    this.#host?.kill();
    this.#host = null;
    if (this.#pauseMs > 0) {
      this.emit("pausing", this.#pauseMs);
      await this.#pause(this.#pauseMs);
      if (this.#stopping) return;
    }
    this.#pauseMs = Math.min(Math.max(this.#pauseMs * 2, FIRST_PAUSE_MS), MAX_PAUSE_MS);
    this.#failedStarts = 0;
    try {
      await this.#startHost();
    } catch (error) {
      // The next round replaces it.
      this.emit("failed", error instanceof Error ? error.message : String(error));
      this.#killHost();
    }
  }
}

function reachableName(hostname: string): string {
  if (hostname === "0.0.0.0" || hostname === "::") return "127.0.0.1";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
