/**
 * The processes of an attempt, as the operating system knows them: the group that its first process
 * leads, and whatever left that group but still carries the attempt's mark in its environment.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { isGroupAlive, killGroup, signal } from "../../../scripts/lib/processes.ts";

/** Environment variable that marks every process of an attempt, children of children included. */
export const MARK = "PIPELZR_ATTEMPT_MARK";
const ROUND_MS = 10;
/** A process that the kernel cannot end, one that waits for a dead disk, must not hold a slot for good. */
const GIVE_UP_MS = 5_000;

function read(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

function processIds(): number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** Living processes with `text` in the value of their mark; none where there is no /proc. */
export function markedProcesses(text: string): number[] {
  const wanted = Buffer.from(`${MARK}=${text}`);
  return processIds().filter(
    (pid) => pid !== process.pid && read(`/proc/${pid}/environ`)?.includes(wanted) === true,
  );
}

/** Living members of a process group; null where there is no /proc to say. */
function groupMembers(leader: number): number[] | null {
  const ids = processIds();
  if (ids.length === 0) return null;
  return ids.filter((pid) => {
    const stat = read(`/proc/${pid}/stat`)?.toString("latin1");
    if (stat === undefined) return false;
    // The command, in parentheses, may hold spaces; state, parent and group follow it.
    const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(group) === leader && state !== "Z" && state !== "X";
  });
}

export class ProcessTree {
  readonly #leader: number;
  readonly #mark: string;
  readonly #isWrapped: boolean;

  /** `isWrapped`: the leader is a sandbox that would end at once, and the code with it. */
  constructor(leader: number, mark: string, isWrapped: boolean) {
    this.#leader = leader;
    this.#mark = mark;
    this.#isWrapped = isWrapped;
  }

  /** Asks the code to end. */
  terminate(): void {
    const members = this.#isWrapped ? [this.#leader] : (groupMembers(this.#leader) ?? []);
    const outside = markedProcesses(this.#mark).filter((pid) => !members.includes(pid));
    const group = this.#isWrapped ? [] : [-this.#leader];
    for (const target of [...group, ...outside]) signal(target, "SIGTERM");
  }

  isGone(): boolean {
    const members = groupMembers(this.#leader);
    if (members === null) return !isGroupAlive(this.#leader);
    return members.length === 0 && markedProcesses(this.#mark).length === 0;
  }

  /** Kills until nothing is left; resolves false when something cannot be killed. */
  async destroy(): Promise<boolean> {
    const giveUpAt = performance.now() + GIVE_UP_MS;
    for (;;) {
      killGroup(this.#leader);
      for (const pid of markedProcesses(this.#mark)) signal(pid, "SIGKILL");
      if (this.isGone()) return true;
      if (performance.now() > giveUpAt) return false;
      await delay(ROUND_MS);
    }
  }
}
