/**
 * One engine session: the CLI that holds it, and where it listens. The CLI is started here and not by
 * the SDK, which does not tell the port that the logs are read from, waits five minutes for an engine
 * and leaves an unhandled rejection when there is none.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { z } from "zod";
import { SDK_VERSION } from "./version.ts";

const STDERR_TAIL_CHARS = 4_000;
/** The CLI tells the engine and waits for its answer; a session ends with its CLI in any case. */
const CLOSE_MS = 2_000;
/** Between a kill and the end; what waits for a dead disk does not end at all. */
const EXIT_MS = 1_000;

const connectSchema = z.object({ port: z.int().positive(), session_token: z.string().min(1) });

export interface Session {
  readonly port: number;
  readonly token: string;
  /** Resolves once the CLI has ended, and with it all that the session executes. */
  close(): Promise<void>;
}

export interface SessionOptions {
  readonly cli: string;
  /** Relative paths of the host begin here. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** No session could be opened; `message` says why and what to do. */
export class NoSession extends Error {
  constructor(message: string) {
    super(message);
    this.name = "NoSession";
  }
}

/** A line of the CLI's progress that tells a problem: "5   : ┆ ┆ ! connection refused". */
const PROBLEM = /^\d+\s*:(?:\s|┆)*!\s*(.*)$/;
/** Of use to whoever has the engine's traces alone. */
const TRACE = / \[traceparent:[^\]]*\]/g;

/** What the CLI says went wrong; while it tries again and again, its last problem. */
function cause(words: string): string {
  const lines = stripVTControlCharacters(words)
    .split("\n")
    .map((line) => line.trim());
  const problem = lines.findLast((line) => PROBLEM.test(line));
  const said =
    lines.findLast((line) => line.startsWith("Error:")) ?? problem?.replace(PROBLEM, "$1") ?? "";
  return said
    .replace(/^Error:\s*/, "")
    .replace(TRACE, "")
    .replace(/[.\s]+$/, "");
}

const inBrackets = (text: string) => (text === "" ? "" : ` (${text})`);

function follow(readable: Readable): () => string {
  let tail = "";
  readable.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-STDERR_TAIL_CHARS);
  });
  return () => tail;
}

export async function openSession(options: SessionOptions): Promise<Session> {
  const { cli, folder, environment, timeoutMs, signal } = options;
  const labels = ["dagger.io/sdk.name:nodejs", `dagger.io/sdk.version:${SDK_VERSION}`];
  const args = ["session", "--workdir", folder, ...labels.flatMap((label) => ["--label", label])];
  // Assigned, because the type of an environment asks for the Worker's variables.
  const env: NodeJS.ProcessEnv = Object.assign(Object.create(null), environment);
  const process = spawn(cli, args, { env, stdio: ["pipe", "pipe", "pipe"] });
  const exited = new Promise<void>((resolve) => {
    process.once("exit", () => resolve());
    process.once("error", () => resolve());
  });
  const lastWords = follow(process.stderr);
  process.stdin.on("error", () => {}); // It may be gone before its input is closed.
  const close = async () => {
    process.stdin.end();
    process.kill("SIGTERM");
    await Promise.race([exited, delay(CLOSE_MS, undefined, { ref: false })]);
    process.kill("SIGKILL");
    await Promise.race([exited, delay(EXIT_MS, undefined, { ref: false })]);
  };
  const waiting = new AbortController();
  try {
    const line = await Promise.race([
      firstLine(process.stdout),
      notStarted(process, cli),
      exited.then(() => closed(process.stderr)).then(() => null),
      delay(timeoutMs, "late" as const, { signal: waiting.signal }),
      ...(signal === undefined ? [] : [aborted(signal)]),
    ]);
    if (line === "late") {
      throw new NoSession(
        `No Dagger engine answered within ${Math.round(timeoutMs / 1000)} s${inBrackets(cause(lastWords()))}. Check that the engine runs, and that the runner may reach it.`,
      );
    }
    const parsed = connectSchema.safeParse(line === null ? null : parseJson(line));
    if (!parsed.success) {
      throw new NoSession(
        `No Dagger engine answers: ${cause(lastWords()) || "the CLI does not say why"}. Start the engine, or give the runner the address of one that runs.`,
      );
    }
    process.stdout.resume();
    const { port, session_token: token } = parsed.data;
    return { port, token, close };
  } catch (error) {
    await close();
    throw error;
  } finally {
    waiting.abort();
  }
}

async function firstLine(readable: Readable): Promise<string> {
  for await (const line of createInterface({ input: readable })) return line;
  // Its end says more.
  return new Promise(() => {});
}

/** Everything it said has been read. */
function closed(readable: Readable): Promise<void> {
  if (readable.readableEnded || readable.destroyed) return Promise.resolve();
  return new Promise((resolve) => readable.once("close", () => resolve()));
}

function notStarted(process: ReturnType<typeof spawn>, cli: string): Promise<never> {
  return new Promise((_, reject) => {
    process.once("error", (error) => {
      reject(
        new NoSession(
          `The Dagger CLI ${cli} cannot be started: ${error.message}. Install the CLI of version ${SDK_VERSION} there, or give the runner its path.`,
        ),
      );
    });
  });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(new NoSession("It was stopped before an engine answered."));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
