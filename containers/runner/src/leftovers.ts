/**
 * Processes that an earlier life of the runner left behind. While an attempt runs, a file beside its
 * folder names its first process; every process of it carries a mark that names the state folder.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { processIdentity } from "../../../scripts/lib/processes.ts";
import { markedProcesses, trySignal } from "./processes.ts";
import { removeTree } from "./remove-tree.ts";

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

/** What a file of the folder says; empty when it is none. */
function identityIn(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Kills what runs of the folder of attempts, without waiting for it; returns how many. */
export function killLeftovers(attempts: string, prefix: string): number {
  const killed = new Set<number>();
  for (const name of readdirSync(attempts).filter((each) => each.endsWith(SUFFIX))) {
    const identity = identityIn(join(attempts, name));
    const pid = Number(identity.split(":", 1)[0]);
    // A pid may name another process by now; together with its start time it does not.
    if (pid > 1 && processIdentity(pid) === identity) {
      trySignal(-pid, "SIGKILL");
      killed.add(pid);
    }
  }
  for (const pid of markedProcesses(prefix)) {
    trySignal(pid, "SIGKILL");
    killed.add(pid);
  }
  return killed.size;
}

/**
 * Kills what runs and removes what lies in the folder of attempts; returns how many it killed. What
 * cannot be removed is told and stays: it must not keep the runner from starting.
 */
export async function clearLeftovers(
  attempts: string,
  prefix: string,
  warn: (message: string) => void,
): Promise<number> {
  const killed = killLeftovers(attempts, prefix);
  for (const name of readdirSync(attempts)) {
    const path = join(attempts, name);
    await removeTree(path).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      warn(
        `${path}, which an earlier runner left, could not be removed: ${why}. Remove it by hand.`,
      );
    });
  }
  return killed;
}
