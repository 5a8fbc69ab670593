/** What the operating system says about processes that a supervisor started. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function ps(...args: string[]): string {
  try {
    return execFileSync("ps", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return "";
  }
}

/** Direct children of a process, from /proc where there is one, else from `ps`. */
export function childProcesses(pid: number): number[] {
  const listed = read(`/proc/${pid}/task/${pid}/children`);
  if (listed !== null) return listed.split(" ").filter(Boolean).map(Number);
  return ps("-A", "-o", "pid=,ppid=")
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child, parent]) => (child !== undefined && parent === pid ? [child] : []));
}

/**
 * Names one process for good: pids are reused, a pid together with its start time is not. Null when
 * no such process lives.
 */
export function processIdentity(pid: number): string | null {
  const stat = read(`/proc/${pid}/stat`);
  if (stat !== null) {
    // The command, in parentheses, may hold spaces; the start time is the 20th field after it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : `${pid}:${fields[19]}`;
  }
  const started = ps("-o", "lstart=", "-p", String(pid)).trim();
  return started === "" ? null : `${pid}:${started}`;
}

/** The kernel counts processor time in hundredths of a second, whatever its own clock. */
const TICK_MS = 10;

/** Processor time that a process has used so far; null where the system does not tell. */
export function processorMs(pid: number): number | null {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === null) return null;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Sends a signal; a process that is already gone is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Ends a process group, whose id is the pid of its leader, at once. */
export function killGroup(leader: number): void {
  signal(-leader, "SIGKILL");
}

/** Whether a process group has a member left. */
export function isGroupAlive(leader: number): boolean {
  try {
    return process.kill(-leader, 0);
  } catch {
    return false;
  }
}
