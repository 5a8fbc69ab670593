/** One process of a sandbox, and who listens to it. */
import type { Readable } from "node:stream";
import type { Spawned } from "./isolation.ts";

export interface ProcessConfig {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly envs: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
}

/** As the wire says it, where a field of value zero is left out. */
export interface EndEvent {
  readonly exitCode: number;
  readonly exited: boolean;
  readonly status: string;
  readonly error?: string;
}

export interface Listener {
  /** A promise asks to hold further output back until it resolves. */
  output(stream: "stdout" | "stderr", chunk: Buffer): Promise<void> | undefined;
  end(event: EndEvent): void;
}

const MAX_CHUNK_BYTES = 32 * 1024;
/** What a killed process wrote before is read within this; what it started may hold the pipes on. */
const DRAIN_MS = 50;

const SIGNAL_WORDS: Partial<Record<NodeJS.Signals, string>> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGQUIT: "quit",
  SIGABRT: "aborted",
  SIGKILL: "killed",
  SIGSEGV: "segmentation fault",
  SIGPIPE: "broken pipe",
  SIGALRM: "alarm clock",
  SIGTERM: "terminated",
};

function endOf(code: number | null, signal: NodeJS.Signals | null): EndEvent {
  if (signal !== null) {
    const status = `signal: ${SIGNAL_WORDS[signal] ?? signal}`;
    return { exitCode: -1, exited: false, status, error: status };
  }
  const status = `exit status ${code ?? 0}`;
  return { exitCode: code ?? 0, exited: true, status, ...(code !== 0 && { error: status }) };
}

/** A process whose time is over is killed after the stream of its request has said so. */
const AFTER_STREAM_MS = 50;

export class SandboxProcess {
  readonly pid: number;
  readonly tag: string | undefined;
  readonly config: ProcessConfig;
  readonly #spawned: Spawned;
  readonly #listeners = new Set<Listener>();
  readonly #timer: NodeJS.Timeout | null;
  readonly #streams: readonly Readable[];
  readonly #finish: (event: EndEvent) => void;
  #exit: EndEvent | null = null;
  #isCut = false;
  #isOver = false;

  /** `onEnd` is called once, before any listener hears of the end. */
  constructor(
    spawned: Spawned,
    config: ProcessConfig,
    options: {
      readonly tag: string | undefined;
      /** 0 for none. */
      readonly timeoutMs: number;
      readonly onEnd: (event: EndEvent) => void;
    },
  ) {
    const { child, pid } = spawned;
    this.pid = pid;
    this.tag = options.tag;
    this.config = config;
    this.#spawned = spawned;
    this.#streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
    child.stdout?.on("data", (chunk: Buffer) => this.#output("stdout", chunk));
    child.stderr?.on("data", (chunk: Buffer) => this.#output("stderr", chunk));
    const { timeoutMs, onEnd } = options;
    const kill = () => this.signal("SIGKILL");
    this.#timer = timeoutMs > 0 ? setTimeout(kill, timeoutMs + AFTER_STREAM_MS) : null;
    this.#finish = (event) => {
      if (this.#isOver) return;
      this.#isOver = true;
      if (this.#timer) clearTimeout(this.#timer);
      onEnd(event);
      for (const listener of this.#listeners) listener.end(event);
    };
    child.once("exit", (code, signal) => {
      this.#exit = endOf(code, signal);
      if (this.#isCut) this.#cut(this.#exit);
    });
    // Whatever holds its output open keeps a process running in envd's eyes, unless it was killed.
    child.once("close", (code, signal) => this.#finish(endOf(code, signal)));
  }

  #cut(end: EndEvent): void {
    setTimeout(() => {
      for (const stream of this.#streams) stream.destroy();
      this.#finish(end);
    }, DRAIN_MS);
  }

  #output(stream: "stdout" | "stderr", chunk: Buffer): void {
    const waits: Promise<void>[] = [];
    for (let start = 0; start < chunk.length; start += MAX_CHUNK_BYTES) {
      const part = chunk.subarray(start, start + MAX_CHUNK_BYTES);
      for (const listener of this.#listeners) {
        const wait = listener.output(stream, part);
        if (wait) waits.push(wait);
      }
    }
    if (waits.length === 0) return;
    for (const source of this.#streams) source.pause();
    void Promise.all(waits).then(() => {
      for (const source of this.#streams) source.resume();
    });
  }

  /** Starts the command, which waits until then. */
  begin(): void {
    this.#spawned.begin();
  }

  /** What was written before is not told again. */
  listen(listener: Listener): void {
    this.#listeners.add(listener);
  }

  unlisten(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Signals this one process: what it started goes on. */
  signal(name: "SIGTERM" | "SIGKILL"): void {
    this.#isCut = true;
    if (this.#exit) this.#cut(this.#exit);
    else this.#spawned.signal(name);
  }

  /** Resolves with whether it has an input that is open. */
  writeStdin(data: Buffer): Promise<boolean> {
    const { stdin } = this.#spawned.child;
    if (!stdin?.writable) return Promise.resolve(false);
    return new Promise((resolve) => stdin.write(data, (error) => resolve(!error)));
  }

  closeStdin(): void {
    this.#spawned.child.stdin?.end();
  }
}
