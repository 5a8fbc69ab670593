/** Starts the process that drives an attempt, hears what it reports and sees to its end. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { AttemptFailed } from "../../../../workers/executors/outcome.ts";
import type { LogStream } from "../../../../workers/executors/port.ts";
import { rememberProcess } from "../leftovers.ts";
import { MARK, ProcessTree } from "../processes.ts";
import { graceOf } from "../stop-grace.ts";
import { fromChildSchema, type Job, type Report, type ToChild } from "./protocol.ts";

const CHILD = join(import.meta.dirname, "child.ts");
const STDERR_TAIL_CHARS = 2_000;
const POLL_MS = 20;
/** Between the last word of the process and its end, which closes the session. */
const CLOSE_MS = 5_000;
/** Between the end of a process and the news of it. */
const EXIT_MS = 1_000;

export interface DriverOptions {
  /** Of the process and its CLI; nothing else of the runner's environment reaches them. */
  readonly environment: Readonly<Record<string, string>>;
  /** Value of MARK, by which both are found. */
  readonly mark: string;
  /** Takes output and says whether more is wanted. */
  readonly log: (stream: LogStream, text: string) => boolean;
}

/**
 * Resolves once every process of the attempt has ended; rejects with AttemptFailed. After an abort it
 * resolves with null.
 */
export async function drive(
  job: Job,
  { environment, mark, log }: DriverOptions,
  signal: AbortSignal,
): Promise<Report | null> {
  // Assigned, because the type of an environment asks for the Worker's variables.
  const env: NodeJS.ProcessEnv = Object.assign(Object.create(null), environment, { [MARK]: mark });
  const child = fork(CHILD, [], {
    env,
    // A group of its own, so that one signal reaches the process and its CLI.
    detached: true,
    execArgv: ["--disable-warning=ExperimentalWarning"],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  const exited = new Promise<string>((resolve) => {
    child.once("exit", (code, by) => resolve(by ?? `code ${code}`));
    child.once("error", (error) => resolve(error.message));
  });
  const { pid } = child;
  if (pid === undefined) throw crash(`it did not start, ${await exited}`);
  const tree = new ProcessTree(pid, mark, false);
  let isHeard = false;
  try {
    rememberProcess(job.folder, pid);
    isHeard = true;
    return await Promise.race([
      heard(child, job, log),
      crashed(child, exited),
      aborted(signal).then(() => null),
    ]);
  } finally {
    if (signal.aborted) tree.terminate();
    // One that was never given its job would not end by itself.
    await ended(tree, signal.aborted ? graceOf(signal) : isHeard ? CLOSE_MS : 0);
    // What the kernel cannot end does not exit, and its attempt must not hold a slot for good.
    await Promise.race([exited, delay(EXIT_MS, undefined, { ref: false })]);
    child.removeAllListeners("message");
  }
}

/** Waits for the processes to end, and kills those that take longer. */
async function ended(tree: ProcessTree, limitMs: number): Promise<void> {
  const killAt = performance.now() + limitMs;
  while (!tree.isGone() && performance.now() < killAt) await delay(POLL_MS);
  await tree.destroy();
}

function heard(child: ChildProcess, job: Job, log: DriverOptions["log"]): Promise<Report> {
  const tell = (message: ToChild) => void child.send(message, () => {});
  return new Promise((resolve, reject) => {
    let isQuiet = false;
    child.on("message", (value) => {
      const parsed = fromChildSchema.safeParse(value);
      if (!parsed.success) return reject(crash("it sent what the runner cannot read"));
      const message = parsed.data;
      switch (message.type) {
        case "log": {
          const isWanted = message.entries.map(([stream, text]) => log(stream, text));
          if (isQuiet || !isWanted.includes(false)) return;
          isQuiet = true;
          return tell({ type: "quiet" });
        }
        case "ended":
          return resolve(message.report);
        case "failed":
          return reject(new AttemptFailed(message.reason, message.code, message.message));
      }
    });
    tell({ type: "run", job });
  });
}

async function crashed(child: ChildProcess, exited: Promise<string>): Promise<never> {
  let tail = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-STDERR_TAIL_CHARS);
  });
  const how = await exited;
  // What it sent before is heard first.
  if (child.connected) await once(child, "disconnect");
  await new Promise<void>((resolve) => setImmediate(resolve));
  throw crash(`it ended with ${how}${tail === "" ? "" : `: ${tail.trim()}`}`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function crash(why: string): AttemptFailed {
  return new AttemptFailed(
    "lost",
    "driver_lost",
    `The process that drives the Dagger engine is gone: ${why}. Retry the task; if it repeats, see whether the runner's machine is out of memory.`,
  );
}
