/**
 * Starts a process that waits at a gate: it tells its pid, and its command begins when it is told
 * to, so that nothing it writes comes before somebody listens.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Duplex } from "node:stream";

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

async function firstLine(gate: Duplex): Promise<string | null> {
  for await (const line of createInterface({ input: gate })) return line;
  return null;
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
  // It breaks when the process is killed at it.
  gate.on("error", () => undefined);
  const line = await Promise.race([firstLine(gate), failed]);
  const pid = Number(line);
  if (line === null || !Number.isInteger(pid)) throw new Error(`${file} ended before its command.`);
  return { child, pid, begin: () => gate.end("\n") };
}
