/**
 * Starts a process that waits at a gate: it tells its pid, and its command begins when it is told
 * to, so that nothing it writes comes before somebody listens.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { Duplex, type Readable, type Stream } from "node:stream";

const GATE = 3;

/** For a shell: waits at the gate, then leaves no trace of it to the command. */
export const PASS_GATE = `echo $$ >&${GATE}; read -r _ <&${GATE} || exit 1; exec ${GATE}>&-; `;

export interface Launch {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: boolean;
  readonly cwd?: string;
}

export interface Launched {
  readonly child: ChildProcess;
  /** What the process calls itself. */
  readonly pid: number;
  /** Opens the gate. */
  begin(): void;
}

/** Whether spawn takes it. Its declared type also asks for variables that only the Worker has. */
function isEnvironment(env: object): env is NodeJS.ProcessEnv {
  return Object.values(env).every((value) => typeof value === "string");
}

/** The first line of a stream, which stays open; null when it ends or breaks before. */
export function firstLine(stream: Readable): Promise<string | null> {
  return new Promise((resolve) => {
    let text = "";
    const finish = (line: string | null) => {
      stream.off("data", onData).off("close", onClose);
      resolve(line);
    };
    const onClose = () => finish(null);
    const onData = (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const end = text.indexOf("\n");
      if (end >= 0) finish(text.slice(0, end));
    };
    stream.on("data", onData).on("close", onClose);
  });
}

/** Takes it as no error that a pipe breaks, as it does when the process at its other end is killed. */
export function tolerateBreaks(...streams: readonly (Stream | null | undefined)[]): void {
  for (const stream of streams) stream?.on("error", () => undefined);
}

/** Starts a process in a session of its own and resolves once it stands at the gate. */
export async function launch({ file, args, env, stdin, cwd }: Launch): Promise<Launched> {
  if (!isEnvironment(env)) throw new Error("A variable of the environment is no text.");
  const options: SpawnOptions = {
    env,
    detached: true,
    stdio: [stdin ? "pipe" : "ignore", "pipe", "pipe", "pipe"],
    ...(cwd !== undefined && { cwd }),
  };
  const child = spawn(file, args, options);
  // A program that does not exist is told by an "error" event, and not by the gate.
  const failed = once(child, "error").then(([error]) => Promise.reject(error));
  failed.catch(() => undefined);
  const gate = child.stdio[GATE];
  if (!(gate instanceof Duplex)) return failed;
  tolerateBreaks(...child.stdio);
  const line = await Promise.race([firstLine(gate), failed]);
  const pid = Number(line);
  if (line === null || !Number.isInteger(pid)) throw new Error(`${file} ended before its command.`);
  return { child, pid, begin: () => gate.end("\n") };
}
