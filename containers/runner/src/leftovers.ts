/**
 * Processes that an earlier life of the runner left behind. While an attempt runs, a file beside its
 * folder names its first process; every process of it carries a mark that names the state folder.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { killGroup, processIdentity, signal } from "../../../scripts/lib/processes.ts";
import { markedProcesses } from "./processes.ts";
import { removeTree } from "./subprocess/workspace.ts";

const SUFFIX = ".pid";

/** Begins the mark of every attempt of this state folder. */
export function markPrefix(stateFolder: string): string {
  return createHash("sha256").update(realpathSync(stateFolder)).digest("hex").slice(0, 16);
}

/** Remembers the process that leads an attempt's group until `forget`. */
export function rememberProcess(attemptFolder: string, pid: number): void {
  writeFileSync(`${attemptFolder}${SUFFIX}`, processIdentity(pid) ?? "");
}

export function forgetProcess(attemptFolder: string): void {
  rmSync(`${attemptFolder}${SUFFIX}`, { force: true });
}

/** Kills what runs of the folder of attempts, without waiting for it; returns how many. */
export function killLeftovers(attempts: string, prefix: string): number {
  let killed = 0;
  for (const name of readdirSync(attempts).filter((each) => each.endsWith(SUFFIX))) {
    const identity = readFileSync(join(attempts, name), "utf8");
    const pid = Number(identity.split(":", 1)[0]);
    // A pid may name another process by now; together with its start time it does not.
    if (pid > 1 && processIdentity(pid) === identity) {
      killGroup(pid);
      killed += 1;
    }
  }
  for (const pid of markedProcesses(prefix)) {
    signal(pid, "SIGKILL");
    killed += 1;
  }
  return killed;
}

/** Kills what runs and removes what lies in the folder of attempts; returns how many it killed. */
export async function clearLeftovers(attempts: string, prefix: string): Promise<number> {
  const killed = killLeftovers(attempts, prefix);
  for (const name of readdirSync(attempts)) await removeTree(join(attempts, name));
  return killed;
}
