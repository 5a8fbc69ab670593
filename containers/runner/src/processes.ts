/**
 * The processes of an attempt, as the operating system knows them: the group that its first process
 * leads, whatever carries the attempt's mark, and all that descends from those.
 *
 * The mark is a variable of the environment and, since code may start a process with an empty one, also
 * a number in the limit on file locks: every process inherits it, no command resets it, and Linux has
 * not enforced it for twenty years. Only a sandbox holds what sets out to lose both.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { isGroupAlive, signal } from "../../../scripts/lib/processes.ts";

/** Environment variable that marks every process of an attempt, children of children included. */
export const MARK = "PIPELZR_ATTEMPT_MARK";
const ROUND_MS = 10;
/** A process that the kernel cannot end, one that waits for a dead disk, must not hold a slot for good. */
const GIVE_UP_MS = 5_000;

/** Nine digits without a zero in front, so that the digits of a mark's beginning begin those of the mark. */
function digits(text: string): string {
  const number = createHash("sha256").update(text).digest().readUInt32BE(0);
  return String(100_000_000 + (number % 900_000_000));
}

/** The number that stands for a mark, `prefix.attempt`, or begins that of every mark of `prefix`. */
export function limitOfMark(mark: string): string {
  return mark.split(".", 2).map(digits).join("");
}

function read(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

/** More than the kernel writes into `stat`. Every process is looked at, so that one buffer serves all. */
const statBuffer = Buffer.alloc(4096);

function readStat(pid: number): string | null {
  let file: number;
  try {
    file = openSync(`/proc/${pid}/stat`, "r");
  } catch {
    return null;
  }
  try {
    return statBuffer.latin1Slice(0, readSync(file, statBuffer));
  } catch {
    return null;
  } finally {
    closeSync(file);
  }
}

interface Living {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** In ticks since the machine started; together with the pid it names one process for good. */
  readonly startTime: number;
  readonly hasEnded: boolean;
}

/** What the system knows of a process, which may have ended; null when nothing. */
function known(pid: number): Living | null {
  const stat = readStat(pid);
  if (stat === null) return null;
  // The command, in parentheses, may hold spaces; the state follows it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, parent, group] = fields;
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    startTime: Number(fields[19]),
    hasEnded: state === "Z" || state === "X",
  };
}

/** Null for a process that has ended. */
function living(pid: number): Living | null {
  const found = known(pid);
  return found?.hasEnded === false ? found : null;
}

/** Every living process but this one; empty where there is no /proc. */
function allLiving(): Living[] {
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const pid = Number(name);
    return Number.isInteger(pid) && pid !== process.pid ? (living(pid) ?? []) : [];
  });
}

function isMarkedBy(mark: string): (process: Living) => boolean {
  const variable = Buffer.from(`${MARK}=${mark}`);
  const limit = Buffer.from(`${"Max file locks".padEnd(25)} ${limitOfMark(mark)}`);
  return ({ pid }) =>
    read(`/proc/${pid}/environ`)?.includes(variable) === true ||
    read(`/proc/${pid}/limits`)?.includes(limit) === true;
}

/** Living processes of a mark, or of all marks that begin with `text`; none where there is no /proc. */
export function markedProcesses(text: string): number[] {
  return allLiving()
    .filter(isMarkedBy(text))
    .map(({ pid }) => pid);
}

/** Sends a signal; what has gone, or belongs to another user by now, does not get it. */
export function trySignal(pid: number, name: NodeJS.Signals): void {
  try {
    signal(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) throw error;
  }
}

export class ProcessTree {
  readonly #leader: number;
  readonly #isMarked: (process: Living) => boolean;
  readonly #isWrapped: boolean;
  /** What began before the leader is none of its attempt's, and need not be looked at closely. */
  readonly #since: number;
  /** Start times by pid of what was once found: it may lose what it was found by. */
  readonly #found = new Map<number, number>();

  /** `isWrapped`: the leader is a sandbox that would end at once, and the code with it. */
  constructor(leader: number, mark: string, isWrapped: boolean) {
    this.#leader = leader;
    this.#isMarked = isMarkedBy(mark);
    this.#isWrapped = isWrapped;
    this.#since = known(leader)?.startTime ?? 0;
  }

  /** Asks the code to end. */
  terminate(): void {
    const members = this.#members();
    // One signal to the group reaches what it starts meanwhile, too.
    if (!this.#isWrapped) trySignal(-this.#leader, "SIGTERM");
    for (const { pid, group } of members) {
      const isLeftOut = this.#isWrapped ? pid === this.#leader : group === this.#leader;
      if (!isLeftOut) trySignal(pid, "SIGTERM");
    }
  }

  isGone(): boolean {
    return this.remaining().length === 0;
  }

  /** What still runs. */
  remaining(): number[] {
    const pids = this.#members().map(({ pid }) => pid);
    // Without /proc a group is all there is to see.
    return pids.length === 0 && isGroupAlive(this.#leader) && living(process.pid) === null
      ? [this.#leader]
      : pids;
  }

  /** Kills until nothing is left; resolves false when something cannot be killed. */
  async destroy(): Promise<boolean> {
    const giveUpAt = performance.now() + GIVE_UP_MS;
    for (;;) {
      const members = this.#members();
      trySignal(-this.#leader, "SIGKILL");
      for (const { pid } of members) trySignal(pid, "SIGKILL");
      // The kernel ends a sandbox's processes before its leader: where none was found none can appear.
      if ((this.#isWrapped && members.length === 0) || this.isGone()) return true;
      if (performance.now() > giveUpAt) return false;
      await delay(ROUND_MS);
    }
  }

  #members(): Living[] {
    const all = allLiving();
    const children = Map.groupBy(all, ({ parent }) => parent);
    const isKnown = (each: Living) =>
      each.group === this.#leader ||
      this.#found.get(each.pid) === each.startTime ||
      (each.startTime >= this.#since && this.#isMarked(each));
    const members = new Set(all.filter(isKnown));
    // A set is gone through with what is added to it meanwhile.
    for (const { pid } of members) {
      for (const child of children.get(pid) ?? []) members.add(child);
    }
    for (const { pid, startTime } of members) this.#found.set(pid, startTime);
    return [...members];
  }
}
