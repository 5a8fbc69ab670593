/** One sandbox: its life, its processes, and the connections into it. */
import { randomBytes } from "node:crypto";
import type { Isolation } from "./isolation.ts";
import { HOMES, SandboxPaths } from "./sandbox-paths.ts";
import { type EndEvent, type ProcessConfig, SandboxProcess } from "./sandbox-process.ts";

export type SandboxState = "running" | "paused";

export interface SandboxSpec {
  readonly template: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly envVars: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly secure: boolean;
  /** What the end of its time does: kill, or pause with or without memory. */
  readonly onTimeout: "kill" | "pause" | "pause_without_memory";
  readonly autoResume: boolean;
}

/** How a process ended, for who asks after it. */
export interface Ended {
  readonly pid: number;
  readonly tag: string | undefined;
  readonly end: EndEvent;
}

export interface StartOptions {
  readonly user: string;
  readonly cwd: string;
  readonly tag: string | undefined;
  readonly stdin: boolean;
  readonly timeoutMs: number;
}

const ENDED_KEPT_MS = 30_000;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export class Sandbox {
  readonly id: string;
  readonly spec: SandboxSpec;
  readonly accessToken: string | null;
  readonly paths: SandboxPaths;
  readonly root: string;
  readonly startedAt = new Date();
  readonly processes = new Map<number, SandboxProcess>();
  readonly ended = new Map<number, Ended>();
  /** What was given with an upload, by the file's path on this machine. */
  readonly fileMetadata = new Map<string, Readonly<Record<string, string>>>();
  readonly #isolation: Isolation;
  readonly #onTimeout: () => void;
  /** Each cuts a connection off. */
  readonly #connections = new Set<() => void>();
  #state: SandboxState = "running";
  #endsAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #hasMemory = true;

  constructor(
    place: { readonly id: string; readonly root: string },
    spec: SandboxSpec,
    isolation: Isolation,
    onTimeout: () => void,
  ) {
    this.id = place.id;
    this.root = place.root;
    this.spec = spec;
    this.accessToken = spec.secure ? randomBytes(32).toString("hex") : null;
    this.paths = new SandboxPaths(place.root, isolation.shared);
    this.#isolation = isolation;
    this.#onTimeout = onTimeout;
    this.setTimeout(spec.timeoutMs);
  }

  get state(): SandboxState {
    return this.#state;
  }

  get endsAt(): Date {
    return new Date(this.#endsAtMs);
  }

  /** Whether traffic alone may resume it, which takes a pause that kept memory. */
  get resumesByTraffic(): boolean {
    return this.#state === "paused" && this.spec.autoResume && this.#hasMemory;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Sets the end of its time, from now. */
  setTimeout(timeoutMs: number): void {
    this.#endsAtMs = Date.now() + timeoutMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onTimeout, timeoutMs);
  }

  /** As `setTimeout`, but never to an earlier end. */
  extendTimeout(timeoutMs: number): void {
    if (Date.now() + timeoutMs > this.#endsAtMs) this.setTimeout(timeoutMs);
  }

  /** Counts a connection into the sandbox, to be cut when it pauses or ends. */
  addConnection(cut: () => void): () => void {
    this.#connections.add(cut);
    return () => this.#connections.delete(cut);
  }

  /** Breaks every connection into it. */
  cutConnections(): void {
    for (const cut of this.#connections) cut();
    this.#connections.clear();
  }

  async pause(keepMemory: boolean): Promise<void> {
    this.#state = "paused";
    this.#hasMemory = keepMemory;
    this.#endsAtMs = Date.now();
    clearTimeout(this.#timer);
    this.cutConnections();
    await (keepMemory ? this.#isolation.freeze() : this.#isolation.killAll());
  }

  async resume(timeoutMs: number, keepMemory: boolean): Promise<void> {
    if (!keepMemory && this.#hasMemory) await this.#isolation.killAll();
    if (!keepMemory || !this.#hasMemory) {
      this.processes.clear();
      this.ended.clear();
    } else {
      await this.#isolation.thaw();
    }
    this.#state = "running";
    this.setTimeout(timeoutMs);
  }

  /** Resolves once no process of it is left and its folder is gone. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.cutConnections();
    await this.#isolation.close();
  }

  /** Makes a process that waits for its `begin`. Rejects when it cannot be made. */
  async start(config: ProcessConfig, options: StartOptions): Promise<SandboxProcess> {
    const { user, cwd, tag, stdin, timeoutMs } = options;
    const env = {
      PATH,
      HOME: HOMES[user] ?? "/",
      USER: user,
      LOGNAME: user,
      E2B_SANDBOX: "true",
      E2B_SANDBOX_ID: this.id,
      E2B_TEMPLATE_ID: this.spec.template,
      ...this.spec.envVars,
      ...config.envs,
    };
    const { cmd, args } = config;
    const spawned = await this.#isolation.spawn({ cmd, args, cwd, env, stdin });
    const { pid } = spawned;
    const onEnd = (end: EndEvent) => {
      if (this.processes.get(pid) !== process) return;
      this.processes.delete(pid);
      this.#keepEnd({ pid, tag, end });
    };
    const process = new SandboxProcess(spawned, config, { tag, timeoutMs, onEnd });
    // A pid or tag that comes back says nothing of who had it before.
    this.ended.delete(pid);
    for (const [ended, { tag: other }] of this.ended) {
      if (tag !== undefined && other === tag) this.ended.delete(ended);
    }
    this.processes.set(pid, process);
    return process;
  }

  #keepEnd(ended: Ended): void {
    this.ended.set(ended.pid, ended);
    const forget = () => {
      if (this.ended.get(ended.pid) === ended) this.ended.delete(ended.pid);
    };
    setTimeout(forget, ENDED_KEPT_MS).unref();
  }
}
