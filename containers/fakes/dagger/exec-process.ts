/** Starts a command in its sandbox and ends it, with everything that it has started. */
import { type SpawnOptions, spawn } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";
import { Readable } from "node:stream";
import { EngineError, hasCode } from "./errors.ts";
import type { PreparedContainer } from "./exec-container.ts";
import type { OutputCapture } from "./exec-output.ts";
import { sandboxCommandLine } from "./sandbox.ts";

export interface ProcessRequest {
  readonly container: PreparedContainer;
  readonly command: readonly string[];
  readonly environment: ReadonlyMap<string, string>;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly stdin: Buffer | null;
  readonly output: OutputCapture;
  readonly signal: AbortSignal;
  started(): void;
}

/** Resolves with the exit code; a signal counts as 128 plus its number. */
export function runProcess(request: ProcessRequest): Promise<number> {
  const { container, command, environment, user, stdin, output, signal } = request;
  const { mode, root, mountsFile, workdir, locks } = container;
  const [file = "", ...args] = sandboxCommandLine({
    ...{ mode, root, mountsFile, workdir, locks, user, environment, args: command },
  });
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve(128 + constants.signals.SIGKILL);
    const options: SpawnOptions = {
      // A group of its own, so that one signal reaches all of it.
      detached: true,
      stdio: ["pipe", "pipe", "pipe", "pipe"],
    };
    // Assigned, because the type of an environment asks for this project's variables.
    const child = spawn(
      file,
      args,
      Object.assign(options, { env: Object.fromEntries(environment) }),
    );
    const kill = () => {
      if (child.pid !== undefined) killGroup(child.pid);
    };
    child.stdin?.on("error", () => {}); // The command may end without having read it.
    child.stdin?.end(stdin ?? undefined);
    child.stdout?.on("data", (chunk: Buffer) => output.push("stdout", chunk));
    child.stderr?.on("data", (chunk: Buffer) => output.push("stderr", chunk));
    const complaint = collect(child.stdio[3]);
    child.once("error", (error) => {
      reject(new EngineError(`cannot start a sandbox: ${error.message}`));
    });
    child.once("spawn", () => {
      signal.addEventListener("abort", kill, { once: true });
      request.started();
    });
    child.once("close", (code, signalName) => {
      signal.removeEventListener("abort", kill);
      if (complaint() !== "") reject(new EngineError(`cannot mount: ${complaint().trim()}`));
      else resolve(code ?? 128 + constants.signals[signalName ?? "SIGKILL"]);
    });
  });
}

function collect(stream: unknown): () => string {
  const chunks: Buffer[] = [];
  if (stream instanceof Readable) stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if (!hasCode(error, "ESRCH")) throw error;
  }
}
