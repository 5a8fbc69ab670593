/** Runs one process with all that it starts, to their end. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { type Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
import type { LogStream } from "../../../../workers/executors/port.ts";
import { ProcessTree } from "../processes.ts";
import { graceOf } from "../stop-grace.ts";

export interface ProcessSpec {
  readonly command: readonly string[];
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What the command reads from EXTRA_ARGUMENTS_FD; null for a command that reads nothing there. */
  readonly extraArguments: string | null;
  /** Value of MARK in the environment. */
  readonly mark: string;
  /** The process is a sandbox around the code. */
  readonly isWrapped: boolean;
}

export interface ProcessEvents {
  /** The process runs. */
  started(pid: number): void;
  output(stream: LogStream, text: string): void;
  /** Tells whoever runs the runner. */
  warn(message: string): void;
}

/** The descriptor that takes arguments which are nobody else's to read. */
export const EXTRA_ARGUMENTS_FD = 3;
const POLL_MS = 20;
/** The exit code of what SIGKILL ended. */
const KILLED = 137;
/** What is still in the pipes when all processes are gone is read at once. */
const DRAIN_MS = 2_000;

function follow(readable: Readable, take: (text: string) => void): void {
  // Pieces end within characters; a decoder that streams holds the half back.
  const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
  readable.on("data", (piece: Buffer) => take(decoder.decode(piece, { stream: true })));
  readable.on("end", () => take(decoder.decode()));
}

/** The type of a process environment names variables of the Worker; a task has none of them. */
function onlyThese(variables: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return Object.assign(Object.create(null), variables);
}

function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  if (code !== null) return code;
  return 128 + (signal === null ? 0 : constants.signals[signal]);
}

/**
 * Resolves with the exit code, 128 + n after signal n, once every process has ended. An abort asks
 * them to end, and kills them after the grace; rejects with AttemptFailed when nothing could start.
 */
export async function runProcess(
  { command, directory, environment, extraArguments, mark, isWrapped }: ProcessSpec,
  events: ProcessEvents,
  signal: AbortSignal,
): Promise<number> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, {
    cwd: directory,
    env: onlyThese(environment),
    detached: true,
    stdio: ["ignore", "pipe", "pipe", extraArguments === null ? "ignore" : "pipe"],
  });
  const extra = child.stdio[EXTRA_ARGUMENTS_FD];
  // A command that ends before it has read all of them says so itself.
  if (extra instanceof Writable) extra.on("error", () => {}).end(extraArguments);
  if (child.stdout === null || child.stderr === null || child.pid === undefined) {
    const [error]: unknown[] = await once(child, "error");
    throw new AttemptFailed(
      "error",
      "process_not_started",
      `The runner could not start ${file}: ${error instanceof Error ? error.message : error}. Check that it is installed there, and that the runner may start processes.`,
    );
  }
  const tree = new ProcessTree(child.pid, mark, isWrapped);
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const exited = new Promise<number>((resolve) => {
    child.once("exit", (code, by) => resolve(exitCodeOf(code, by)));
  });
  try {
    events.started(child.pid);
  } catch (error) {
    await tree.destroy();
    throw error;
  }
  follow(child.stdout, (text) => events.output("stdout", text));
  follow(child.stderr, (text) => events.output("stderr", text));
  const stopping = Promise.withResolvers<void>();
  let isStopping = false;
  const stop = () => {
    if (isStopping) return;
    isStopping = true;
    stopping.resolve(endGracefully(tree, graceOf(signal)));
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  // What the kernel cannot end does not exit either: then the end of the attempts to kill it counts.
  const exitCode = await Promise.race([exited, stopping.promise.then(() => KILLED)]);
  signal.removeEventListener("abort", stop);
  if (isStopping) await stopping.promise;
  // The attempt ends with its first process: what that left behind is killed.
  if (!(await tree.destroy())) {
    events.warn(
      `processes ${tree.remaining().join(", ")} of a task cannot be ended: they are another user's, or wait for a device. End them by hand.`,
    );
  }
  await Promise.race([closed, delay(DRAIN_MS, undefined, { ref: false })]);
  child.stdout.destroy();
  child.stderr.destroy();
  return exitCode;
}

async function endGracefully(tree: ProcessTree, graceMs: number): Promise<void> {
  const killAt = performance.now() + graceMs;
  tree.terminate();
  while (!tree.isGone() && performance.now() < killAt) await delay(POLL_MS);
  await tree.destroy();
}
